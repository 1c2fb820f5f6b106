"""What will a user take next, by the order of what was taken before?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import Ranked, Say, Training, Watch

if TYPE_CHECKING:
    from leaven.nn.fusion import FusedTable
    from leaven.nn.next_item import Beside
    from leaven.nn.sequence_encoder import Encoder
    from leaven.nn.training import Course

_WEIGHTS, _COURSE = "transformer.safetensors", "course.json"
_FEWEST_STEPS, _MOST_STEPS = 300, 40_000


@dataclass(frozen=True, eq=False)
class ItemSide:
    """How a net that reads items differs from one that knows their ids alone.

    table   its item vectors; beside  what is learned in the same steps; mark  says which it is, for checkpoints
    """

    table: FusedTable
    beside: Beside
    mark: str


@dataclass(frozen=True)
class Transformer:
    """The wish for a self-attentive next-item recommender (after SASRec, ICDM 2018) with a strong loss.

    width, layers, heads  size; max_length is the most events that it looks back
    loss            "shared_negatives": a softmax over the target and `negatives` items drawn in each step, corrected
                    for how often each is drawn (log q; Bengio and Senécal, 2008; the target left as it is), for
                    catalogues of any size; "full": over the whole catalogue; "binary": SASRec's, one negative, to
                    compare with papers
    temperature     of cosine logits (not for "binary", which takes dot products)
    proposal_power  negatives are drawn in proportion to (count + 1) to this power
    dropout         None: 0.5 where an item is a target 12 times in the mean or less, 0.2 from 80 times on, between them
                    along the logarithm: what is seen rarely is learned by heart
    contrast        weight of a second loss: two views of each history, drawn by the plan's steps of mode "replace" and
                    each epoch, or told apart by dropout where there are none, shall be alike among those of a batch
                    (nn/contrastive.py); 0: none. contrast_temperature  of its cosines
    mixup           above 0: each history is mixed with another of its batch, as vectors, by a share drawn from
                    Beta(mixup, mixup) (nn/mixup.py), 0.1 to 0.4 as a rule; 0: none
    batch_events    events of one step; None: 1/170 of the real rows' targets, 256 to 8,192
    epochs          passes over the rows; steps are at least 300 and at most 40,000
    looks           how often validation is looked at, if users are given; patience: looks without a better one before
                    it stops, None: never. With `Training.steps` it takes all steps. The best weights stay, either way
    device          "auto", "cpu", "cuda"
    precision       "auto", "32-true", "bf16-mixed". On a CPU "auto" computes in float32, except that gradients of the
                    softmax are products of bfloat16 numbers where the CPU multiplies them itself

    Several processes: start with torchrun; each takes its share of every batch.
    """

    width: int = 64
    layers: int = 2
    heads: int = 2
    max_length: int = 50
    dropout: float | None = None
    loss: Literal["shared_negatives", "full", "binary"] = "shared_negatives"
    temperature: float = 0.07
    negatives: int = 1024
    proposal_power: float = 0.5
    contrast: float = 0.0
    contrast_temperature: float = 0.1
    mixup: float = 0.0
    batch_events: int | None = None
    epochs: float = 60
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warm_up_steps: int = 100
    looks: int = 20
    patience: int | None = 6
    most_valid_users: int = 4096
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.loss not in ("shared_negatives", "full", "binary"):
            wanted = "shared_negatives, full or binary"
            raise SpecError("transformer.loss", wanted, repr(self.loss), "")
        if self.width % self.heads:
            raise SpecError("transformer.width", f"a multiple of heads = {self.heads}", str(self.width), "")
        for name in (
            "width",
            "layers",
            "heads",
            "max_length",
            "negatives",
            "looks",
            "temperature",
            "epochs",
            "contrast_temperature",
        ):
            if not getattr(self, name) > 0:
                raise SpecError(f"transformer.{name}", "more than 0", str(getattr(self, name)), "")
        for name in ("contrast", "mixup"):
            if not getattr(self, name) >= 0:
                raise SpecError(f"transformer.{name}", "0 (off) or more", str(getattr(self, name)), "")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise SpecError("transformer.dropout", "0 or more, less than 1", str(self.dropout), "")

    def steps(self, train: Histories) -> int:
        """Optimiser steps that it takes on these rows, unless it stops early."""
        targets = _targets(train)
        return int(np.clip(round(self.epochs * targets / self.events_of(train)), _FEWEST_STEPS, _MOST_STEPS))

    def events_of(self, train: Histories) -> int:
        """Events of one step: rows that were made change what a step sees, not how much of it."""
        if self.batch_events:
            return self.batch_events
        return int(np.clip(_targets(_real(train)) / 170, 256, 8192))

    def dropout_of(self, train: Histories) -> float:
        """Dropout on these rows; rows that were made change nothing of it."""
        if self.dropout is not None:
            return self.dropout
        often = _targets(_real(train)) / max(train.n_items, 1)
        return float(np.interp(np.log(max(often, 1.0)), np.log([12, 80]), [0.5, 0.2]))

    def fit(self, train: Histories, training: Training) -> TransformerRecommender:
        """Learns to predict each target from the events before it.

        Raises FitError where no row has something to predict, or the loss is no finite number.
        """
        return self.trained(train, training)

    def trained(self, train: Histories, training: Training, items: ItemSide | None = None) -> TransformerRecommender:
        """As `fit`, with another table of item vectors.

        Raises FitError where no row has something to predict, or the loss is no finite number.
        """
        from leaven.nn.device import halves_are_quick
        from leaven.nn.next_item import Aim, NextItem
        from leaven.nn.training import train as go

        if not (_targets(train) and train.weight[train.lengths > 1].any()):
            fix = "give rows of two events or more, with weights above 0"
            raise FitError("transformer.fit", "rows with something to predict", "none", fix)
        table = items.table if items else None
        net = self.net(train.n_items, rng.key(training.key, "begin"), self.dropout_of(train), table)
        net.counts += net.counts.new_tensor(_counts(train))
        kind, views = self._loss_over(train.n_items), (self.contrast, self.contrast_temperature, self.mixup)
        half = halves_are_quick(self.device, self.precision)
        aim = Aim(kind, self._temperature, self.negatives, self.proposal_power, *views, half, items is None)
        valid = _some(training.valid, self.most_valid_users, rng.key(training.key, "valid"))
        beside = items.beside if items else None
        task = NextItem(net, aim, train, self.events_of(train), training.key, training.refresh, valid, beside)
        course = self._course(train, training, items.mark if items else "")
        if training.watch is not None:
            course = replace(course, watch=_Shown(training.watch, course.steps, self._temperature))
        outcome = go(task, course)
        return TransformerRecommender(self, net, outcome.curve, outcome.facts)

    @classmethod
    def load(cls, folder: Path) -> TransformerRecommender:
        """What `save` wrote.

        Raises DataError where the folder holds no such recommender.
        """
        from leaven.nn.checkpoint import read

        weights, said = read(folder / _WEIGHTS)
        net = cls(**said["wish"]).net(said["n_items"], key=0, dropout=0.0)
        net.load_state_dict(weights)
        course = json.loads((folder / _COURSE).read_text())
        return TransformerRecommender(cls(**said["wish"]), net.eval(), course["curve"], course["facts"])

    def net(self, n_items: int, key: int, dropout: float, items: FusedTable | None = None) -> Encoder:
        """A net of this wish's size, untrained; `items`: the table of its item vectors, where not its own."""
        import torch

        from leaven.nn.sequence_encoder import Encoder, Shape

        sizes = (self.width, self.layers, self.heads, 4 * self.width, self.max_length, dropout)
        return Encoder(Shape(n_items, *sizes), torch.Generator().manual_seed(key), items)

    def _loss_over(self, n_items: int) -> str:
        """A catalogue no larger than the negatives is cheaper, and exact, as a whole."""
        return "full" if self.loss == "shared_negatives" and n_items <= self.negatives else self.loss

    @property
    def _temperature(self) -> float | None:
        return None if self.loss == "binary" else self.temperature

    def _course(self, train: Histories, training: Training, mark: str) -> Course:
        """How the loop goes: with steps that were asked for, it takes all of them."""
        from leaven.nn.training import Course

        steps = training.steps or self.steps(train)
        said = json.dumps([asdict(self), training.key, steps, len(train), train.events, train.n_items]) + mark
        return Course(
            key=training.key,
            steps=steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warm_up_steps=self.warm_up_steps,
            numbers=self.events_of(train) * 4 * self.width,
            look_every=max(steps // self.looks, 1),
            patience=self.patience if training.steps is None else None,
            device=self.device,
            precision=self.precision,
            mark=hashlib.blake2b(said.encode(), digest_size=8).hexdigest(),
            folder=training.folder,
            tell=training.tell,
        )


@dataclass(frozen=True, eq=False)
class _Shown:
    """A net at a look as its users' losses, which is what a watch sees."""

    watch: Watch
    steps: int
    temperature: float | None

    def look(self, net: Any, step: int) -> Say:
        from leaven.nn.scoring import losses

        assert isinstance(self.watch.users, HeldOut)
        return self.watch.look(step, step / self.steps, losses(net, self.watch.users, self.temperature))

    def memory(self) -> dict[str, Any]:
        return self.watch.memory()

    def recall(self, memory: Mapping[str, Any]) -> None:
        self.watch.recall(memory)


@dataclass(frozen=True, eq=False)
class TransformerRecommender:
    """A trained transformer. facts: seconds, steps, targets, peak_mb, stopped."""

    wish: Transformer
    net: Encoder
    curve: Sequence[Mapping[str, float]]
    facts: Mapping[str, Any]

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> Ranked:
        """The k best items for each history; scores are cosines, or dot products after the binary loss.

        Raises SpecError for k below 1; DataError for histories over another catalogue.
        """
        from leaven.nn.device import device_kind
        from leaven.nn.scoring import rank

        n_items = self.net.shape.n_items
        if k < 1:
            raise SpecError("recommend", "a list of 1 item or more", f"k = {k}", "")
        if histories.n_items != n_items:
            raise DataError("histories", f"ids of a catalogue of {n_items} items", f"{histories.n_items} items", "")
        net = self.net.to(device_kind(self.wish.device))
        return Ranked(*rank(net, histories, k, None if allow_repeats else histories, self.wish.loss != "binary"))

    def save(self, folder: Path) -> None:
        """Weights and wish in one file (the same bytes for the same weights), how training went in another."""
        from leaven.nn.checkpoint import write

        write(folder / _WEIGHTS, self.net.state_dict(), {"wish": asdict(self.wish), "n_items": self.net.shape.n_items})
        self.save_course(folder)

    def save_course(self, folder: Path) -> None:
        """How training went."""
        part = folder / f"{_COURSE}.part"
        part.write_text(json.dumps({"curve": list(self.curve), "facts": dict(self.facts)}))
        part.replace(folder / _COURSE)


def _real(train: Histories) -> Histories:
    """The rows that nobody made; all where there are no others."""
    return train.real_only() if train.is_real.any() else train


def _targets(train: Histories) -> int:
    return int(np.minimum(train.targets, np.maximum(train.lengths - 1, 0)).sum())


def _counts(train: Histories) -> npt.NDArray[np.int64]:
    """int64 (items,): how often each item is taken."""
    return np.bincount(train.items[train.items <= train.n_items] - 1, minlength=train.n_items)


def _some(users: HeldOut | None, most: int, key: int) -> HeldOut | None:
    """At most so many of the users, drawn by the key."""
    if users is None or len(users) <= most:
        return users
    drawn = np.argsort(rng.row_keys(key, users.histories.keys), kind="stable")[:most]
    return users.take(np.sort(drawn))
