"""Conversion between tables of a spec and config objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from leaven import registry
from leaven.config.old_names import suggest_key, suggest_value
from leaven.errors import SpecError
from leaven.modalities import list_modalities
from leaven.modalities.modality import Family
from leaven.protocols import Controller, CtrModel, Encoder, Recommender, Schedule

_OTHER_FAMILIES = (
    Family("schedules", Schedule),
    Family("controllers", Controller),
    Family("encoders", Encoder),
    Family("recommenders", Recommender),
    Family("ctr_models", CtrModel),
)
"""Families that belong to no modality."""


@cache
def map_protocols() -> Mapping[Any, str]:
    """Protocol -> registry family of the kinds that implement it."""
    families = (family for modality in list_modalities() for family in modality.families.all)
    return {family.protocol: family.name for family in (*families, *_OTHER_FAMILIES)}


@cache
def list_operator_families(task: str = "") -> tuple[str, ...]:
    """Families of the operators of a task, or of all tasks: their kind is the key `use`, for others it is `kind`."""
    modalities = [modality for modality in list_modalities() if task in ("", modality.task)]
    return tuple(family for modality in modalities for family in modality.families.operators)


@cache
def map_prefixes() -> Mapping[str, str]:
    """Family -> optional prefix of its kinds, "text.swap", for kinds whose name another family has too."""
    views = {modality.name: modality for modality in list_modalities() if modality.views is not None}
    return {family: one.views.name for one in views.values() if one.views for family in one.families.operators}


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


def check_keys(table: Mapping[str, Any], classes: tuple[Any, ...], more: tuple[str, ...], where: KeyLocator) -> None:
    """Raises SpecError for a key that is a field of none of the classes, naming the nearest."""
    known = (*(one.name for cls in classes for one in fields(cls) if one.init), *more)
    for key in table:
        if key not in known:
            raise SpecError(where(key), "a known key", repr(key), suggest_key(key, known))


def convert_value(value: Any, hint: Any, where: KeyLocator, key: str) -> Any:
    """Convert a value to the type of its field: config objects where the type is a protocol, else the checked value."""
    families = list_families(hint)
    return build_registered(value, families, where, key) if families else check_value(value, hint, where(key))


def build_registered(value: Any, families: tuple[str, ...], where: KeyLocator, key: str) -> Any:
    """Config of a kind of these families, or a tuple of configs for a list."""
    if isinstance(value, list):
        return tuple(_build_kind(item, families, where, f"{key}[{index}]") for index, item in enumerate(value))
    return _build_kind(value, families, where, key)


def _build_kind(value: Any, families: tuple[str, ...], where: KeyLocator, key: str) -> Any:
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
        prefix = map_prefixes().get(family)
        own = kind.removeprefix(f"{prefix}.") if prefix else kind
        if own in registry.list_kinds(family):
            return registry.load_kind(family, own, place)
    every = [name for family in families for name in registry.list_kinds(family)]
    raise SpecError(place, f"one of the {' or '.join(families)}", repr(kind), suggest_value(kind, every))


def _list_known(families: tuple[str, ...]) -> str:
    return f"known: {', '.join(sorted({name for family in families for name in registry.list_kinds(family)}))}"


def list_families(hint: Any) -> tuple[str, ...]:
    """Families of all protocols in a type, in its order."""
    known = map_protocols()
    found = [known[hint]] if isinstance(hint, type) and hint in known else []
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
            prefix = f"{map_prefixes()[family]}." if family in map_prefixes() else ""
            return {"use" if family in list_operator_families() else "kind": prefix + kind}
    return {}
