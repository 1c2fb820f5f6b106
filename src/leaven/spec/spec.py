"""What does a run wish for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from leaven import registry
from leaven.contracts import Filter, Generator, Recommender, Schedule, Strategy, Transform
from leaven.data.clean import Clean
from leaven.data.log.source import ItemSource, Source
from leaven.errors import SpecError, nearest
from leaven.plan.steps import Plan, Step
from leaven.runs import plain
from leaven.spec import text as spec_text
from leaven.spec.building import build, checked, class_of, table_of, value_of

BASELINE, CONTROL = "baseline", "repeat"
"""Arms that always run: no plan; as many duplicated real rows as the largest plan adds."""


@dataclass(frozen=True)
class Evaluate:
    """How arms are judged, declared before looking.

    metrics        names with the length of the list; the first is the one that decides
    seeds          trainings of each arm
    smallest_lift  relative: the smallest lift that matters
    allow_repeats  whether items that a user already had may be recommended, and count
    steps          optimiser steps of every arm; none: what the recommender finds right for the real rows
    views          test-time augmentation: each test history is ranked as it is and in views - 1 changed forms, and
                   items are listed by their mean score (experiment/views.py); 1: only as it is
    view           the transform that gives the changed forms; none: drop
    """

    metrics: tuple[str, ...] = ("ndcg@10", "recall@10", "mrr@10", "coverage@10")
    seeds: int = 3
    smallest_lift: float = 0.01
    allow_repeats: bool = False
    steps: int | None = None
    views: int = 1
    view: Transform | None = None

    def __post_init__(self) -> None:
        from leaven.metrics.named import is_catalog, parse_all

        if not self.metrics or is_catalog(self.metrics[0]):
            raise SpecError("evaluate.metrics", "a metric with a value per user first", str(self.metrics), "ndcg@10")
        parse_all(self.metrics)
        if self.seeds < 1:
            raise SpecError("evaluate.seeds", "1 or more", str(self.seeds))
        if not 0 <= self.smallest_lift < 1:
            raise SpecError("evaluate.smallest_lift", "a share in 0..1 (0.01 is 1 %)", str(self.smallest_lift))
        if self.steps is not None and self.steps < 1:
            raise SpecError("evaluate.steps", "1 or more", str(self.steps))
        if self.views < 1:
            raise SpecError("evaluate.views", "1 (off) or more", str(self.views))
        if self.views > 1 and self.view is None:
            object.__setattr__(self, "view", registry.made("transforms", "drop"))
        if self.views == 1 and self.view is not None:
            raise SpecError("evaluate.view", "2 views or more", "views = 1", "add views = 4 to [evaluate]")


@dataclass(frozen=True)
class Arm:
    """One plan under trial."""

    name: str
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True)
class Spec:
    """A whole run: where the data lies, what is done with it, which arms, how they are judged."""

    name: str
    data: Source
    items: ItemSource | None = None
    clean: Clean = field(default_factory=Clean)
    split: Any = None
    recommender: Recommender | None = None
    evaluate: Evaluate = field(default_factory=Evaluate)
    arms: tuple[Arm, ...] = ()
    seed: int = 7

    def __post_init__(self) -> None:
        if self.split is None:
            object.__setattr__(self, "split", registry.made("splits", "time"))
        if self.recommender is None:
            object.__setattr__(self, "recommender", registry.made("recommenders", "transformer"))

    def arm(self, name: str) -> Arm:
        """The arm of a name.

        Raises SpecError that names the nearest.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise SpecError("arm", "an arm of the spec", repr(name), nearest(name, [arm.name for arm in self.arms]))


TABLES = ("name", "seed", "data", "clean", "split", "recommender", "evaluate", "arm")
_STEP_FIELDS = tuple(one.name for one in fields(Step))
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


def resolved(spec: Spec) -> dict[str, Any]:
    """The spec as a table with every default written out; `parse` of its TOML gives the same spec."""
    data = table_of(spec.data)
    if spec.items is not None:
        data |= {"items": table_of(spec.items.items)}
        data["item_columns"] = {**spec.items.columns, "text": list(spec.items.text)}
    arms = [{"name": arm.name, "combine": arm.plan.combine, "step": _steps(arm.plan)} for arm in spec.arms]
    tables = {"clean": spec.clean, "split": spec.split, "recommender": spec.recommender, "evaluate": spec.evaluate}
    whole = {"name": spec.name, "seed": spec.seed, "data": data}
    return whole | {name: table_of(one) for name, one in tables.items()} | {"arm": arms}


