"""Parser of spec files: TOML in, a checked `Spec` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from leaven import registry
from leaven.augmentation.plan import MODES, Plan, Step
from leaven.cleaning import CleaningConfig
from leaven.config import toml_source as spec_text
from leaven.config.build import (
    build_config,
    build_registered,
    check_keys,
    check_value,
    convert_value,
    find_class,
)
from leaven.config.experiment_spec import (
    AUTO,
    BASELINE,
    CONTROL,
    CTR,
    QUALITY,
    RANKING,
    TASKS,
    TRACKING,
    VARIANTS,
    Spec,
    Task,
)
from leaven.config.old_names import suggest_key, suggest_value
from leaven.config.variants import SearchConfig, Variant
from leaven.ctr_features import LabeledTable, SamplingConfig
from leaven.errors import SpecError
from leaven.filters.rules import Rules
from leaven.ingest.source_config import AUTOMATIC, CatalogSource, LogSource, ReadingOptions, UserSource
from leaven.protocols import Controller, get_traits
from leaven.quality import QualityConfig
from leaven.run_folder import slugify
from leaven.translation import ENGLISH, check_language

TABLES = (
    "name",
    "task",
    "seed",
    "lang",
    "data",
    "clean",
    "split",
    "recommender",
    "evaluate",
    QUALITY,
    TRACKING,
    VARIANTS,
    AUTO,
)
_STEP_FIELDS = tuple(one.name for one in fields(Step))
_FILES = ("vectors", "folder", "weights", "cache")  # keys of operators and encoders with the path of a file or folder
_READING = tuple(one.name for one in fields(ReadingOptions))
_LOG_ONLY = ("min_rating", "keep_kinds", "valid", "test", "layout")  # reading options of logs alone


def load_spec(path: str | Path, overrides: Sequence[str] = ()) -> Spec:
    """Parse a TOML file; its paths are relative to it.

    Raises SpecError that names file, line and key of an error.
    """
    file = Path(path)
    return _build_spec(spec_text.read_source(file, overrides), file.resolve().parent)


def parse_spec(text: str, folder: str | Path = ".", overrides: Sequence[str] = ()) -> Spec:
    """Parse TOML text; its paths are relative to `folder`."""
    return _build_spec(spec_text.parse_source(text, "spec", overrides), Path(folder).resolve())


def _build_spec(text: spec_text.SpecSource, folder: Path) -> Spec:
    table = text.table
    task = _find_task(table, text)
    sources = _build_data(table.get("data"), task, text, folder)
    rules = _read_rules(table.get("rules", []), text.locate("rules"), folder)
    return Spec(
        name=check_value(table.get("name", "run"), str, text.locate("name")),
        seed=check_value(table.get("seed", 7), int, text.locate("seed")),
        data=sources.data,
        items=sources.items,
        users=sources.users,
        clean=build_config(CleaningConfig, _get_table(table, "clean", text), lambda key: text.locate(f"clean.{key}")),
        split=_build_kind(table.get("split", {}), *task.split, text, "split"),
        recommender=_build_kind(
            _resolve_paths(table.get("recommender", {}), folder), *task.recommender, text, "recommender"
        ),
        evaluate=build_config(
            task.evaluate, _get_table(table, "evaluate", text), lambda key: text.locate(f"evaluate.{key}")
        ),
        variants=_build_variants(_resolve_paths(table.get(VARIANTS, []), folder), _Context(text, folder, task, rules)),
        task=task.name,
        samples=_build_samples(table, sources.data, task, text),
        rules=rules,
        quality=_build_quality(table.get(QUALITY, True), text),
        lang=check_language(check_value(table.get("lang", ENGLISH), str, text.locate("lang")), text.locate("lang")),
        tracking=_build_kind(table[TRACKING], "trackers", "mlflow", text, TRACKING) if TRACKING in table else None,
        auto=_build_search(table, text),
    )


def _find_task(table: Mapping[str, Any], text: spec_text.SpecSource) -> Task:
    """The task of a spec. Raises SpecError for an unknown task, or a top-level key that the task does not have."""
    name = table.get("task", RANKING.name)
    if name not in TASKS:
        raise SpecError(text.locate("task"), "a known task", repr(name), suggest_value(str(name), TASKS))
    task = TASKS[name]
    for key in table:
        if key not in (*TABLES, *task.tables):
            owner = next((f'it belongs to task = "{other}"' for other in TASKS if key in TASKS[other].tables), "")
            fix = owner or suggest_key(key, (*TABLES, *task.tables))
            raise SpecError(text.locate(key), "a known table or key", repr(key), fix)
    return task


def _build_samples(
    table: Mapping[str, Any], data: Any, task: Task, text: spec_text.SpecSource
) -> SamplingConfig | None:
    """How a log becomes labelled rows; None for a labelled table."""
    if not isinstance(data, LabeledTable):
        sampling: SamplingConfig = build_config(
            SamplingConfig, _get_table(table, "samples", text), lambda key: text.locate(f"samples.{key}")
        )
        return sampling if task is CTR else None
    for key in ("samples", "clean"):
        if key in table:
            fix = f"leave [{key}] out, or name a log: data.interactions"
            raise SpecError(text.locate(key), "a log", "a labeled table (data.labeled)", fix)
    return None


def _build_quality(asked: Any, text: spec_text.SpecSource) -> QualityConfig | None:
    """`false` turns it off; a table configures it."""
    if isinstance(asked, bool):
        return QualityConfig() if asked else None
    quality: QualityConfig = build_config(
        QualityConfig, _get_table({QUALITY: asked}, QUALITY, text), lambda key: text.locate(f"{QUALITY}.{key}")
    )
    return quality


def _build_search(table: Mapping[str, Any], text: spec_text.SpecSource) -> SearchConfig | None:
    """Settings of a plan search; its plans are the variants."""
    if AUTO not in table:
        return None
    asked = _get_table(table, AUTO, text)
    if "plans" in asked:
        raise SpecError(text.locate("auto.plans"), "your own plans as variants", "plans", f"write [[{VARIANTS}]]")
    search: SearchConfig = build_config(SearchConfig, asked, lambda key: text.locate(f"{AUTO}.{key}"))
    return search


def _get_table(table: Mapping[str, Any], key: str, text: spec_text.SpecSource) -> dict[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise SpecError(text.locate(key), "a table", repr(found), f"write [{key}] above its keys")
    return found


def _build_kind(table: Any, family: str, default: str, text: spec_text.SpecSource, key: str) -> Any:
    """Config of a table with a kind, or of the default kind."""
    if isinstance(table, str):
        table = {"kind": table}
    own = dict(_get_table({key: table}, key, text))
    kind = str(own.pop("kind", default))
    cls = find_class(kind, (family,), text.locate(f"{key}.kind"))
    others = [name for name in own if name not in {one.name for one in fields(cls)}]
    if others and f"{key}.kind" in text.overridden:
        fix = f"--set {key}={kind} replaces the whole table of {text.name}"
        raise SpecError(f"--set {key}.kind={kind}", f"fields of {kind!r}", ", ".join(others), fix)
    return build_config(cls, own, lambda name: text.locate(f"{key}.{name}"))


@dataclass(frozen=True)
class _Sources:
    """The log or labeled table, and the tables of its items and users, None where the spec has none."""

    data: Any
    items: CatalogSource | None = None
    users: UserSource | None = None


_TABLE_KEYS = ("items", "item_columns", "users", "user_columns")
"""Keys of [data] about the tables of items and users."""


def _build_data(table: Any, task: Task, text: spec_text.SpecSource, folder: Path) -> _Sources:
    if task is CTR and isinstance(table, dict) and "labeled" in table:
        labeled = {
            **table,
            "labeled": _resolve_path(check_value(table["labeled"], str, text.locate("data.labeled")), folder),
        }
        return _Sources(build_config(LabeledTable, labeled, lambda key: text.locate(f"data.{key}")))
    if not isinstance(table, dict) or "interactions" not in table:
        fix = 'write [data] and interactions = "…"; leaven init FILE does it for you'
        raise SpecError(text.locate("data"), "the path of the log", "no data.interactions", fix)
    own = dict(table)
    tables = {key: own.pop(key) for key in _TABLE_KEYS if key in own}
    own["interactions"] = _resolve_path(check_value(own["interactions"], str, text.locate("data.interactions")), folder)
    reading = {key: own.pop(key) for key in _READING if key in own}
    for key in ("valid", "test"):
        if key in reading:
            reading[key] = _resolve_path(check_value(reading[key], str, text.locate(f"data.{key}")), folder)
    check_keys(own, (LogSource, ReadingOptions), _TABLE_KEYS, lambda key: text.locate(f"data.{key}"))
    options = build_config(ReadingOptions, reading, lambda key: text.locate(f"data.{key}"))
    source = replace(build_config(LogSource, own, lambda key: text.locate(f"data.{key}")), options=options)
    items = _build_table(tables, "item", CatalogSource, {"item": "item_id"}, "text", text, folder)
    users = _build_table(tables, "user", UserSource, {}, "categorical", text, folder)
    shared = replace(options, **{key: getattr(AUTOMATIC, key) for key in _LOG_ONLY})
    return _Sources(
        source,
        None if items is None else replace(items, options=shared),
        None if users is None else replace(users, options=shared),
    )


def _build_table(
    tables: Mapping[str, Any],
    name: str,
    cls: type[Any],
    default: Mapping[str, str],
    listed: str,
    text: spec_text.SpecSource,
    folder: Path,
) -> Any:
    """Config of the table of items or users; None without one. listed: the key of its columns that is a list."""
    where = f"data.{name}_columns"
    if f"{name}s" not in tables:
        if f"{name}_columns" in tables:
            raise SpecError(text.locate(where), f"a table: data.{name}s", "none", f'write {name}s = "{name}s.csv"')
        return None
    path = check_value(tables[f"{name}s"], str, text.locate(f"data.{name}s"))
    columns = dict(_get_table(tables, f"{name}_columns", text) or default)
    names = check_value(columns.pop(listed, []), tuple[str, ...], text.locate(f"{where}.{listed}"))
    table = {f"{name}s": _resolve_path(path, folder), "columns": columns, listed: list(names)}
    return build_config(cls, table, lambda key: text.locate(f"{where}.{key}"))


def _resolve_path(name: str, folder: Path) -> str:
    """Absolute path of a path in the spec, which is relative to its folder; URLs stay."""
    return name if "://" in name or Path(name).is_absolute() else str(folder / name)


@dataclass(frozen=True)
class _Context:
    """What the tables of variants are parsed with: source, folder of relative paths, task, and default rules of
    steps.
    """

    text: spec_text.SpecSource
    folder: Path
    task: Task
    rules: tuple[str, ...]


def _resolve_paths(table: Any, folder: Path) -> Any:
    """The table with the paths of files resolved."""
    if isinstance(table, list):
        return [_resolve_paths(one, folder) for one in table]
    if not isinstance(table, dict):
        return table
    is_file = {key: key in _FILES and isinstance(value, str) and value != "" for key, value in table.items()}
    return {
        k: _resolve_path(value, folder) if is_file[k] else _resolve_paths(value, folder) for k, value in table.items()
    }


def _build_variants(tables: Any, context: _Context) -> tuple[Variant, ...]:
    text = context.text
    if not isinstance(tables, list):
        raise SpecError(text.locate(VARIANTS), "a list of variants", repr(tables), f"write [[{VARIANTS}]] above each")
    variants: list[Variant] = []
    for number, table in enumerate(tables):
        name = check_value(table.get("name", f"{VARIANTS} {number + 1}"), str, text.locate(f"{VARIANTS}.name"))
        if name in [BASELINE, CONTROL, *(variant.name for variant in variants)]:
            why = "it always runs" if name in (BASELINE, CONTROL) else "another variant has it"
            raise SpecError(f"{text.name}: {VARIANTS}.{number}.name", "a unique name", f"{name!r} ({why})", "rename it")
        if same_folder := next((variant.name for variant in variants if slugify(variant.name) == slugify(name)), None):
            got = f"{name!r}, whose folder would be that of {same_folder!r}"
            raise SpecError(f"{text.name}: {VARIANTS}.{number}.name", "a unique name", got, "rename it")
        variants.append(Variant(name, _build_plan(table, context, f"{VARIANTS}.{name}")))
    return tuple(variants)


_VARIANT_KEYS = ("name", "combine", "controller", "rounds", "step")


def _build_plan(table: Mapping[str, Any], context: _Context, path: str) -> Plan:
    text = context.text
    for key in table:
        if key not in _VARIANT_KEYS:
            raise SpecError(
                text.locate(f"{path}.{key}"), "a key of a variant", repr(key), suggest_key(key, _VARIANT_KEYS)
            )
    steps = tuple(
        _build_step(step, context, f"{path}.step.{index}") for index, step in enumerate(table.get("step", []))
    )
    rounds = check_value(table.get("rounds", 1), int, text.locate(f"{path}.rounds"))
    controller = _build_controller(table.get("controller"), context, path)
    try:
        return Plan(steps, table.get("combine", "joint"), controller, rounds)
    except SpecError as error:
        raise SpecError(f"{text.name}: {path}, {error.where}", error.expected, error.got, error.fix) from error


def _build_controller(table: Any, context: _Context, path: str) -> Controller | None:
    """`controller = "gap"` or { kind = "replay", log = "…" }; the log's path is relative to the spec."""
    if table is None:
        return None
    if isinstance(table, Mapping) and isinstance(table.get("log"), str):
        table = {**table, "log": _resolve_path(table["log"], context.folder)}
    controller: Controller = convert_value(
        table, Controller, lambda key: context.text.locate(f"{path}.{key}"), "controller"
    )
    return controller


