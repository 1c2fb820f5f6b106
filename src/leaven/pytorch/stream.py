"""Iterable-style batches of a data set, and a loader that can be resumed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from torch import distributed
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from leaven import rng
from leaven.datasets.histories import Ints
from leaven.errors import DataError, SpecError
from leaven.pytorch.batch import Batch, Pad, build_batch, check_pad, cut_batches, split_batch
from leaven.pytorch.dataset import HistoriesDataset


class HistoriesStream(IterableDataset[Batch]):
    """The batches of an epoch, in order, each of histories of similar length.

    data   data set with its epoch and position
    rows   samples of a batch, over all processes
    pad    the padded end of short histories
    shard  (rank, world) of this process; None: from torch.distributed or torchrun

    Use it with `DataLoader(stream, batch_size=None, num_workers=…)`: workers take turns, so the order of batches does
    not depend on their number. Every process has the same number of batches, with every world-th sample of each, so
    none waits for another at the end.
    """

    def __init__(
        self, data: HistoriesDataset, rows: int = 128, pad: Pad = "right", shard: tuple[int, int] | None = None
    ) -> None:
        check_pad(pad)
        if rows < 1:
            raise SpecError("HistoriesStream.rows", "1 or more", str(rows), "")
        self.data, self.rows, self.pad = data, rows, pad
        self.rank, self.world = _detect_shard() if shard is None else shard
        if not 0 <= self.rank < self.world:
            fix = "number the processes from 0"
            raise SpecError("HistoriesStream.shard", "a rank below the world", f"{self.rank} of {self.world}", fix)

    def __iter__(self) -> Iterator[Batch]:
        """Batches of this epoch from the current position; in a worker, only its own."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        cuts = self.cut_epoch()
        return (self._build_batch(cuts[nth]) for nth in range(self.data.n_done_batches + worker, len(cuts), workers))

    def cut_epoch(self) -> list[Ints]:
        """Samples of each batch of this epoch, as indices."""
        key = rng.derive_key(self.data.seed, "batches", self.data.epoch)
        return cut_batches(self.data.get_segments().lengths, self.rows, key)

    def _build_batch(self, samples: Ints) -> Batch:
        whole = build_batch(self.data.get_segments().take(samples), self.pad)
        return split_batch(whole, self.rank, self.world, self.pad)


class HistoriesLoader:
    """The batches of a stream, prefetched by persistent workers, with a count of the delivered ones.

    workers  number of prefetching processes; 0: batches are made on demand

    >>> from leaven.datasets.histories import Histories
    >>> loader = HistoriesLoader(HistoriesStream(HistoriesDataset(Histories.from_lists([[1, 2, 3]] * 10, 3)), rows=4))
    >>> sorted(len(batch.items) for batch in loader), loader.state_dict()["done"]
    ([2, 4, 4], 3)
    """

    def __init__(self, stream: HistoriesStream, workers: int = 0) -> None:
        self.stream, self._n_delivered = stream, stream.data.n_done_batches
        self._loader = DataLoader(stream, batch_size=None, num_workers=workers, persistent_workers=workers > 0)

    @property
    def epoch(self) -> int:
        """Current epoch, from 0."""
        return self.stream.data.epoch

    def __len__(self) -> int:
        """Number of batches of this epoch, including those that are done."""
        return len(self.stream.cut_epoch())

    def __iter__(self) -> Iterator[Batch]:
        """Batches of this epoch from the current position; the next iteration gives all of them."""
        self._n_delivered = self.stream.data.n_done_batches
        for batch in self._loader:
            self._n_delivered += 1
            yield batch
        self.stream.data.restart_epoch()

    def set_epoch(self, epoch: int, progress: float | None = None) -> None:
        """As that of `HistoriesDataset`."""
        if epoch != self.epoch:
            self._n_delivered = 0
        self.stream.data.set_epoch(epoch, progress)

    def state_dict(self) -> dict[str, object]:
        """Position of training after the last delivered batch, JSON-able."""
        return self.stream.data.state_dict(self._n_delivered) | {"rows": self.stream.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume after that batch, also within an epoch and with other numbers of workers and processes.

        Raises DataError for the state of other data, or of batches of another size.
        """
        if state.get("rows") != self.stream.rows:
            got = f"{state.get('rows')} rows"
            raise DataError(
                "load_state_dict", f"batches of {self.stream.rows} rows", got, "give the stream the same rows"
            )
        self.stream.data.load_state_dict(state)
        self._n_delivered = self.stream.data.n_done_batches


def _detect_shard() -> tuple[int, int]:
    """(rank, world) of the process group, else of torchrun's environment, else (0, 1)."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
