"""Which kinds can be named in a spec, what does each do, and which fields does it take?"""

from __future__ import annotations

import dataclasses
import inspect
import json
from dataclasses import dataclass
from typing import Any

from leaven import registry
from leaven.registry import FAMILIES, kinds


@dataclass(frozen=True)
class Field:
    """One field of a kind. kind: its type as written; default: as a spec would write it, "" where one is needed."""

    name: str
    kind: str
    default: str


@dataclass(frozen=True)
class Kind:
    """name: what a spec says; place: "module:Class"; says: its first sentence; missing: the library that it lacks."""

    name: str
    place: str
    says: str
    fields: tuple[Field, ...] = ()
    missing: str = ""


def families() -> dict[str, list[str]]:
    """family -> its kinds; families without any are left out. Nothing of theirs is imported."""
    found = {family: list(kinds(family)) for family in FAMILIES}
    return {family: names for family, names in found.items() if names}


def describe(family: str) -> list[Kind]:
    """The kinds of a family with their fields and defaults, read from their classes.

    >>> [kind.name for kind in describe("metrics")][:2]
    ['ndcg', 'recall']

    Raises SpecError for an unknown family.
    """
    return [_kind(family, name, place) for name, place in kinds(family).items()]


def _kind(family: str, name: str, place: str) -> Kind:
    try:
        found = registry.found(family, name)
    except ImportError as error:
        return Kind(name, place, "", missing=error.name or str(error))
    return Kind(name, place, _first_sentence(found), _fields(found))


def _first_sentence(found: Any) -> str:
    """The first line of its docstring; nothing where dataclasses wrote it themselves."""
    said = (inspect.getdoc(found) or "").split("\n\n")[0].replace("\n", " ")
    return "" if said.startswith(f"{getattr(found, '__name__', '')}(") else said


def _fields(found: Any) -> tuple[Field, ...]:
    if dataclasses.is_dataclass(found):
        given = [(one.name, one.type, _default(one)) for one in dataclasses.fields(found) if one.init]
    else:
        parameters = inspect.signature(found).parameters.values()
        given = [(one.name, one.annotation, _written(one.default, inspect.Parameter.empty)) for one in parameters]
    return tuple(Field(name, _type(kind), default) for name, kind, default in given)


def _default(one: dataclasses.Field[Any]) -> str:
    if one.default_factory is not dataclasses.MISSING:
        return _written(one.default_factory(), dataclasses.MISSING)
    return _written(one.default, dataclasses.MISSING)


def _written(value: Any, missing: Any) -> str:
    return "" if value is missing else written(value)


def written(value: Any) -> str:
    """A value as a spec would write it; a spec leaves out what is none.

    >>> written((0.6, 0.9)), written(True), written("share"), written(None)
    ('[0.6, 0.9]', 'true', '"share"', 'none')
    """
    if dataclasses.is_dataclass(value):
        value = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {written(one)}" for name, one in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def _type(kind: Any) -> str:
    if kind is inspect.Parameter.empty:
        return ""
    return kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