def _build_step(table: Mapping[str, Any], context: _Context, path: str) -> Step:
    """Build a step. It shares a table with its operator: fields of `Step` go to the step, other keys to the
    operator.
    """

    def where(key: str) -> str:
        return context.text.locate(f"{path}.{key}")

    if "use" not in table:
        raise SpecError(where("use"), "the kind of operator", f"keys {sorted(table)}", 'write use = "crop"')
    mine = {key: value for key, value in table.items() if key in _STEP_FIELDS and key not in ("use", "p")}
    own = {key: value for key, value in table.items() if key not in _STEP_FIELDS}
    if "p" in table:  # share of changed rows of an in-place step; else a field of the operator
        (mine if table.get("mode") == "in_place" else own)["p"] = table["p"]
    use = table["use"]
    operator_table = (
        {"use": use, **own} if isinstance(use, str) else {**_build_combination(use, context.task, where), **own}
    )
    operator = build_registered(operator_table, context.task.operator_families, where, "use")
    return _construct_step(operator, mine, context, where)


def _build_combination(use: Any, task: Task, where: Any) -> dict[str, Any]:
    """Table of a combination, `use = { one_of = ["crop", …], … }`: its kind and fields."""
    if not isinstance(use, dict) or not use:
        raise SpecError(where("use"), "a kind, or { one_of = [ … ] }", repr(use), 'write use = "crop"')
    if "kind" in use:
        fix = f'write use = "{use["kind"]}", and its fields on separate lines'
        raise SpecError(where("use"), "a kind, or { one_of = [ … ] }", "a table with a kind", fix)
    known = registry.list_kinds(task.operator_families[0])
    kind = next((key for key in use if key in known), next(iter(use)))
    member_key = "transforms" if isinstance(use[kind], list) else "transform"
    return {"use": kind, member_key: use[kind], **{key: value for key, value in use.items() if key != kind}}


