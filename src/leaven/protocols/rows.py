"""Protocols of rows and engines, and the types of rng keys and strengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.log_names import LogNames, NamedSteps

if TYPE_CHECKING:
    import pyarrow as pa

SharedT = TypeVar("SharedT")
ShardT = TypeVar("ShardT")
ResultT = TypeVar("ResultT")
ShardTask = Callable[[SharedT, ShardT], ResultT]
"""task(shared, shard) -> a picklable result."""
RowsT = TypeVar("RowsT", bound="Rows")
"""Rows of one kind: `Histories` or `Samples`."""
RngKeys = npt.NDArray[np.uint64]
"""uint64 (rows,): one rng key per row."""
Strength = npt.NDArray[np.float32]
"""float32 (rows,): strength of a change, in 0..1."""


class Rows(Protocol):
    """Rows that a plan works on, such as `Histories` and `Samples`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def row_ids(self) -> npt.NDArray[np.uint64]: ...

    @property
    def parents(self) -> npt.NDArray[np.uint64]: ...

    @property
    def weight(self) -> npt.NDArray[np.float32]: ...

    @property
    def origin(self) -> npt.NDArray[np.int16]: ...

    @property
    def names(self) -> LogNames | None:
        """The users' ids and the names of steps; computations do not read them."""
        ...

    def __len__(self) -> int: ...

    def validate(self) -> Self:
        """The rows themselves. Raises DataError that names the first broken promise of the class."""
        ...

    def take(self, rows: npt.ArrayLike) -> Self:
        """The rows at these indices (int), or where this mask (bool) is true."""
        ...

    def slice(self, first: int, last: int) -> Self:
        """Rows first..last - 1."""
        ...

    def concat_with(self, others: Sequence[Self]) -> Self:
        """These rows, then those of the others."""
        ...

    def equal_rows(self, other: Self) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether both rows are equal, ignoring lineage."""
        ...

    def read_files(self, *paths: str | Path) -> Self:
        """Rows of files that `write_file` wrote, with the catalog and levels of these rows."""
        ...

    def write_file(self, path: str | Path) -> None:
        """Write the internal form: hashed row ids and dense codes."""
        ...

    def to_events(self, plan: NamedSteps | None = None) -> pa.Table:
        """An Arrow table with the own ids of the user."""
        ...


class Engine(Protocol):
    """Runs one task over shards, in order, with the same results as a plain loop."""

    @property
    def n_workers(self) -> int:
        """Number of shards that run in parallel; of a cluster, an estimate: the cores of this machine."""
        ...

    def map(
        self, task: ShardTask[SharedT, ShardT, ResultT], shards: Sequence[ShardT], shared: SharedT
    ) -> Iterator[ResultT]:
        """task(shared, shard) for each shard; an error names its shard."""
        ...

    def start_workers(self, *modules: str, preload: object = None) -> AbstractContextManager[Engine]:
        """This engine with workers that stay for several maps and end with the context.

        modules  modules of the tasks, which workers import in advance
        preload  object that the first map will share; workers may start and receive it in the background. An array that
                 several maps share may be sent only once, so it must not change
        """
        ...