def _steps(plan: Plan) -> list[dict[str, Any]]:
    """Steps with the operator's fields beside their own, as they are written."""
    written = []
    for step in plan.all:
        table = table_of(step)
        operator = table.pop("use")
        if operator.get("keep") == table_of(getattr(type(step.use), "keep", None)):
            operator.pop("keep", None)  # read back, it would be the step's own wish
        if step.mode == "add":
            table.pop("p")
        else:
            operator.pop("p", None)
            table.pop("copies")
        written.append(operator | table)
    return written


def _spec(text: spec_text.Text, folder: Path) -> Spec:
    table = text.table
    for key in table:
        if key not in TABLES:
            raise SpecError(text.place(key), "a known table or key", repr(key), nearest(key, TABLES))
    data, items = _data(table.get("data"), text, folder)
    split = _kind(table.get("split", {}), "splits", "time", text, "split")
    return Spec(
        name=checked(table.get("name", "run"), str, text.place("name")),
        seed=checked(table.get("seed", 7), int, text.place("seed")),
        data=data,
        items=items,
        clean=build(Clean, _table(table, "clean", text), lambda key: text.place(f"clean.{key}")),
        split=split,
        recommender=_kind(table.get("recommender", {}), "recommenders", "transformer", text, "recommender"),
        evaluate=build(Evaluate, _table(table, "evaluate", text), lambda key: text.place(f"evaluate.{key}")),
        arms=_arms(table.get("arm", []), text),
    )


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


def _data(table: Any, text: spec_text.Text, folder: Path) -> tuple[Source, ItemSource | None]:
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


def _arms(tables: Any, text: spec_text.Text) -> tuple[Arm, ...]:
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
        arms.append(Arm(name, _plan(table, text, f"arm.{name}")))
    return tuple(arms)


def _plan(table: Mapping[str, Any], text: spec_text.Text, path: str) -> Plan:
    for key in table:
        if key not in ("name", "combine", "step"):
            known = ("name", "combine", "step")
            raise SpecError(text.place(f"{path}.{key}"), "a key of an arm", repr(key), nearest(key, known))
    steps = tuple(_step(step, text, f"{path}.step.{place}") for place, step in enumerate(table.get("step", [])))
    try:
        return Plan(steps, table.get("combine", "joint"))
    except SpecError as error:
        raise SpecError(f"{text.name}: {path}, {error.where}", error.wanted, error.got, error.fix) from error


def _step(table: Mapping[str, Any], text: spec_text.Text, path: str) -> Step:
    """A step and its operator share one table: keys of a step go to the step, the others to the operator."""

    def where(key: str) -> str:
        return text.place(f"{path}.{key}")

    if "use" not in table:
        raise SpecError(where("use"), "the kind of operator", f"keys {sorted(table)}", 'write use = "crop"')
    mine = {key: value for key, value in table.items() if key in _STEP_FIELDS and key not in ("use", "p")}
    own = {key: value for key, value in table.items() if key not in _STEP_FIELDS}
    if "p" in table:  # in place, p says how many rows are changed; beside the real rows, the operator draws it
        (mine if table.get("mode") == "replace" else own)["p"] = table["p"]
    use = table["use"]
    asked = {"use": use, **own} if isinstance(use, str) else {**_combination(use, where), **own}
    operator = value_of(asked, _OPERATOR, where, "use")
    return _built_step(operator, mine, where)


def _combination(use: Any, where: Any) -> dict[str, Any]:
    """`use = { one_of = ["crop", …], … }` as a kind and its fields."""
    if not isinstance(use, dict) or not use:
        raise SpecError(where("use"), "a kind, or { one_of = [ … ] }", repr(use), 'write use = "crop"')
    kind = next((key for key in use if key in registry.kinds("transforms")), next(iter(use)))
    return {"use": kind, "of": use[kind], **{key: value for key, value in use.items() if key != kind}}


def _built_step(operator: Any, mine: Mapping[str, Any], where: Any) -> Step:
    hints = {"copies": Strategy, "strength": Schedule, "keep": tuple[Filter, ...]}
    values = {key: value_of(value, hints.get(key, _PLAIN.get(key)), where, key) for key, value in mine.items()}
    try:
        return Step(operator, **values)
    except SpecError as error:
        raise SpecError(where(error.where.rsplit(" ", 1)[-1]), error.wanted, error.got, error.fix) from error


_OPERATOR = Transform | Generator
_PLAIN: Mapping[str, Any] = {
    "mode": str,
    "when": str,
    "reads": str,
    "p": float,
    "weight": float,
    "name": str,
    "fail_if_unchanged_over": float,
}