def _construct_step(operator: Any, mine: Mapping[str, Any], context: _Context, where: Any) -> Step:
    families = context.task.step_families
    values = {
        key: build_registered(value, families[key], where, key)
        if key in families
        else check_value(value, _PLAIN_FIELDS[key], where(key))
        for key, value in mine.items()
    }
    if context.rules and not get_traits(operator).copies_rows:
        values.setdefault("filters", (Rules(context.rules),))
    try:
        return Step(operator, **values)
    except SpecError as error:
        key = error.where.rsplit(" ", 1)[-1]
        is_old = key == "mode" and mine.get("mode") not in MODES
        fix = suggest_value(str(mine["mode"]), MODES) if is_old else ""
        raise SpecError(where(key), error.expected, error.got, fix or error.fix) from error


_PLAIN_FIELDS: Mapping[str, Any] = {
    "mode": str,
    "when": str,
    "during": tuple[float, float],
    "input": str,
    "p": float,
    "weight": float,
    "name": str,
    "columns": tuple[str, ...],
    "fail_if_unchanged_over": float,
}


def _read_rules(value: Any, place: str, folder: Path) -> tuple[str, ...]:
    """Rules from a list, or from a file with one rule per line and comments after #.

    Raises SpecError for a missing file, or a line that is not a rule, with its number.
    """
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return Rules(tuple(value)).rules
    if not isinstance(value, str):
        fix = 'write rules = ["item_price > 0"] or rules = "shop.rules"'
        raise SpecError(place, "a list of rules or the path of a file", repr(value), fix)
    file = Path(value) if Path(value).is_absolute() else folder / value
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(place, "a file of rules", f"{file}: {error}", "check the path") from error
    rules = []
    for number, line in enumerate(lines, 1):
        if rule := line.partition("#")[0].strip():
            try:
                rules.append(Rules((rule,)).rules[0])
            except SpecError as error:
                raise SpecError(f"{file.name}, line {number}", error.expected, error.got, error.fix) from error
    return tuple(rules)
