"""What do the tables of a spec file wish for? TOML in, checked and frozen objects out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from leaven import registry
from leaven.augmentation.plan import Plan, Step
from leaven.cleaning import Clean
from leaven.config import row_rules as shop_rules
from leaven.config import toml_source as spec_text
from leaven.config.build import build, checked, class_of, families_of, value_of
from leaven.config.experiment_spec import BASELINE, CLICKS, CONTROL, RANKING, TASKS, Arm, Spec
from leaven.config.tasks import Task
from leaven.ctr_features import Labelled, Sampling
from leaven.errors import SpecError, nearest
from leaven.filters.rules import Rules
from leaven.ingest.source_config import ItemSource, Source
from leaven.protocols import Controller, Schedule
from leaven.quality import Judging
from leaven.run_folder import plain

TABLES = ("name", "task", "seed", "data", "clean", "split", "recommender", "evaluate", "judge", "arm")
_STEP_FIELDS = tuple(one.name for one in fields(Step))
_FILES = ("vectors", "folder", "weights", "cache")  # keys of operators and encoders that name a file or a folder
_FOR_ITEMS = ("separator", "encoding", "time_format")


def load(path: str | Path, overrides: Sequence[str] = ()) -> Spec:
    """The spec in a TOML file; its paths are relative to it.

    Raises SpecError that names file, line and key of whatever is wrong.
    """
    file = Path(path)
    return _spec(spec_text.read(file, overrides), file.resolve().parent)


def parse(text: str, folder: str | Path = ".", overrides: Sequence[str] = ()) -> Spec:
    """The spec in a text; its paths are relative to `folder`."""
    return _spec(spec_text.from_text(text, "spec", overrides), Path(folder).resolve())


def _spec(text: spec_text.Text, folder: Path) -> Spec:
    table = text.table
    task = _task(table, text)
    data, items = _data(table.get("data"), task, text, folder)
    rules = shop_rules.read(table.get("rules", []), text.place("rules"), folder)
    return Spec(
        name=checked(table.get("name", "run"), str, text.place("name")),
        seed=checked(table.get("seed", 7), int, text.place("seed")),
        data=data,
        items=items,
        clean=build(Clean, _table(table, "clean", text), lambda key: text.place(f"clean.{key}")),
        split=_kind(table.get("split", {}), *task.split, text, "split"),
        recommender=_kind(_rooted(table.get("recommender", {}), folder), *task.recommender, text, "recommender"),
        evaluate=build(task.evaluate, _table(table, "evaluate", text), lambda key: text.place(f"evaluate.{key}")),
        arms=_arms(_rooted(table.get("arm", []), folder), _Words(text, folder, task, rules)),
        task=task.name,
        samples=_samples(table, data, task, text),
        rules=rules,
        judge=_judging(table.get("judge", True), text),
    )


def _task(table: Mapping[str, Any], text: spec_text.Text) -> Task:
    """The task of a spec, which says what else may stand in it."""
    name = table.get("task", RANKING.name)
    if name not in TASKS:
        raise SpecError(text.place("task"), "a known task", repr(name), nearest(str(name), TASKS))
    task = TASKS[name]
    for key in table:
        if key not in (*TABLES, *task.tables):
            owner = next((f'it belongs to task = "{other}"' for other in TASKS if key in TASKS[other].tables), "")
            fix = owner or nearest(key, (*TABLES, *task.tables))
            raise SpecError(text.place(key), "a known table or key", repr(key), fix)
    return task


def _samples(table: Mapping[str, Any], data: Any, task: Task, text: spec_text.Text) -> Sampling | None:
    """How a log becomes labelled rows; a ready table has them already."""
    if not isinstance(data, Labelled):
        wish: Sampling = build(Sampling, _table(table, "samples", text), lambda key: text.place(f"samples.{key}"))
        return wish if task is CLICKS else None
    for key in ("samples", "clean"):
        if key in table:
            fix = f"leave [{key}] out, or name a log: data.interactions"
            raise SpecError(text.place(key), "a log", "a ready table (data.labelled)", fix)
    return None


def _judging(asked: Any, text: spec_text.Text) -> Judging | None:
    """`judge = false` turns it off; a table says how."""
    if isinstance(asked, bool):
        return Judging() if asked else None
    wish: Judging = build(Judging, _table({"judge": asked}, "judge", text), lambda key: text.place(f"judge.{key}"))
    return wish


def _table(table: Mapping[str, Any], key: str, text: spec_text.Text) -> dict[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise SpecError(text.place(key), "a table", repr(found), f"write [{key}] above its keys")
    return found


def _kind(table: Any, family: str, default: str, text: spec_text.Text, key: str) -> Any:
    """The wish of a table that says its kind, or says nothing and means the default."""
    if isinstance(table, str):
        table = {"kind": table}
    own = dict(_table({key: table}, key, text))
    kind = str(own.pop("kind", default))
    return build(class_of(kind, (family,), text.place(f"{key}.kind")), own, lambda name: text.place(f"{key}.{name}"))


def _data(table: Any, task: Task, text: spec_text.Text, folder: Path) -> tuple[Any, ItemSource | None]:
    if task is CLICKS and isinstance(table, dict) and "labelled" in table:
        wish = {**table, "labelled": _path(checked(table["labelled"], str, text.place("data.labelled")), folder)}
        return build(Labelled, wish, lambda key: text.place(f"data.{key}")), None
    if not isinstance(table, dict) or "interactions" not in table:
        fix = 'write [data] and interactions = "…"; leaven init FILE does it for you'
        raise SpecError(text.place("data"), "where the log lies", "no data.interactions", fix)
    own = dict(table)
    items, columns = own.pop("items", None), own.pop("item_columns", None)
    own["interactions"] = _path(checked(own["interactions"], str, text.place("data.interactions")), folder)
    source = build(Source, own, lambda key: text.place(f"data.{key}"))
    if items is None:
        return source, None
    words = dict(columns or {"item": "item_id"})
    said = checked(words.pop("text", []), tuple[str, ...], text.place("data.item_columns.text"))
    wish = {"items": _path(str(items), folder), "columns": words, "text": list(said)}
    wish |= {key: own[key] for key in _FOR_ITEMS if key in own}
    return source, build(ItemSource, wish, lambda key: text.place(f"data.item_columns.{key}"))


def _path(name: str, folder: Path) -> str:
    """A path of the spec: relative ones start from its folder; URLs stay."""
    return name if "://" in name or Path(name).is_absolute() else str(folder / name)


@dataclass(frozen=True)
class _Words:
    """What the words of arms are read by: the spec's text, the folder of its paths, its task, and the rules that steps
    keep by default."""

    text: spec_text.Text
    folder: Path
    task: Task
    rules: tuple[str, ...]


def _rooted(table: Any, folder: Path) -> Any:
    """The arms with the files that their operators name as paths from the spec's folder."""
    if isinstance(table, list):
        return [_rooted(one, folder) for one in table]
    if not isinstance(table, dict):
        return table
    is_file = {key: key in _FILES and isinstance(value, str) and value != "" for key, value in table.items()}
    return {k: _path(value, folder) if is_file[k] else _rooted(value, folder) for k, value in table.items()}


