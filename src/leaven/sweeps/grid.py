"""Which arms are one arm with many values of one thing?"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import tomli_w

from leaven.augmentation import Plan
from leaven.config import Arm, Spec, resolved
from leaven.config.experiment_spec import BASELINE
from leaven.config.parser import parse
from leaven.errors import SpecError, nearest
from leaven.strategies.scaled import Scaled

Value = float | tuple[float, float]


@dataclass(frozen=True)
class Family:
    """An arm and what is varied in it.

    spec    the spec with the members in the place of all arms
    arm     the arm that they are variants of
    what    what differs, in words: "dose", "mask, share_range"
    values  one a member, ascending: a number, or a pair
    names   the arm of each; the baseline where a value means no new rows at all
    """

    spec: Spec
    arm: str
    what: str
    values: tuple[Value, ...]
    names: tuple[str, ...]


def doses(spec: Spec, name: str, multiples: Sequence[float]) -> Family:
    """An arm with so many times the copies of all its steps that add rows; 0 is the baseline.

    Raises SpecError for an arm that adds no rows, and for doses that are no numbers from 0.
    """
    arm = spec.arm(name)
    if not any(step.mode == "add" for step in arm.plan.all):
        raise SpecError(f"arm {name!r}", "a step that adds rows", "steps that change rows in place", "leaven sweep")
    if any(not 0 <= one < float("inf") for one in multiples):
        raise SpecError("--doses", "finite numbers from 0", ", ".join(map(str, multiples)), "--doses 0,0.5,1,2")
    values = _distinct("--doses", multiples)
    names = tuple(BASELINE if not value else f"{name}, dose {value:g}" for value in values)
    arms = tuple(
        Arm(called, _scaled(arm.plan, float(value)))  # type: ignore[arg-type]
        for called, value in zip(names, values, strict=True)
        if called != BASELINE
    )
    return Family(replace(spec, arms=arms), name, "dose", values, names)


def _scaled(plan: Plan, by: float) -> Plan:
    """Steps keep their names, and so their chance."""
    steps = [replace(step, name=step.called) for step in plan.all]
    added = [replace(one, copies=Scaled(one.copies, by)) if one.mode == "add" and by != 1 else one for one in steps]
    return replace(plan, steps=added)


def varied(spec: Spec, wish: str) -> Family:
    """An arm with these values of one field: "arm.NAME.step.0.FIELD=0.1,0.2" or "…=[0.1,0.2],[0.3,0.4]".

    FIELD may lie deeper: copies.factor. A step goes by its number from 0 or by its name.

    Raises SpecError for an arm, step or field that is not there, and for values that are no numbers or pairs.
    """
    path, equals, text = wish.partition("=")
    path = path.strip()
    if not equals or not path.startswith("arm."):
        raise SpecError(f"--vary {wish}", "arm.NAME.step.0.FIELD=VALUES", "something else", _EXAMPLE)
    table = resolved(spec)
    arm, keys = _arm(spec, path)
    mine = next(one for one in table["arm"] if one["name"] == arm.name)
    place, keys = _step(mine, arm, keys, path)
    _check_field(mine["step"][place], arm.plan.all[place], keys, path)
    values = _distinct(f"--vary {path}", _values(text, path))
    label = f"{arm.plan.all[place].called}, {'.'.join(keys)}"
    names = tuple(f"{arm.name}, {keys[-1]} {shown(value)}" for value in values)
    table["arm"] = [_with(mine, name, place, keys, value) for name, value in zip(names, values, strict=True)]
    return Family(parse(tomli_w.dumps(table)), arm.name, label, values, names)


_EXAMPLE = 'write --vary "arm.NAME.step.0.FIELD=0,0.1,0.3"'


def shown(value: Value) -> str:
    """A value as a person writes it.

    >>> shown(0.5), shown((0.2, 0.4))
    ('0.5', '0.2 to 0.4')
    """
    return " to ".join(f"{one:g}" for one in value) if isinstance(value, tuple) else f"{value:g}"


def _arm(spec: Spec, path: str) -> tuple[Arm, list[str]]:
    """(the arm, keys inside it); names may hold points, so that the longest one that fits counts."""
    rest = path.removeprefix("arm.")
    fitting = [arm for arm in spec.arms if rest.startswith(f"{arm.name}.")]
    if not fitting:
        name = rest.partition(".step.")[0]
        known = [arm.name for arm in spec.arms]
        raise SpecError(f"--vary {path}", "an arm of the spec", repr(name), nearest(name, known))
    arm = max(fitting, key=lambda one: len(one.name))
    return arm, rest.removeprefix(f"{arm.name}.").split(".")


def _step(table: Mapping[str, Any], arm: Arm, keys: list[str], path: str) -> tuple[int, list[str]]:
    """(place of the step from 0, keys inside it)."""
    if len(keys) < 3 or keys[0] != "step":
        raise SpecError(f"--vary {path}", "arm.NAME.step.0.FIELD", ".".join(keys), _EXAMPLE)
    called = [step.called for step in arm.plan.all]
    if keys[1].isdecimal() and int(keys[1]) < len(called):
        return int(keys[1]), keys[2:]
    if keys[1] in called:
        return called.index(keys[1]), keys[2:]
    raise SpecError(
        f"--vary {path}", f"a step from 0 to {len(called) - 1}, or its name", keys[1], nearest(keys[1], called)
    )


def _check_field(table: Mapping[str, Any], step: Any, keys: list[str], path: str) -> None:
    """Every key but those whose value is none by default is written in the resolved table."""
    place: Any = table
    for key in keys:
        if isinstance(place, list):
            if not key.isdecimal() or int(key) >= len(place):
                raise SpecError(f"--vary {path}", f"a number from 0 to {len(place) - 1}", key, "")
            place = place[int(key)]
            continue
        known = set(place) if isinstance(place, Mapping) else set()
        if place is table:
            known |= {name for name in (*vars(step), *vars(step.use)) if name != "use"}
        if key not in known:
            raise SpecError(f"--vary {path}", "a field of the step", repr(key), nearest(key, known))
        place = place.get(key)
    if isinstance(place, str | bool) or (isinstance(place, list) and len(place) != 2):
        raise SpecError(f"--vary {path}", "a field that is a number or a pair", repr(place), "")


def _values(text: str, path: str) -> list[Value]:
    try:
        values = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"--vary {path}", "numbers, or pairs [0.1, 0.3]", repr(text), _EXAMPLE) from error
    pairs = [tuple(one) if isinstance(one, list) else one for one in values]
    for one in pairs:
        parts = one if isinstance(one, tuple) else (one,)
        if (isinstance(one, tuple) and len(one) != 2) or any(
            isinstance(n, bool) or not isinstance(n, int | float) for n in parts
        ):
            raise SpecError(f"--vary {path}", "numbers, or pairs [0.1, 0.3]", repr(text), _EXAMPLE)
    return pairs


def _distinct(where: str, values: Sequence[Value]) -> tuple[Value, ...]:
    """Ascending, each once; a curve needs two."""
    found = sorted(set(values), key=lambda one: one if isinstance(one, tuple) else (one, one))
    if len(found) < 2:
        raise SpecError(where, "two values or more", ", ".join(map(str, values)) or "none", "a curve needs points")
    if len({isinstance(one, tuple) for one in found}) > 1:
        raise SpecError(where, "numbers alone or pairs alone", ", ".join(map(str, values)), "")
    return tuple(found)


def _with(arm: Mapping[str, Any], name: str, place: int, keys: Sequence[str], value: Value) -> dict[str, Any]:
    """The table of an arm under another name, with one value changed."""
    table = deepcopy(dict(arm)) | {"name": name}
    inside: Any = table["step"][place]
    for key in keys[:-1]:
        inside = inside[int(key)] if isinstance(inside, list) else inside[key]
    last: Any = int(keys[-1]) if isinstance(inside, list) else keys[-1]
    inside[last] = list(value) if isinstance(value, tuple) else value
    return table
