"""Conversion between tables of a spec and config objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from leaven import registry
from leaven.config.old_names import suggest_key, suggest_value
from leaven.errors import SpecError
from leaven.protocols import (
    Controller,
    CtrModel,
    Encoder,
    Filter,
    Generator,
    ImageGenerator,
    ImageTransform,
    Recommender,
    Schedule,
    Strategy,
    TabularFilter,
    TabularGenerator,
    TabularStrategy,
    TabularTransform,
    TextGenerator,
    TextTransform,
    Transform,
)

FAMILIES: Mapping[Any, str] = {
    Transform: "transforms",
    Generator: "generators",
    TextTransform: "text_transforms",
    TextGenerator: "text_generators",
    ImageTransform: "image_transforms",
    ImageGenerator: "image_generators",
    Strategy: "strategies",
    Schedule: "schedules",
    Controller: "controllers",
    Filter: "filters",
    Encoder: "encoders",
    Recommender: "recommenders",
    TabularTransform: "tabular_transforms",
    TabularGenerator: "tabular_generators",
    TabularStrategy: "tabular_strategies",
    TabularFilter: "tabular_filters",
    CtrModel: "ctr_models",
}
"""Protocol -> registry family of the kinds that implement it."""
OPERATORS = (
    "transforms",
    "generators",
    "text_transforms",
    "text_generators",
    "image_transforms",
    "image_generators",
    "tabular_transforms",
    "tabular_generators",
)
"""Families whose kind is the key `use`; for the others it is `kind`."""
FAMILY_PREFIXES = {
    "text_transforms": "text",
    "text_generators": "text",
    "image_transforms": "images",
    "image_generators": "images",
}
"""Family -> optional prefix of its kinds, "text.swap", for kinds whose name another family has too."""

KeyLocator = Callable[[str], str]
"""Key of the current table -> its location for an error message."""


def build_config(cls: Any, table: Mapping[str, Any], where: KeyLocator) -> Any:
    """Build a frozen dataclass from a table.

    Raises SpecError for a key that is no field (naming the nearest), a missing field, a value of the wrong type, and
    whatever the class itself rejects.
    """
    known = {one.name: one for one in fields(cls) if one.init}
    for key in table:
        if key not in known:
            raise SpecError(where(key), "a known key", repr(key), suggest_key(key, known))
    for name, one in known.items():
        if name not in table and one.default is MISSING and one.default_factory is MISSING:
            raise SpecError(where(name), f"a value for {name!r}", "none", f"add {name} = …")
    hints = get_type_hints(cls)
    values = {key: convert_value(value, hints[key], where, key) for key, value in table.items()}
    try:
        return cls(**values)
    except SpecError as error:
        place = where(error.where.rsplit(".", 1)[-1])
        raise SpecError(place, error.expected, error.got, error.fix) from error


def convert_value(value: Any, hint: Any, where: KeyLocator, key: str) -> Any:
    """Convert a value to the type of its field: config objects where the type is a protocol, else the checked value."""
    families = list_families(hint)
    if not families:
        return check_value(value, hint, where(key))
    if isinstance(value, list):
        return tuple(_build_registered(item, families, where, f"{key}[{index}]") for index, item in enumerate(value))
    return _build_registered(value, families, where, key)


def _build_registered(value: Any, families: tuple[str, ...], where: KeyLocator, key: str) -> Any:
    """Config of a kind ("crop"), a table ({ use = "crop", … }) or, for schedules, a number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and "schedules" in families:
        return registry.load_kind("schedules", "constant")(float(value))
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        raise SpecError(where(key), "a kind, or a table with a kind", repr(value), 'write "…" or { kind = "…", … }')
    table = dict(value)
    kind = table.pop("use", None) or table.pop("kind", None)
    if not isinstance(kind, str):
        raise SpecError(where(key), "a table with a kind", f"keys {sorted(value)}", _list_known(families))
    return build_config(find_class(kind, families, where(key)), table, lambda name: where(f"{key}.{name}"))


def find_class(kind: str, families: tuple[str, ...], place: str) -> Any:
    """Class of a kind, in the first family that has it.

    Raises SpecError that names the nearest kind of all families.
    """
    for family in families:
        own = kind.removeprefix(f"{FAMILY_PREFIXES[family]}.") if family in FAMILY_PREFIXES else kind
        if own in registry.list_kinds(family):
            return registry.load_kind(family, own, place)
    every = [name for family in families for name in registry.list_kinds(family)]
    raise SpecError(place, f"one of the {' or '.join(families)}", repr(kind), suggest_value(kind, every))


def _list_known(families: tuple[str, ...]) -> str:
    return f"known: {', '.join(sorted({name for family in families for name in registry.list_kinds(family)}))}"


def list_families(hint: Any) -> tuple[str, ...]:
    """Families of all protocols in a type, in its order."""
    found = [FAMILIES[hint]] if isinstance(hint, type) and hint in FAMILIES else []
    for inner in get_args(hint):
        found += list_families(inner)
    return tuple(dict.fromkeys(found))


def check_value(value: Any, hint: Any, place: str) -> Any:
    """Check a plain value against the type of its field, without conversion between text and numbers.

    Raises SpecError with the expected type.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        plain = is_dataclass(hint) or hint in (Path,)
        adapter = TypeAdapter(hint) if plain else TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
        return adapter.validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        wanted = str(first["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
        raise SpecError(place, wanted, repr(value), f"the field is {_spell_type(hint)}") from error


def _spell_type(hint: Any) -> str:
    """A type in readable form."""
    text = str(hint) if get_args(hint) else getattr(hint, "__name__", str(hint))
    for name, plain in (("typing.", ""), ("collections.abc.", ""), ("NoneType", "none"), ("str", "text")):
        text = text.replace(name, plain)
    return text


def to_table(config: Any) -> Any:
    """Table of a config object, with every field that has a value, as in the resolved spec."""
    if isinstance(config, list | tuple):
        return [to_table(one) for one in config]
    if isinstance(config, Mapping):
        return {key: to_table(value) for key, value in config.items() if value is not None}
    if isinstance(config, Path):
        return str(config)
    if not is_dataclass(config):
        return config
    values = {one.name: getattr(config, one.name) for one in fields(config) if one.init}
    return describe_kind(config) | {key: to_table(value) for key, value in values.items() if value is not None}


def describe_kind(config: Any) -> dict[str, str]:
    """{"use": kind} or {"kind": kind} of a registered config; empty for other dataclasses."""
    for family in registry.FAMILIES:
        if (kind := registry.find_kind(family, config)) in registry.list_kinds(family):
            prefix = f"{FAMILY_PREFIXES[family]}." if family in FAMILY_PREFIXES else ""
            return {"use" if family in OPERATORS else "kind": prefix + kind}
    return {}
