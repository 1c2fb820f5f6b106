"""Which batches does this worker of this process give, and how far is the loop?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from torch import distributed
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from leaven import rng
from leaven.datasets.histories import Ints
from leaven.errors import DataError, SpecError
from leaven.pytorch.batch import Batch, Pad, batch_of, check_pad, cut, share_of
from leaven.pytorch.dataset import HistoriesDataset


class HistoriesStream(IterableDataset[Batch]):
    """The batches of an epoch, in order, each of histories of like length.

    data   the samples, their epoch, and where to go on
    rows   samples of a batch, over all processes
    pad    the end at which places of short histories stay empty
    shard  (rank, world): which of how many processes this is; None: as torch.distributed or torchrun say

    Put it behind `DataLoader(stream, batch_size=None, num_workers=…)`: workers take turns, so the batches come in the
    same order for any number of them. Every process has as many batches as one alone would: its share of each, every
    world-th sample, so that none waits for another at the end.
    """

    def __init__(
        self, data: HistoriesDataset, rows: int = 128, pad: Pad = "right", shard: tuple[int, int] | None = None
    ) -> None:
        check_pad(pad)
        if rows < 1:
            raise SpecError("HistoriesStream.rows", "1 or more", str(rows), "")
        self.data, self.rows, self.pad = data, rows, pad
        self.rank, self.world = _shard_of_this_process() if shard is None else shard
        if not 0 <= self.rank < self.world:
            fix = "number the processes from 0"
            raise SpecError("HistoriesStream.shard", "a rank below the world", f"{self.rank} of {self.world}", fix)

    def __iter__(self) -> Iterator[Batch]:
        """Batches of this epoch from where it was left; in a worker, every one that is its turn."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        cuts = self.cuts()
        return (self._batch(cuts[nth]) for nth in range(self.data.done + worker, len(cuts), workers))

    def cuts(self) -> list[Ints]:
        """Which samples lie in each batch of this epoch."""
        key = rng.key(self.data.seed, "batches", self.data.epoch)
        return cut(self.data.stretches().length, self.rows, key)

    def _batch(self, samples: Ints) -> Batch:
        whole = batch_of(self.data.stretches().take(samples), self.pad)
        return share_of(whole, self.rank, self.world, self.pad)


class HistoriesLoader:
    """The batches of a stream, fetched by workers that live on, and the count of those that were handed out.

    workers  processes that fetch ahead; 0: none, batches are made when they are asked for

    >>> from leaven.datasets.histories import Histories
    >>> loader = HistoriesLoader(HistoriesStream(HistoriesDataset(Histories.of([[1, 2, 3]] * 10, 3)), rows=4))
    >>> sorted(len(batch.items) for batch in loader), loader.state_dict()["done"]
    ([2, 4, 4], 3)
    """

    def __init__(self, stream: HistoriesStream, workers: int = 0) -> None:
        self.stream, self._handed = stream, stream.data.done
        self._loader = DataLoader(stream, batch_size=None, num_workers=workers, persistent_workers=workers > 0)

    @property
    def epoch(self) -> int:
        """Which epoch it is, from 0."""
        return self.stream.data.epoch

    def __len__(self) -> int:
        """Batches of this epoch, those that were done before included."""
        return len(self.stream.cuts())

    def __iter__(self) -> Iterator[Batch]:
        """Batches of this epoch from where it was left; the next time, all of them."""
        self._handed = self.stream.data.done
        for batch in self._loader:
            self._handed += 1
            yield batch
        self.stream.data.start_over()

    def set_epoch(self, epoch: int, progress: float | None = None) -> None:
        """As that of `HistoriesDataset`."""
        if epoch != self.epoch:
            self._handed = 0
        self.stream.data.set_epoch(epoch, progress)

    def state_dict(self) -> dict[str, Any]:
        """Where training stands once the loop has learned from the last batch that it got. JSON-able."""
        return self.stream.data.state_dict(self._handed) | {"rows": self.stream.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after that batch, in the middle of an epoch too; other numbers of workers and processes may do it.

        Raises DataError where the state is that of other data, or of batches of another size.
        """
        if state.get("rows") != self.stream.rows:
            got = f"{state.get('rows')} rows"
            raise DataError("load_state_dict", f"batches of {self.stream.rows} rows", got, "give the stream as many")
        self.stream.data.load_state_dict(state)
        self._handed = self.stream.data.done


def _shard_of_this_process() -> tuple[int, int]:
    """(rank, world): of the process group where there is one, else what torchrun wrote, else alone."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
