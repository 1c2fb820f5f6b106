"""Form controls of a kind's fields: sliders, switches and menus, with ranges found from the class itself.

A config states its bounds by refusing values. The range of a slider is what a ladder of values shows to be accepted, so
that kinds of other packages get sliders too.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from inspect import getdoc
from typing import Any, Literal, get_args, get_origin, get_type_hints

from leaven import registry
from leaven.config.build import build_config, list_families, to_table
from leaven.errors import SpecError
from leaven.introspection import format_toml_value

Form = Literal["slider", "range", "switch", "choice", "text"]
_LADDER = (-100.0, -10.0, -1.0, -0.5, 0.0, 0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1e3, 1e4, 1e5)
"""Values that are tried to find the range of a slider."""
_ONE_OF = re.compile(r"^one of (.+)$")
_DOC_LINE = re.compile(r"^ {0,4}(\w+(?:, \w+)*) {2,}(\S.*)$")


@dataclass(frozen=True)
class Control:
    """How one field is edited. default: its value in TOML, one entry for each slider of a range.

    minimum, maximum, step  of sliders; choices: of a menu; text: description of the field in its class
    """

    name: str
    form: Form
    default: tuple[str, ...]
    text: str = ""
    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.01
    choices: tuple[str, ...] = ()
    is_integer: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of its inputs in a form: two for a range."""
        return (f"{self.name}.0", f"{self.name}.1") if self.form == "range" else (self.name,)


def list_controls(family: str, kind: str) -> tuple[Control, ...]:
    """Controls of the fields of a kind.

    >>> [(control.name, control.form, control.maximum) for control in list_controls("transforms", "crop")][0]
    ('keep_range', 'range', 1.0)

    Raises SpecError for an unknown kind, ImportError where its library is missing.
    """
    return describe_controls(registry.load_kind(family, kind))


@cache
def describe_controls(cls: Any) -> tuple[Control, ...]:
    """Controls of the fields of a config class."""
    hints, texts = get_type_hints(cls), read_field_texts(cls)
    return tuple(_build_control(cls, one, hints[one.name], texts.get(one.name, "")) for one in fields(cls) if one.init)


def read_field_texts(cls: type) -> dict[str, str]:
    """Field -> its description, from the aligned lines of a docstring.

    >>> from leaven.transforms.sequence.crop import Crop
    >>> read_field_texts(Crop)["p"]
    'probability that a row is changed'
    """
    texts: dict[str, str] = {}
    names: list[str] = []
    known = {one.name for one in fields(cls)}  # type: ignore[arg-type]
    for line in (getdoc(cls) or "").splitlines():
        if (found := _DOC_LINE.match(line)) and set(found[1].split(", ")) & known:
            names = found[1].split(", ")
            texts |= dict.fromkeys(names, found[2])
        elif names and line.startswith("      ") and line.strip():
            texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
        else:
            names = []
    return texts


def _build_control(cls: Any, field: Any, hint: Any, text: str) -> Control:
    value = field.default_factory() if field.default_factory is not MISSING else field.default
    default = "" if value is MISSING or value is None else format_toml_value(_to_table(value))
    if list_families(hint) or value is MISSING or value is None:
        return Control(field.name, "text", (default,), text)

    def accepts(candidate: Any) -> bool:
        try:
            cls(**{field.name: candidate})
        except (SpecError, TypeError, ValueError, ArithmeticError):
            return False
        return True

    if isinstance(value, bool):
        return Control(field.name, "switch", (default,), text)
    if isinstance(value, int | float):
        return _build_slider(field.name, (value,), text, accepts)
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(end, int | float) for end in value):
        return _build_slider(field.name, value, text, accepts)
    choices = get_args(hint) if get_origin(hint) is Literal else _find_choices(cls, field.name, value)
    if choices and isinstance(value, str):
        return Control(field.name, "choice", (value,), text, choices=tuple(map(str, choices)))
    return Control(field.name, "text", (value if isinstance(value, str) else default,), text)


def _to_table(value: Any) -> Any:
    """A config with its kind, as a spec takes it; other values as they are."""
    if isinstance(value, tuple):
        return [_to_table(member) for member in value]
    return to_table(value) if is_dataclass(value) else value


