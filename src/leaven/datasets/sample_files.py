"""What if labelled rows do not fit into memory? They stay in their files, and come window by window."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from leaven import rng
from leaven.datasets.samples import Samples, concat
from leaven.errors import DataError


@dataclass(frozen=True)
class Part:
    """One row group of a file, and how many rows it holds."""

    path: Path
    group: int
    rows: int

    def read(self) -> Samples:
        """Its rows."""
        import pyarrow.parquet as pq

        return Samples.from_arrow(pq.ParquetFile(self.path).read_row_group(self.group))


@dataclass(frozen=True)
class SampleFiles:
    """Rows in Parquet files that `Samples.to_parquet` wrote, such as those of an arm's `expanded/`.

    >>> len(SampleFiles(()))
    0
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, *paths: str | Path) -> SampleFiles:
        """The rows of these files, or of all files of a folder, in the order of their names.

        Raises DataError where there are none, or for a file that is no such table.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        files: list[Path] = []
        for path in map(Path, paths):
            files += sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        parts = []
        for file in files:
            try:
                found = pq.ParquetFile(file).metadata
            except (OSError, pa.ArrowInvalid) as error:
                raise DataError(str(file), "a Parquet file of samples", str(error), "check the path") from error
            groups = [found.row_group(group).num_rows for group in range(found.num_row_groups)]
            parts += [Part(file, group, rows) for group, rows in enumerate(groups) if rows]
        if not parts:
            raise DataError(", ".join(map(str, paths)) or "files", "files with rows", "none", "make them again")
        return cls(tuple(parts))

    def __len__(self) -> int:
        return sum(part.rows for part in self.parts)

    def windows(self, rows: int, key: int) -> list[SampleFiles]:
        """All parts in an order that the key gives, in runs of about so many rows."""
        order = np.argsort(rng.uniform(rng.row_keys(key, np.arange(len(self.parts), dtype=np.uint64)), 0))
        mixed = [self.parts[place] for place in order]
        run = np.cumsum([part.rows for part in mixed]) // max(rows, 1)
        edges = [0, *(np.flatnonzero(np.diff(run)) + 1).tolist(), len(mixed)]
        return [SampleFiles(tuple(mixed[low:high])) for low, high in pairwise(edges)]

    def read(self) -> Samples:
        """All rows at once."""
        return concat([part.read() for part in self.parts])

    def sampled(self, most: int) -> Samples:
        """Every n-th row, at most so many; one part at a time lies in memory."""
        step, begin, found = -(-len(self) // most), 0, []
        for part in self.parts:
            rows = part.read()
            found.append(rows.take(np.arange(-begin % step, len(rows), step)))
            begin += len(rows)
        return concat(found)
