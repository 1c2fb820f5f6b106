"""Which rows lie in these files, without all of them in memory?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Stored:
    """Rows in files, in the order of the files; read a few at a time.

    like    rows without a row, which know what files do not: the catalogue, the levels
    starts  int64 (files + 1,): file i holds the rows starts[i]:starts[i + 1]
    real    whether these are the training rows, as they are
    """

    like: Any
    paths: tuple[Path, ...]
    starts: npt.NDArray[np.int64]
    real: bool = False

    @classmethod
    def of(cls, train: Any, paths: Sequence[Path], real: bool = True) -> Stored:
        """Files that `to_parquet` of rows like `train` wrote."""
        import pyarrow.parquet as pq

        counts = [pq.read_metadata(path).num_rows for path in paths]
        return cls(train.slice(0, 0), tuple(paths), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), real)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def joined(self, others: Sequence[Stored]) -> Stored:
        """These rows, then those of the others."""
        if not others:
            return self
        paths = [path for one in (self, *others) for path in one.paths]
        counts = np.concatenate([np.diff(one.starts) for one in (self, *others)])
        return Stored(self.like, tuple(paths), np.concatenate([[0], np.cumsum(counts)]))

    def slice(self, first: int, last: int) -> Any:
        """Rows first..last - 1, from the files that hold them."""
        if first >= last:
            return self.like
        holding = range(
            int(np.searchsorted(self.starts, first, side="right")) - 1,
            int(np.searchsorted(self.starts, last, side="left")),
        )
        rows = self.like.read_back(*[self.paths[place] for place in holding])
        begin = int(self.starts[holding.start])
        return rows.slice(first - begin, last - begin)

    def whole(self) -> Any:
        """All rows, in memory."""
        return self.like.read_back(*self.paths)
