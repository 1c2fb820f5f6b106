"""Rows that stay in Parquet files and are read a few at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.protocols import Rows


@dataclass(frozen=True, eq=False)
class RowFiles:
    """Rows in files, in the order of the files.

    template   an empty container of the same kind, with what files do not hold: the catalog, the levels
    in_memory  the same rows in memory, where they exist anyway: the training rows
    """

    template: Rows
    paths: tuple[Path, ...]
    in_memory: Rows | None = None

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """int64 (files + 1,): file i holds the rows starts[i]:starts[i + 1]."""
        import pyarrow.parquet as pq

        counts = [pq.read_metadata(path).num_rows for path in self.paths]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1]) if self.in_memory is None else len(self.in_memory)

    def concat_with(self, others: Sequence[RowFiles]) -> RowFiles:
        """These rows, then those of the others."""
        if not others:
            return self
        return RowFiles(self.template, tuple(path for source in (self, *others) for path in source.paths))

    def slice(self, first: int, last: int) -> Rows:
        """Rows first..last - 1; where they are not in memory, only the files that hold them are read."""
        if self.in_memory is not None:
            return self.in_memory.slice(first, last)
        if first >= last:
            return self.template
        files = range(
            int(np.searchsorted(self.starts, first, side="right")) - 1,
            int(np.searchsorted(self.starts, last, side="left")),
        )
        rows = self.template.read_files(*[self.paths[index] for index in files])
        offset = int(self.starts[files.start])
        return rows.slice(first - offset, last - offset)

    def load(self) -> Rows:
        """All rows, in memory."""
        return self.template.read_files(*self.paths) if self.in_memory is None else self.in_memory
