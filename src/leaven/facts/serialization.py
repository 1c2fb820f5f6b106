"""Conversion between dataclasses of facts and JSON."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from leaven.errors import DataError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

JsonObject = dict[str, Any]
"""An object of JSON: plain values by name."""
Figures = Mapping[str, object]
"""Named values without a fixed set of names, such as the statistics of a log: numbers, texts, lists and tables."""

T = TypeVar("T")


def to_json(facts: object) -> Any:
    """Plain values of JSON: dataclasses become tables, and numbers that are not finite become null.

    >>> from leaven.facts.variant_facts import ReuseFacts
    >>> to_json(ReuseFacts(reused=("crop",)))
    {'reused': ['crop'], 'recreated': []}
    """
    if is_dataclass(facts) and not isinstance(facts, type):
        return {field.name: to_json(getattr(facts, field.name)) for field in fields(facts)}
    if isinstance(facts, Mapping):
        return {str(name): to_json(value) for name, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [to_json(value) for value in facts]
    return None if isinstance(facts, float) and not math.isfinite(facts) else facts


def from_json(kind: type[T], value: object, where: str) -> T:
    """The dataclass that `to_json` gave; its values are checked against the types of its fields.

    where: the file, for the error.

    Raises DataError that names the field.
    """
    from pydantic import ValidationError

    try:
        built: T = _build_adapter(cast(Hashable, kind)).validate_python(value)
        return built
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        expected = str(first["msg"]).removeprefix("Input should be ")
        fix = "write the facts again: leaven run SPEC --out FOLDER --resume"
        raise DataError(f"{where}: {place}", expected, repr(first["input"])[:80], fix) from error


@cache
def _build_adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
