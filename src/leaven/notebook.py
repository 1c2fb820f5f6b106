"""What does a scientist call from a notebook? The words of the command line, as functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from leaven.registry import FAMILIES, kinds

if TYPE_CHECKING:
    from leaven.data.events import Events
    from leaven.data.log import ItemSource


def read(
    interactions: Any,
    user: str = "",
    item: str = "",
    time: str = "",
    columns: Mapping[str, str] | None = None,
    items: ItemSource | None = None,
) -> Events:
    """The events of a log: a path, glob, URL, database or frame (pandas, Polars, Arrow).

    user, item, time name its columns; `columns` further ones, our word -> column (kind, value, quantity,
    price, and those that cleaning reads). Without any they are guessed.

    >>> import pyarrow as pa
    >>> read(pa.table({"who": ["a"], "what": ["x"], "when": [1318896000]}), "who", "what", "when").count()
    1

    Raises DataError that names file, line or column for whatever cannot be read.
    """
    from leaven.data import log

    named = {"user": user, "item": item, "time": time} | dict(columns or {})
    return log.read(interactions, {word: column for word, column in named.items() if column}, items)


def list_kinds(family: str = "") -> dict[str, list[str]] | list[str]:
    """The kinds of a family, by the names that specs use; of all families where none is named.

    >>> "ndcg" in list_kinds("metrics")
    True

    Raises SpecError for an unknown family.
    """
    if family:
        return list(kinds(family))
    return {name: list(kinds(name)) for name in FAMILIES}
