"""Builds the variants of a sweep: one variant with many values of one field."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import tomli_w

from leaven.augmentation import Plan, Step
from leaven.config import Spec, Variant, resolve_spec
from leaven.config.experiment_spec import BASELINE
from leaven.config.parser import parse_spec
from leaven.errors import SpecError, suggest_name
from leaven.facts import JsonObject
from leaven.strategies.copy_counts import Scaled

Value = float | tuple[float, float]

COPIES = "copies"
"""The field of a sweep over the number of synthetic rows."""

_EXAMPLE = 'write --vary "variant.NAME.step.0.FIELD=0,0.1,0.3"'


@dataclass(frozen=True)
class SweepGrid:
    """The variants of a sweep.

    spec           the spec with these variants in place of its own
    variant        the variant that they are derived from
    field          the field, in words: "copies", "mask, share_range"
    values         one per variant, ascending: a number, or a pair
    variant_names  one per value; the baseline where a value means no synthetic rows
    """

    spec: Spec
    variant: str
    field: str
    values: tuple[Value, ...]
    variant_names: tuple[str, ...]


def vary_field(spec: Spec, assignment: str) -> SweepGrid:
    """A variant with several values of one field: "variant.NAME.step.0.FIELD=0.1,0.2" or "…=[0.1,0.2],[0.3,0.4]".

    FIELD may be nested: copies.factor. A step is named by its number from 0 or by its name. "variant.NAME.copies=0,1,2"
    multiplies the copies of all its steps.

    Raises SpecError for an unknown variant, step or field, and for values that are no numbers or pairs.
    """
    path, equals, text = assignment.partition("=")
    path = path.strip()
    if not equals or not path.startswith("variant."):
        raise SpecError(f"--vary {assignment}", "variant.NAME.step.0.FIELD=VALUES", "something else", _EXAMPLE)
    # names may contain dots, so the longest match wins
    rest = path.removeprefix("variant.")
    matches = [variant for variant in spec.variants if rest.startswith(f"{variant.name}.")]
    if not matches:
        name = rest.partition(".step.")[0].removesuffix(f".{COPIES}")
        known = [variant.name for variant in spec.variants]
        raise SpecError(f"--vary {path}", "a variant of the spec", repr(name), suggest_name(name, known))
    variant = max(matches, key=lambda variant: len(variant.name))
    keys = path.removeprefix(f"variant.{variant.name}.").split(".")
    values = _parse_values(text, path)
    if keys == [COPIES]:
        return scale_copies(spec, variant.name, values)
    table = resolve_spec(spec)
    source = next(entry for entry in table["variant"] if entry["name"] == variant.name)
    step = _find_step(variant, keys, path)
    keys = keys[2:]
    _check_field(source["step"][step], variant.plan.named_steps[step], keys, path)
    values = _sort_distinct(f"--vary {path}", values)
    names = tuple(f"{variant.name}, {keys[-1]} {format_value(value)}" for value in values)
    table["variant"] = [_set_value(source, name, step, keys, value) for name, value in zip(names, values, strict=True)]
    field = f"{variant.plan.named_steps[step].display_name}, {'.'.join(keys)}"
    return SweepGrid(parse_spec(tomli_w.dumps(table)), variant.name, field, tuple(values), names)


def scale_copies(spec: Spec, name: str, multiples: Sequence[Value]) -> SweepGrid:
    """A variant with multiples of the copies of all its steps that append rows; 0 is the baseline.

    Raises SpecError for a variant without such a step, and for multiples that are no finite numbers from 0.
    """
    variant, where = spec.variant(name), f"--vary variant.{name}.{COPIES}"
    if not any(step.mode == "append" for step in variant.plan.named_steps):
        raise SpecError(where, "a step that appends rows", "steps in place alone", "vary a field of a step")
    distinct = _sort_distinct(where, multiples)
    factors = [value for value in distinct if not isinstance(value, tuple) and 0 <= value < float("inf")]
    if len(factors) < len(distinct):
        raise SpecError(where, "finite numbers from 0", ", ".join(map(str, multiples)), f"{where}=0,0.5,1,2")
    names = tuple(f"{name}, {COPIES} {factor:g}" if factor else BASELINE for factor in factors)
    variants = tuple(
        Variant(n, _scale_plan(variant.plan, f)) for n, f in zip(names, factors, strict=True) if n != BASELINE
    )
    return SweepGrid(replace(spec, variants=variants), name, COPIES, tuple(factors), names)


def _scale_plan(plan: Plan, factor: float) -> Plan:
    """Steps keep their names, from which their random draws follow."""
    steps = []
    for step in plan.named_steps:
        copies: Any = step.copies
        is_scaled = step.mode == "append" and factor != 1
        steps.append(replace(step, name=step.display_name, copies=Scaled(copies, factor) if is_scaled else copies))
    return replace(plan, steps=steps)


def format_value(value: Value) -> str:
    """A value as text.

    >>> format_value(0.5), format_value((0.2, 0.4))
    ('0.5', '0.2 to 0.4')
    """
    return " to ".join(f"{end:g}" for end in value) if isinstance(value, tuple) else f"{value:g}"


def _find_step(variant: Variant, keys: list[str], path: str) -> int:
    """Position of the step, from 0, that is named by number or name."""
    if len(keys) < 3 or keys[0] != "step":
        raise SpecError(f"--vary {path}", "variant.NAME.step.0.FIELD", ".".join(keys), _EXAMPLE)
    names = [step.display_name for step in variant.plan.named_steps]
    if keys[1].isdecimal() and int(keys[1]) < len(names):
        return int(keys[1])
    if keys[1] in names:
        return names.index(keys[1])
    expected = f"a step from 0 to {len(names) - 1}, or its name"
    raise SpecError(f"--vary {path}", expected, keys[1], suggest_name(keys[1], names))


def _check_field(table: JsonObject, step: Step, keys: list[str], path: str) -> None:
    """The field exists and is a number or a pair. The resolved table lacks only keys whose default is none."""
    optional = {name for name in (*vars(step), *vars(step.use)) if name != "use"}
    value: object = table
    for key in keys:
        value = _get_entry(value, key, optional if value is table else set(), path)
    if isinstance(value, str | bool) or (isinstance(value, list) and len(value) != 2):
        raise SpecError(f"--vary {path}", "a field that is a number or a pair", repr(value), "")


def _get_entry(parent: object, key: str, optional: set[str], path: str) -> object:
    """An entry of a list or a table; None for an optional one that is missing."""
    if isinstance(parent, list):
        if not key.isdecimal() or int(key) >= len(parent):
            raise SpecError(f"--vary {path}", f"a number from 0 to {len(parent) - 1}", key, "")
        return parent[int(key)]
    known = {*parent, *optional} if isinstance(parent, Mapping) else set()
    if not isinstance(parent, Mapping) or key not in known:
        raise SpecError(f"--vary {path}", "a field of the step", repr(key), suggest_name(key, known))
    return parent.get(key)


def _parse_values(text: str, path: str) -> list[Value]:
    error = SpecError(f"--vary {path}", "numbers, or pairs [0.1, 0.3]", repr(text), _EXAMPLE)
    try:
        values = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError as cause:
        raise error from cause
    for value in values:
        ends = value if isinstance(value, list) and len(value) == 2 else [value]
        if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
            raise error
    return [tuple(value) if isinstance(value, list) else value for value in values]


def _sort_distinct(where: str, values: Sequence[Value]) -> list[Value]:
    """Ascending, each once; a curve needs two or more, of one type."""
    distinct = sorted(set(values), key=lambda value: value if isinstance(value, tuple) else (value, value))
    if len(distinct) < 2:
        raise SpecError(where, "two values or more", ", ".join(map(str, values)) or "none", "a curve needs points")
    if len({isinstance(value, tuple) for value in distinct}) > 1:
        raise SpecError(where, "numbers alone or pairs alone", ", ".join(map(str, values)), "")
    return distinct


def _set_value(variant: JsonObject, name: str, step: int, keys: Sequence[str], value: Value) -> JsonObject:
    """The table of a variant under another name, with one value changed."""
    table = deepcopy(dict(variant)) | {"name": name}
    parent: Any = table["step"][step]
    for key in keys[:-1]:
        parent = parent[int(key)] if isinstance(parent, list) else parent[key]
    last: Any = int(keys[-1]) if isinstance(parent, list) else keys[-1]
    parent[last] = list(value) if isinstance(value, tuple) else value
    return table
