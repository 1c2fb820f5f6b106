"""One record per target event, with the events before it as a list: the form of next-item training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.exports.source import find_history_starts

if TYPE_CHECKING:
    import pyarrow as pa

Ints = npt.NDArray[np.int64]
CHUNK_WINDOWS = 1 << 16


@dataclass(frozen=True, eq=False)
class Windows:
    """Some targets with the events before them.

    targets   int64 (targets,): their rows in the event table
    offsets   int32 (targets + 1,): window i has rows sources[offsets[i]:offsets[i + 1]], at least one
    sources   int64 (events,): rows of the events before the targets
    """

    targets: Ints
    offsets: npt.NDArray[np.int32]
    sources: Ints

    def build_lists(self, values: pa.Array) -> pa.ListArray:
        """Lists of the values of the events before each target."""
        import pyarrow as pa

        return pa.ListArray.from_arrays(pa.array(self.offsets), values.take(pa.array(self.sources)))

    def pad_lists(self, codes: npt.NDArray[Any], max_length: int, padding: int = 0) -> npt.NDArray[Any]:
        """(targets, max_length): codes of the events before each target, padded on the left."""
        padded = np.full((len(self.targets), max_length), padding, codes.dtype)
        lengths = np.diff(self.offsets)
        columns = np.arange(len(self.sources)) + np.repeat(max_length - lengths - self.offsets[:-1], lengths)
        padded[np.repeat(np.arange(len(lengths)), lengths), columns] = codes[self.sources]
        return padded


def find_targets(table: pa.Table) -> Ints:
    """int64 (targets,): rows of target events that are not the first of their history."""
    is_target = np.ones(len(table), bool)
    if "is_target" in table.column_names:
        is_target = table.column("is_target").to_numpy(zero_copy_only=False).astype(bool)
    is_target = is_target.copy()
    is_target[find_history_starts(table)[:-1]] = False
    return np.flatnonzero(is_target)


def find_last_targets(table: pa.Table) -> Ints:
    """int64 (histories with a target,): the row of the last target of each history."""
    targets, starts = find_targets(table), find_history_starts(table)
    places = np.searchsorted(starts, targets, "right")
    return np.asarray(targets[np.append(places[1:] != places[:-1], True)[: len(targets)]], np.int64)


def iterate_windows(table: pa.Table, max_length: int, targets: Ints | None = None) -> Iterator[Windows]:
    """The last `max_length` events before each target, in the order of the targets; by default of `find_targets`."""
    targets, starts = find_targets(table) if targets is None else targets, find_history_starts(table)
    first = starts[np.searchsorted(starts, targets, "right") - 1]
    lows = np.maximum(first, targets - max_length)
    for begin in range(0, len(targets), CHUNK_WINDOWS):
        part = slice(begin, begin + CHUNK_WINDOWS)
        lengths = targets[part] - lows[part]
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
        sources = np.arange(offsets[-1]) + np.repeat(lows[part] - offsets[:-1], lengths)
        yield Windows(targets[part], offsets, sources)