def _arms(tables: Any, words: _Words) -> tuple[Arm, ...]:
    text = words.text
    if not isinstance(tables, list):
        raise SpecError(text.place("arm"), "a list of arms", repr(tables), "write [[arm]] above each")
    arms: list[Arm] = []
    for number, table in enumerate(tables, 1):
        name = checked(table.get("name", f"arm {number}"), str, text.place("arm.name"))
        if name in [BASELINE, CONTROL, *(arm.name for arm in arms)]:
            why = "an arm that always runs" if name in (BASELINE, CONTROL) else "another arm has it"
            raise SpecError(f"{text.name}: arm {number}, name", "a name of its own", f"{name!r} ({why})", "rename it")
        if alike := next((arm.name for arm in arms if plain(arm.name) == plain(name)), None):
            got = f"{name!r}, whose folder would be that of {alike!r}"
            raise SpecError(f"{text.name}: arm {number}, name", "a name of its own", got, "rename it")
        arms.append(Arm(name, _plan(table, words, f"arm.{name}")))
    return tuple(arms)


_ARM_KEYS = ("name", "combine", "controller", "rounds", "step")


def _plan(table: Mapping[str, Any], words: _Words, path: str) -> Plan:
    text = words.text
    for key in table:
        if key not in _ARM_KEYS:
            raise SpecError(text.place(f"{path}.{key}"), "a key of an arm", repr(key), nearest(key, _ARM_KEYS))
    steps = tuple(_step(step, words, f"{path}.step.{place}") for place, step in enumerate(table.get("step", [])))
    rounds = checked(table.get("rounds", 1), int, text.place(f"{path}.rounds"))
    controller = _controller(table.get("controller"), words, path)
    try:
        return Plan(steps, table.get("combine", "joint"), controller, rounds)
    except SpecError as error:
        raise SpecError(f"{text.name}: {path}, {error.where}", error.wanted, error.got, error.fix) from error


