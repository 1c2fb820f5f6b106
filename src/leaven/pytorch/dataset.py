"""Map-style data set of the rows of a plan."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import Dataset

from leaven import rng
from leaven.augmentation import Plan, build_epoch_rows, expand
from leaven.augmentation.plan import WHOLE_TRAINING
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.nn.sequence_packing import Segments, build_training_segments
from leaven.pytorch.batch import HistorySample, build_sample
from leaven.schedules.progress_schedules import Constant

_EPOCH, _PROGRESS, _DONE = range(3)


class HistoriesDataset(Dataset[HistorySample]):
    """The rows of a plan, one history per sample, shuffled by key in every epoch.

    train       real rows, on which the plan's steps are fitted
    plan        steps that run once run now; steps of each epoch give fresh rows in every epoch; None: real rows
    seed        seed of all draws
    max_length  maximum inputs of a sample; a row with more targets gives several samples
    epochs      number of epochs, for schedules, whose progress is epoch / epochs

    Sample i of an epoch is a pure function of (train, plan, seed, epoch, progress), independent of workers, processes,
    batches and threads. Each process computes the rows of an epoch once, on first access. The epoch is in shared
    memory, so persistent workers see it too.

    >>> data = HistoriesDataset(Histories.from_lists([[1, 2, 3], [2, 1]], n_items=3), seed=7)
    >>> sorted(one.items.tolist() for one in (data[0], data[1]))
    [[1, 2], [2]]

    Raises DataError where no row has something to predict; LeavenError for a plan that does not suit the rows.
    """

    def __init__(
        self, train: Histories, plan: Plan | None = None, seed: int = 0, max_length: int = 50, epochs: int | None = None
    ) -> None:
        for name, value in (("max_length", max_length), ("epochs", epochs)):
            if value is not None and value < 1:
                raise SpecError(f"HistoriesDataset.{name}", "1 or more", str(value), "")
        self.train, self.plan, self.seed = train, plan or Plan(), seed
        if self.plan.controller is not None:
            fix = "use its schedule as a strength, or train with leaven"
            raise SpecError("plan, combine", "a plan without a controller", "'conditional'", fix)
        self.max_length, self.epochs = max_length, epochs
        self._rows = build_epoch_rows(train, expand(train, self.plan, seed), self.plan, seed)
        self._position: torch.Tensor = torch.zeros(3, dtype=torch.float64)
        self._position.share_memory_()  # type: ignore[no-untyped-call]
        self._cached: tuple[tuple[float, float], Segments] | None = None

    @property
    def n_ids(self) -> int:
        """Rows of an embedding table: padding, the items, and the mask."""
        return self.train.n_items + 2

    @property
    def mask_id(self) -> int:
        """The id of a hidden event: neither padding nor an item."""
        return self.train.mask_id

    @property
    def epoch(self) -> int:
        """Which epoch it is, from 0."""
        return int(self._position[_EPOCH])

    @property
    def n_done_batches(self) -> int:
        """Batches of this epoch that are skipped, as they were used before an interruption."""
        return int(self._position[_DONE])

    def set_epoch(self, epoch: int, progress: float | None = None) -> None:
        """Select an epoch. progress: of training, in 0..1, for schedules.

        Selecting the current epoch again does not reset `done`, so a loop may do it after `load_state_dict`.

        Raises SpecError where a schedule needs a progress and there is none.
        """
        if epoch < 0:
            raise SpecError("set_epoch", "0 or more", str(epoch), "")
        if progress is None:
            progress = self._compute_progress(epoch)
        done = self.n_done_batches if epoch == self.epoch else 0
        self._position.copy_(torch.tensor([epoch, progress, done], dtype=torch.float64))

    def restart_epoch(self) -> None:
        """Skip no batch of this epoch any more."""
        self._position[_DONE] = 0

    def __len__(self) -> int:
        """Number of samples of this epoch, which may vary between epochs."""
        return len(self.get_segments())

    def __getitem__(self, index: int) -> HistorySample:
        """Sample number `index` of this epoch."""
        stretches = self.get_segments()
        if not -len(stretches) <= index < len(stretches):
            raise IndexError(f"sample {index} of {len(stretches)}")
        return build_sample(stretches, index)

    def get_segments(self) -> Segments:
        """The samples of this epoch in order, as segments of its rows."""
        position = (float(self._position[_EPOCH]), float(self._position[_PROGRESS]))
        if self._cached is None or self._cached[0] != position:
            self._cached = (position, self._build_segments(int(position[0]), position[1]))
        return self._cached[1]

    def state_dict(self, n_done_batches: int = 0) -> dict[str, object]:
        """Position of training, JSON-able. n_done_batches: batches of this epoch that the loop has used.

        `HistoriesLoader` knows this number, also when it prefetches: use its own state.
        """
        epoch, progress = self.epoch, float(self._position[_PROGRESS])
        return {"epoch": epoch, "progress": progress, "done": n_done_batches, "mark": self._compute_fingerprint()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume: `HistoriesStream` and `HistoriesLoader` skip the batches that are done.

        Raises DataError for the state of other rows, another plan or another seed.
        """
        if state.get("mark") != self._compute_fingerprint():
            fix = "give the same train, plan, seed and max_length as when it was saved"
            raise DataError("load_state_dict", "the state of this data set", "that of another", fix)
        self._position.copy_(torch.tensor([state["epoch"], state["progress"], state["done"]], dtype=torch.float64))

    def _compute_progress(self, epoch: int) -> float:
        if self.epochs is not None:
            return min(epoch / self.epochs, 1.0)
        scheduled = [
            step.display_name
            for step in self.plan.named_steps
            if (not isinstance(step.strength, Constant) or step.during != WHOLE_TRAINING or step.when == "each_round")
        ]
        if scheduled and epoch > 0:
            fix = "HistoriesDataset(…, epochs=10), or set_epoch(epoch, progress)"
            raise SpecError(f"step {scheduled[0]!r}, strength", "a progress", "no number of epochs", fix)
        return 0.0

    def _build_segments(self, epoch: int, progress: float) -> Segments:
        stretches = build_training_segments(cast(Histories, self._rows(epoch, progress)), self.max_length)
        if not len(stretches):
            raise DataError("HistoriesDataset", "rows with something to predict", "none", "give longer histories")
        order = np.argsort(
            rng.derive_row_keys(rng.derive_key(self.seed, "order", epoch), stretches.segment_ids), kind="stable"
        )
        return stretches.take(order)

    def _compute_fingerprint(self) -> str:
        steps = [f"{step.display_name} {step.mode} {step.when}" for step in self.plan.named_steps]
        return f"{rng.derive_key(self.seed, len(self.train), self.train.n_events, self.max_length, *steps):016x}"
