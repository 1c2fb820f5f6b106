"""Which history is sample number i of this epoch?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from leaven import rng
from leaven.augmentation import Plan, Step, epoch_rows, expand
from leaven.augmentation.plan import ALWAYS
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.nn.sequence_packing import Stretches, training_stretches
from leaven.pytorch.batch import Sample, sample
from leaven.schedules.progress_schedules import Constant

_EPOCH, _PROGRESS, _DONE = range(3)


class HistoriesDataset(Dataset[Sample]):
    """The rows of a plan, one history a sample, in the order of this epoch, which follows from keys.

    train       real rows: what the plan's steps learn from
    plan        steps that run once are run now; steps of each epoch give fresh rows in every one; None: real rows
    seed        every draw follows from it
    max_length  most inputs of a sample; a row with more targets gives several samples, so that none is lost
    epochs      how many there will be, for schedules, whose progress is epoch / epochs

    Sample i of an epoch is a pure function of (train, plan, seed, epoch, progress): no worker, process, batch or
    thread takes part. Each process works out the rows of an epoch once, when it is first asked for one of them. Which
    epoch it is lies in shared memory, so workers that live on from epoch to epoch are told too.

    >>> data = HistoriesDataset(Histories.of([[1, 2, 3], [2, 1]], n_items=3), seed=7)
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
            fix = "replay its schedule as a strength of its own, or let leaven train"
            raise SpecError("plan, combine", "a plan that no controller steers", "'conditional'", fix)
        self.max_length, self.epochs = max_length, epochs
        self._rows = epoch_rows(train, expand(train, self.plan, seed), self.plan, seed)
        self._place: torch.Tensor = torch.zeros(3, dtype=torch.float64)
        self._place.share_memory_()  # type: ignore[no-untyped-call]
        self._worked_out: tuple[tuple[float, float], Stretches] | None = None

    @property
    def n_ids(self) -> int:
        """Rows that a table of item vectors needs: padding, the items, and the mask."""
        return self.train.n_items + 2

    @property
    def mask_id(self) -> int:
        """The id of a hidden event: neither padding nor an item."""
        return self.train.mask_id

    @property
    def epoch(self) -> int:
        """Which epoch it is, from 0."""
        return int(self._place[_EPOCH])

    @property
    def done(self) -> int:
        """Batches of this epoch that are left out because they were learned from before an interruption."""
        return int(self._place[_DONE])

    def set_epoch(self, epoch: int, progress: float | None = None) -> None:
        """From now on the samples are those of this epoch. progress: of training, in 0..1, for schedules.

        Setting the epoch that it is already changes nothing else, so that a loop that goes on after
        `load_state_dict` may say it again.

        Raises SpecError where a schedule has no progress to follow.
        """
        if epoch < 0:
            raise SpecError("set_epoch", "0 or more", str(epoch), "")
        if progress is None:
            progress = self._progress_of(epoch)
        done = self.done if epoch == self.epoch else 0
        self._place.copy_(torch.tensor([epoch, progress, done], dtype=torch.float64))

    def start_over(self) -> None:
        """From now on no batch of this epoch is left out."""
        self._place[_DONE] = 0

    def __len__(self) -> int:
        """Samples of this epoch; plans may make more in one epoch than in another."""
        return len(self.stretches())

    def __getitem__(self, index: int) -> Sample:
        """Sample number `index` of this epoch."""
        stretches = self.stretches()
        if not -len(stretches) <= index < len(stretches):
            raise IndexError(f"sample {index} of {len(stretches)}")
        return sample(stretches, index)

    def stretches(self) -> Stretches:
        """The samples of this epoch in their order, as places in its rows."""
        place = (float(self._place[_EPOCH]), float(self._place[_PROGRESS]))
        if self._worked_out is None or self._worked_out[0] != place:
            self._worked_out = (place, self._work_out(int(place[0]), place[1]))
        return self._worked_out[1]

    def state_dict(self, done: int = 0) -> dict[str, Any]:
        """Where training stands, JSON-able. done: batches of this epoch that the loop has learned from.

        A loader that fetches ahead does not know how many these are, but `HistoriesLoader` does: ask its own state.
        """
        epoch, progress = self.epoch, float(self._place[_PROGRESS])
        return {"epoch": epoch, "progress": progress, "done": done, "mark": self._mark()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there: `HistoriesStream` and `HistoriesLoader` leave out the batches that were done.

        Raises DataError where the state is that of other rows, another plan or another seed.
        """
        if state.get("mark") != self._mark():
            fix = "give the same train, plan, seed and max_length as when it was saved"
            raise DataError("load_state_dict", "the state of this data set", "that of another", fix)
        self._place.copy_(torch.tensor([state["epoch"], state["progress"], state["done"]], dtype=torch.float64))

    def _progress_of(self, epoch: int) -> float:
        if self.epochs is not None:
            return min(epoch / self.epochs, 1.0)
        scheduled = [step.called for step in self.plan.all if _follows_progress(step)]
        if scheduled and epoch > 0:
            fix = "HistoriesDataset(…, epochs=10), or set_epoch(epoch, progress)"
            raise SpecError(f"step {scheduled[0]!r}, strength", "a progress to follow", "no number of epochs", fix)
        return 0.0

    def _work_out(self, epoch: int, progress: float) -> Stretches:
        stretches = training_stretches(self._rows(epoch, progress), self.max_length)
        if not len(stretches):
            raise DataError("HistoriesDataset", "rows with something to predict", "none", "give longer histories")
        order = np.argsort(rng.row_keys(rng.key(self.seed, "order", epoch), stretches.keys), kind="stable")
        return stretches.take(order)

    def _mark(self) -> str:
        steps = [f"{step.called} {step.mode} {step.when}" for step in self.plan.all]
        return f"{rng.key(self.seed, len(self.train), self.train.events, self.max_length, *steps):016x}"


def _follows_progress(step: Step) -> bool:
    """Whether what it makes depends on how far training is."""
    return not isinstance(step.strength, Constant) or step.during != ALWAYS or step.when == "each_round"
