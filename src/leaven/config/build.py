"""How does a table of the spec become a wish, and a wish a table again?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from leaven import registry
from leaven.errors import SpecError, nearest
from leaven.protocols import (
    ClickModel,
    Controller,
    Encoder,
    Filter,
    Generator,
    ImageGenerator,
    ImageTransform,
    Recommender,
    Schedule,
    Strategy,
    TableFilter,
    TableGenerator,
    TableStrategy,
    TableTransform,
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
    TableTransform: "table_transforms",
    TableGenerator: "table_generators",
    TableStrategy: "table_strategies",
    TableFilter: "table_filters",
    ClickModel: "click_models",
}
"""contract -> the family of the registry whose kinds fulfil it"""
OPERATORS = (
    "transforms",
    "generators",
    "text_transforms",
    "text_generators",
    "image_transforms",
    "image_generators",
    "table_transforms",
    "table_generators",
)
"""Families whose kind is named by `use`; the others say `kind`."""
SURNAMES = {
    "text_transforms": "words",
    "text_generators": "words",
    "image_transforms": "pictures",
    "image_generators": "pictures",
}
"""family -> what may stand before its kinds, "words.swap", where another family has a kind of the same name"""

Where = Callable[[str], str]
"""A key of the table at hand -> how an error names its place."""


def build(cls: Any, table: Mapping[str, Any], where: Where) -> Any:
    """A frozen dataclass from a table.

    Raises SpecError for a key that is no field (naming the nearest), a field that is missing, a value of
    the wrong type, and whatever the class itself refuses.
    """
    known = {one.name: one for one in fields(cls) if one.init}
    for key in table:
        if key not in known:
            raise SpecError(where(key), "a known key", repr(key), nearest(key, known))
    for name, one in known.items():
        if name not in table and one.default is MISSING and one.default_factory is MISSING:
            raise SpecError(where(name), f"a value for {name!r}", "none", f"add {name} = …")
    hints = get_type_hints(cls)
    values = {key: value_of(value, hints[key], where, key) for key, value in table.items()}
    try:
        return cls(**values)
    except SpecError as error:
        place = where(error.where.rsplit(".", 1)[-1])
        raise SpecError(place, error.wanted, error.got, error.fix) from error


def value_of(value: Any, hint: Any, where: Where, key: str) -> Any:
    """A value of the spec as its field wants it: wishes where the type names a contract, else checked as it is."""
    families = families_of(hint)
    if not families:
        return checked(value, hint, where(key))
    if isinstance(value, list):
        return tuple(wish(one, families, where, f"{key}[{place}]") for place, one in enumerate(value))
    return wish(value, families, where, key)


def wish(value: Any, families: tuple[str, ...], where: Where, key: str) -> Any:
    """The wish that a kind ("crop"), a table ({ use = "crop", … }) or, for schedules, a number means."""
    if isinstance(value, int | float) and not isinstance(value, bool) and "schedules" in families:
        return registry.found("schedules", "constant")(float(value))
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        raise SpecError(where(key), "a kind, or a table with one", repr(value), 'write "…" or { kind = "…", … }')
    table = dict(value)
    kind = table.pop("use", None) or table.pop("kind", None)
    if not isinstance(kind, str):
        raise SpecError(where(key), "a table that says its kind", f"keys {sorted(value)}", _known(families))
    return build(class_of(kind, families, where(key)), table, lambda name: where(f"{key}.{name}"))


def class_of(kind: str, families: tuple[str, ...], place: str) -> Any:
    """The class of a kind in the first family that has it.

    Raises SpecError that names the nearest kind of all these families.
    """
    for family in families:
        own = kind.removeprefix(f"{SURNAMES[family]}.") if family in SURNAMES else kind
        if own in registry.kinds(family):
            return registry.found(family, own, place)
    every = [name for family in families for name in registry.kinds(family)]
    raise SpecError(place, f"one of the {' or '.join(families)}", repr(kind), nearest(kind, every))


def _known(families: tuple[str, ...]) -> str:
    return f"known: {', '.join(sorted({name for family in families for name in registry.kinds(family)}))}"


def families_of(hint: Any) -> tuple[str, ...]:
    """The families of all contracts that a type names, in its own order."""
    found = [FAMILIES[hint]] if isinstance(hint, type) and hint in FAMILIES else []
    for inner in get_args(hint):
        found += families_of(inner)
    return tuple(dict.fromkeys(found))


def checked(value: Any, hint: Any, place: str) -> Any:
    """A plain value, of the type that the field has: no text becomes a number, no number a text.

    Raises SpecError that says what was wanted.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        plain = is_dataclass(hint) or hint in (Path,)
        adapter = TypeAdapter(hint) if plain else TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
        return adapter.validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        wanted = str(first["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
        raise SpecError(place, wanted, repr(value), f"the field is {_said(hint)}") from error


def _said(hint: Any) -> str:
    """A type as a person reads it."""
    text = str(hint) if get_args(hint) else getattr(hint, "__name__", str(hint))
    for name, plain in (("typing.", ""), ("collections.abc.", ""), ("NoneType", "none"), ("str", "text")):
        text = text.replace(name, plain)
    return text


def table_of(wish_object: Any) -> Any:
    """A wish as a table again, with every field that has a value: what the resolved spec holds."""
    if isinstance(wish_object, list | tuple):
        return [table_of(one) for one in wish_object]
    if isinstance(wish_object, Mapping):
        return {key: table_of(value) for key, value in wish_object.items() if value is not None}
    if isinstance(wish_object, Path):
        return str(wish_object)
    if not is_dataclass(wish_object):
        return wish_object
    values = {one.name: getattr(wish_object, one.name) for one in fields(wish_object) if one.init}
    return named(wish_object) | {key: table_of(value) for key, value in values.items() if value is not None}


def named(wish_object: Any) -> dict[str, str]:
    """{"use": kind} or {"kind": kind} of a registered wish; empty for other dataclasses."""
    for family in registry.FAMILIES:
        if (kind := registry.kind_of(family, wish_object)) in registry.kinds(family):
            surname = f"{SURNAMES[family]}." if family in SURNAMES else ""
            return {"use" if family in OPERATORS else "kind": surname + kind}
    return {}