def _find_choices(cls: Any, name: str, value: Any) -> tuple[str, ...]:
    """Known values of a text field, from the error for an unknown one."""
    if not isinstance(value, str):
        return ()
    try:
        cls(**{name: "?"})
    except SpecError as error:
        found = _ONE_OF.match(error.expected)
        return tuple(choice.strip(" '\"") for choice in found[1].split(",")) if found else ()
    except (TypeError, ValueError):
        pass
    return ()


def _build_slider(name: str, default: Sequence[float], text: str, accepts: Callable[[Any], bool]) -> Control:
    """A slider, or two of a range, over the part of the ladder that the class accepts around its default."""
    is_integer = all(isinstance(end, int) for end in default)
    low, high = min(default), max(default)

    def accepts_end(candidate: float) -> bool:
        number = int(candidate) if is_integer else candidate
        return accepts(number if len(default) == 1 else (min(number, low), max(number, high)))

    ladder = {*(value for value in _LADDER if not is_integer or value == int(value)), low, high}
    valid = [value for value in sorted(ladder) if value in default or accepts_end(value)]
    is_share = 0 < high <= 1 and max(valid) <= 1
    bound = 1.0 if is_share else 10 * max(abs(low), abs(high)) or 10.0
    minimum = min(value for value in valid if value >= -bound)
    maximum = max(value for value in valid if value <= bound)
    maximum = maximum if maximum > minimum else minimum + 1
    step = 1.0 if is_integer else 10.0 ** math.floor(math.log10((maximum - minimum) / 99))
    form: Form = "slider" if len(default) == 1 else "range"
    ends = tuple(format_toml_value(end) for end in default)
    return Control(name, form, ends, text, float(minimum), float(maximum), step, is_integer=is_integer)


def read_values(controls: Sequence[Control], form: Mapping[str, str]) -> dict[str, Any]:
    """Values of a form that differ from the defaults, as a table of a spec.

    >>> controls = list_controls("transforms", "crop")
    >>> read_values(controls, {"keep_range.0": "0.9", "keep_range.1": "0.5", "unit": "share"})
    {'keep_range': [0.5, 0.9]}

    Raises SpecError for a value that cannot be read.
    """
    table: dict[str, Any] = {}
    for control in controls:
        given = [form[name] for name in control.inputs if name in form]
        if len(given) < len(control.inputs) or not any(text.strip() for text in given):
            continue
        values = [_read_value(control, text) for text in given]
        if values != [_read_value(control, text) for text in control.default]:
            table[control.name] = sorted(values) if control.form == "range" else values[0]
    return table


def read_changes(controls: Sequence[Control], form: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, Any]:
    """Field -> its new value, of the inputs that differ from what was shown; None for an emptied one.

    Raises SpecError for a value that cannot be read.
    """
    changes: dict[str, Any] = {}
    for control in controls:
        before = [shown.get(name, text) for name, text in zip(control.inputs, control.default, strict=True)]
        given = [form.get(name, text) for name, text in zip(control.inputs, before, strict=True)]
        if given != before:
            values = [_read_value(control, text) if text else None for text in given]
            changes[control.name] = sorted(values) if control.form == "range" else values[0]
    return changes


def show_values(controls: Sequence[Control], table: Mapping[str, Any]) -> dict[str, str]:
    """Name of an input -> its text, of the fields that a table has."""
    shown: dict[str, str] = {}
    for control in controls:
        if control.name in table:
            value = table[control.name]
            values = value if control.form == "range" and isinstance(value, list) else [value]
            texts = [one if isinstance(one, str) else format_toml_value(one) for one in values]
            shown |= dict(zip(control.inputs, texts, strict=False))
    return shown


def _read_value(control: Control, text: str) -> Any:
    if control.form == "choice" or not text:
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if control.form == "text":
            return text
        raise SpecError(control.name, "a value", repr(text), "") from None
    if control.form in ("slider", "range") and isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if control.is_integer else float(value)
    return value


def build_kind(family: str, kind: str, table: Mapping[str, Any]) -> Any:
    """The config of a kind with these fields, checked like a spec."""
    return build_config(registry.load_kind(family, kind), table, lambda key: f"{kind}.{key}")
