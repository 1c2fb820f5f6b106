"""Labeled rows in Parquet files, read in windows where they do not fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from leaven import rng
from leaven.datasets.samples import Samples, concat_samples
from leaven.errors import DataError


@dataclass(frozen=True)
class RowGroup:
    """One row group of a file; n_rows: its number of rows."""

    path: Path
    index: int
    n_rows: int

    def read_samples(self) -> Samples:
        """The rows of this row group."""
        import pyarrow.parquet as pq

        return Samples.from_arrow(pq.ParquetFile(self.path).read_row_group(self.index))


@dataclass(frozen=True)
class SampleFiles:
    """Rows in Parquet files written by `Samples.to_parquet`, such as the `expanded/` folder of a variant.

    >>> len(SampleFiles(()))
    0
    """

    row_groups: tuple[RowGroup, ...]

    @classmethod
    def from_paths(cls, *paths: str | Path) -> SampleFiles:
        """The rows of these files; a folder means its Parquet files, sorted by name.

        Raises DataError without any rows, and for a file that is not such a table.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        files: list[Path] = []
        for path in map(Path, paths):
            files += sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        parts = []
        for file in files:
            try:
                metadata = pq.ParquetFile(file).metadata
            except (OSError, pa.ArrowInvalid) as error:
                raise DataError(str(file), "a Parquet file of samples", str(error), "check the path") from error
            groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            parts += [RowGroup(file, group, rows) for group, rows in enumerate(groups) if rows]
        if not parts:
            raise DataError(", ".join(map(str, paths)) or "files", "files with rows", "none", "create them again")
        return cls(tuple(parts))

    def __len__(self) -> int:
        return sum(part.n_rows for part in self.row_groups)

    def split_windows(self, window_rows: int, key: int) -> list[SampleFiles]:
        """All row groups in a random order given by the key, in windows of about `window_rows` rows."""
        order = np.argsort(
            rng.draw_uniform(rng.derive_row_keys(key, np.arange(len(self.row_groups), dtype=np.uint64)), 0)
        )
        shuffled = [self.row_groups[index] for index in order]
        window = np.cumsum([part.n_rows for part in shuffled]) // max(window_rows, 1)
        edges = [0, *(np.flatnonzero(np.diff(window)) + 1).tolist(), len(shuffled)]
        return [SampleFiles(tuple(shuffled[low:high])) for low, high in pairwise(edges)]

    def read_samples(self) -> Samples:
        """All rows."""
        return concat_samples([part.read_samples() for part in self.row_groups])

    def sample_rows(self, max_rows: int) -> Samples:
        """Every n-th row, at most `max_rows` rows; only one row group is in memory at a time."""
        step, begin, samples = -(-len(self) // max_rows), 0, []
        for part in self.row_groups:
            rows = part.read_samples()
            samples.append(rows.take(np.arange(-begin % step, len(rows), step)))
            begin += len(rows)
        return concat_samples(samples)
