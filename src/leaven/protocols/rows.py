"""What does a plan need to know of rows, and with which chance and strength are they changed?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]


Strength = npt.NDArray[np.float32]


class Rows(Protocol):
    """What a plan needs to know of the rows that it works on: `Histories` and `Samples` are such."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def keys(self) -> npt.NDArray[np.uint64]: ...

    @property
    def parents(self) -> npt.NDArray[np.uint64]: ...

    @property
    def origin(self) -> npt.NDArray[np.int16]: ...

    def __len__(self) -> int: ...

    def check(self) -> Self:
        """Itself, once every promise of its class is kept; DataError names the first broken one."""
        ...

    def take(self, rows: npt.ArrayLike) -> Self:
        """The rows at these indices (int), or where this mask (bool) is true."""
        ...

    def slice(self, first: int, last: int) -> Self:
        """Rows first..last - 1."""
        ...

    def joined(self, others: Sequence[Any]) -> Self:
        """These rows, then those of the others."""
        ...

    def same_as(self, other: Any) -> npt.NDArray[np.bool_]:
        """bool (rows,): where both say the same; lineage does not count."""
        ...

    def read_back(self, *paths: str | Path) -> Self:
        """Rows of files that `to_parquet` wrote, with all that these rows know beside their columns."""
        ...

    def to_parquet(self, path: str | Path) -> None: ...


class Engine(Protocol):
    """Runs one task over shards, in order: the same answers as a plain loop."""

    def map(self, task: Callable[[Any, Any], Any], shards: Sequence[Any], shared: Any) -> Iterator[Any]:
        """task(shared, shard) for each shard; an error names its shard."""
        ...

    def opened(self, *modules: str, soon: Any = None) -> AbstractContextManager[Engine]:
        """This engine for several maps: what they need is begun once, and ends with the context.

        modules: those of the tasks, so that workers can import them before there is work. soon: what the first map
        will share, among other things: workers may begin, and be sent it, while the caller does something else. An
        array that several maps share may be sent once: it must not change from then on.
        """
        ...
