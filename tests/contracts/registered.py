"""The class of a registered kind, and arrays that nobody may write into."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from leaven.datasets.histories import Histories
from leaven.registry import list_kinds


def wish_of(family: str, kind: str) -> Any:
    """The class that the registry names."""
    module, _, name = list_kinds(family)[kind].partition(":")
    return getattr(import_module(module), name)


def frozen(rows: Histories) -> Histories:
    """The same rows in arrays that cannot be written to."""
    columns = {}
    for name in ("items", "times", "starts", "row_ids", "parents", "origin", "weight", "n_targets"):
        column = getattr(rows, name).copy()
        column.setflags(write=False)
        columns[name] = column
    return replace(rows, **columns)


def same(one: Histories, two: Histories) -> bool:
    """Whether two sets of rows have the same bytes."""
    names = ("items", "times", "starts", "row_ids", "parents", "origin", "weight", "n_targets")
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in names)