def _controller(table: Any, words: _Words, path: str) -> Controller | None:
    """`controller = "gap"` or { kind = "replay", log = "…" }; the log's path is relative to the spec."""
    if table is None:
        return None
    if isinstance(table, Mapping) and isinstance(table.get("log"), str):
        table = {**table, "log": _path(table["log"], words.folder)}
    made: Controller = value_of(table, Controller, lambda key: words.text.place(f"{path}.{key}"), "controller")
    return made


def _step(table: Mapping[str, Any], words: _Words, path: str) -> Step:
    """A step and its operator share one table: keys of a step go to the step, the others to the operator."""

    def where(key: str) -> str:
        return words.text.place(f"{path}.{key}")

    if "use" not in table:
        raise SpecError(where("use"), "the kind of operator", f"keys {sorted(table)}", 'write use = "crop"')
    mine = {key: value for key, value in table.items() if key in _STEP_FIELDS and key not in ("use", "p")}
    own = {key: value for key, value in table.items() if key not in _STEP_FIELDS}
    if "p" in table:  # in place, p says how many rows are changed; beside the real rows, the operator draws it
        (mine if table.get("mode") == "replace" else own)["p"] = table["p"]
    use = table["use"]
    asked = {"use": use, **own} if isinstance(use, str) else {**_combination(use, words.task, where), **own}
    operator = value_of(asked, words.task.operator, where, "use")
    return _built_step(operator, mine, words, where)


def _combination(use: Any, task: Task, where: Any) -> dict[str, Any]:
    """`use = { one_of = ["crop", …], … }` as a kind and its fields."""
    if not isinstance(use, dict) or not use:
        raise SpecError(where("use"), "a kind, or { one_of = [ … ] }", repr(use), 'write use = "crop"')
    if "kind" in use:
        fix = f'write use = "{use["kind"]}", and its fields on lines of their own'
        raise SpecError(where("use"), "a kind, or { one_of = [ … ] }", "a table with a kind", fix)
    known = registry.kinds(families_of(task.operator)[0])
    kind = next((key for key in use if key in known), next(iter(use)))
    return {"use": kind, "of": use[kind], **{key: value for key, value in use.items() if key != kind}}


def _built_step(operator: Any, mine: Mapping[str, Any], words: _Words, where: Any) -> Step:
    task = words.task
    hints = {"copies": task.copies, "strength": Schedule, "keep": task.keep}
    values = {key: value_of(value, hints.get(key, _PLAIN.get(key)), where, key) for key, value in mine.items()}
    if words.rules and not getattr(operator, "copies_rows", False):
        values.setdefault("keep", (Rules(words.rules),))
    try:
        return Step(operator, **values)
    except SpecError as error:
        raise SpecError(where(error.where.rsplit(" ", 1)[-1]), error.wanted, error.got, error.fix) from error


_PLAIN: Mapping[str, Any] = {
    "mode": str,
    "when": str,
    "during": tuple[float, float],
    "reads": str,
    "p": float,
    "weight": float,
    "name": str,
    "columns": tuple[str, ...],
    "fail_if_unchanged_over": float,
}
