"""Transformer recommender for next-item prediction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import CallbackAction, RankedItems, TrainingCallback, TrainingContext
from leaven.storage import replace_text

if TYPE_CHECKING:
    from torch import Tensor

    from leaven.nn.fusion import FusedItemTable
    from leaven.nn.next_item import AuxiliaryLoss
    from leaven.nn.sequence_encoder import SequenceEncoder
    from leaven.nn.training import TrainerConfig

_WEIGHTS, _TRAINING_LOG = "transformer.safetensors", "course.json"
_MIN_STEPS, _MAX_STEPS = 300, 40_000


@dataclass(frozen=True, eq=False)
class ItemInputs:
    """Item table and auxiliary loss of a network that reads item features.

    fingerprint  identifies the item features in checkpoints
    """

    table: FusedItemTable
    auxiliary: AuxiliaryLoss
    fingerprint: str


@dataclass(frozen=True)
class Transformer:
    """Configuration of a self-attentive next-item recommender (after SASRec, ICDM 2018) with a softmax loss.

    width, layers, heads  sizes; max_length: most events of a history that are read
    loss                  "shared_negatives": sampled softmax over the target and `negatives` items drawn in each step,
                          with log-q correction (Bengio and Senécal, 2008; not for the target), for catalogs of any
                          size; "full": softmax over the catalog; "binary": that of SASRec, one negative, for comparison
                          with papers
    temperature           of cosine logits ("binary" uses dot products)
    proposal_power        negatives are drawn in proportion to (count + 1) to this power
    dropout               None: 0.5 for up to 12 targets per item on average, 0.2 from 80 on, log-linear in between,
                          because sparse data overfit
    contrastive_weight    of the contrastive loss of two views of each history (nn/losses.py), drawn by the plan's
                          steps with mode "in_place", or by dropout without such steps; 0: off. contrastive_temperature:
                          of its cosine logits
    mixup_alpha           above 0: each history is mixed with another of its batch by a ratio from Beta(alpha, alpha)
                          (nn/mixup.py), usually 0.1 to 0.4; 0: off
    batch_events          events of one step; None: 1/170 of the real rows' targets, 256 to 8,192
    epochs                passes over the rows; steps are at least 300 and at most 40,000
    n_validations         number of validations, if there are validation users; patience: validations without
                          improvement before training stops, None: never. `TrainingContext.steps` disables it. The best
                          weights are used
    device                "auto", "cpu", "cuda"
    precision             "auto", "32-true", "bf16-mixed". On a CPU "auto" is float32, except that softmax gradients use
                          bfloat16 products if the CPU supports them

    Several processes: start with torchrun; each computes its share of every batch.
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
    contrastive_weight: float = 0.0
    contrastive_temperature: float = 0.1
    mixup_alpha: float = 0.0
    batch_events: int | None = None
    epochs: float = 60
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warm_up_steps: int = 100
    n_validations: int = 20
    patience: int | None = 6
    max_validation_users: int = 4096
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.loss not in ("shared_negatives", "full", "binary"):
            wanted = "shared_negatives, full or binary"
            raise SpecError("transformer.loss", wanted, repr(self.loss), "")
        if self.width % self.heads:
            raise SpecError("transformer.width", f"a multiple of heads = {self.heads}", str(self.width), "")
        positive = {
            "width": self.width,
            "layers": self.layers,
            "heads": self.heads,
            "max_length": self.max_length,
            "negatives": self.negatives,
            "n_validations": self.n_validations,
            "temperature": self.temperature,
            "epochs": self.epochs,
            "contrastive_temperature": self.contrastive_temperature,
        }
        for name, value in positive.items():
            if not value > 0:
                raise SpecError(f"transformer.{name}", "more than 0", str(value), "")
        for name, value in {"contrastive_weight": self.contrastive_weight, "mixup_alpha": self.mixup_alpha}.items():
            if not value >= 0:
                raise SpecError(f"transformer.{name}", "0 (off) or more", str(value), "")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise SpecError("transformer.dropout", "0 or more, less than 1", str(self.dropout), "")

    def steps(self, train: Histories) -> int:
        """Returns the number of optimizer steps on these rows, without early stopping."""
        targets = _count_targets(train)
        return int(np.clip(round(self.epochs * targets / self.choose_batch_events(train)), _MIN_STEPS, _MAX_STEPS))

    def choose_batch_events(self, train: Histories) -> int:
        """Returns the events of one step, which do not depend on synthetic rows."""
        if self.batch_events:
            return self.batch_events
        return int(np.clip(_count_targets(_select_real(train)) / 170, 256, 8192))

    def choose_dropout(self, train: Histories) -> float:
        """Returns the dropout rate on these rows, which does not depend on synthetic rows."""
        if self.dropout is not None:
            return self.dropout
        targets_per_item = _count_targets(_select_real(train)) / max(train.n_items, 1)
        return float(np.interp(np.log(max(targets_per_item, 1.0)), np.log([12, 80]), [0.5, 0.2]))

    def fit(self, train: Histories, training: TrainingContext) -> TransformerRecommender:
        """Trains to predict each target from the events before it.

        Raises FitError if no row has a target, or if the loss is not finite.
        """
        return self.fit_with_items(train, training)

    def fit_with_items(
        self, train: Histories, training: TrainingContext, items: ItemInputs | None = None
    ) -> TransformerRecommender:
        """Trains like `fit`, with another item table and auxiliary loss.

        Raises FitError if no row has a target, or if the loss is not finite.
        """
        from leaven.nn.device import is_bfloat16_fast
        from leaven.nn.next_item import LossConfig, NextItemTask
        from leaven.nn.training import train_network as train_network

        if not (_count_targets(train) and train.weight[train.lengths > 1].any()):
            fix = "give rows of two events or more, with weights above 0"
            raise FitError("transformer.fit", "rows with something to predict", "none", fix)
        table = items.table if items else None
        net = self.build_network(
            train.n_items, rng.derive_key(training.key, "begin"), self.choose_dropout(train), table
        )
        net.counts += net.counts.new_tensor(_count_items(train))
        # a catalog no larger than the negatives is cheaper, and exact, as a whole
        is_small = self.loss == "shared_negatives" and train.n_items <= self.negatives
        aim = LossConfig(
            kind="full" if is_small else self.loss,
            temperature=self._temperature,
            negatives=self.negatives,
            proposal_power=self.proposal_power,
            contrastive_weight=self.contrastive_weight,
            contrastive_temperature=self.contrastive_temperature,
            mixup_alpha=self.mixup_alpha,
            use_bfloat16=is_bfloat16_fast(self.device, self.precision),
            include_unseen=items is None,
        )
        task = NextItemTask(
            net,
            aim,
            train,
            batch_events=self.choose_batch_events(train),
            key=training.key,
            rows_for_epoch=training.rows_for_epoch,
            validation=_sample_users(
                training.validation, self.max_validation_users, rng.derive_key(training.key, "valid")
            ),
            auxiliary=items.auxiliary if items else None,
        )
        config = self._build_trainer_config(train, training, items.fingerprint if items else "")
        if training.callback is not None:
            config = replace(config, callback=_UserLossCallback(training.callback, config.steps, self._temperature))
        result = train_network(task, config)
        return TransformerRecommender(self, net, result.curve, result.facts)

    @classmethod
    def load(cls, folder: Path) -> TransformerRecommender:
        """Loads what `save` wrote. Raises DataError if the folder has no such recommender."""
        from leaven.nn.checkpoint import load_tensors

        weights, metadata = load_tensors(folder / _WEIGHTS)
        net = cls(**metadata["config"]).build_network(metadata["n_items"], key=0, dropout=0.0)
        net.load_state_dict(weights)
        log = json.loads((folder / _TRAINING_LOG).read_text())
        return TransformerRecommender(cls(**metadata["config"]), net.eval(), log["curve"], log["facts"])

    def build_network(
        self, n_items: int, key: int, dropout: float, items: FusedItemTable | None = None
    ) -> SequenceEncoder:
        """Builds an untrained network; items: another table of item vectors."""
        import torch

        from leaven.nn.sequence_encoder import EncoderShape, SequenceEncoder

        shape = EncoderShape(
            n_items=n_items,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            feedforward_width=4 * self.width,
            max_length=self.max_length,
            dropout=dropout,
        )
        return SequenceEncoder(shape, torch.Generator().manual_seed(key), items)

    @property
    def _temperature(self) -> float | None:
        return None if self.loss == "binary" else self.temperature

    def _build_trainer_config(self, train: Histories, training: TrainingContext, fingerprint: str) -> TrainerConfig:
        """Builds the configuration of the training loop; with `TrainingContext.steps`, early stopping is off."""
        from leaven.nn.training import TrainerConfig

        steps = training.steps or self.steps(train)
        inputs = (
            json.dumps([asdict(self), training.key, steps, len(train), train.n_events, train.n_items]) + fingerprint
        )
        return TrainerConfig(
            key=training.key,
            steps=steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warm_up_steps=self.warm_up_steps,
            largest_tensor=self.choose_batch_events(train) * 4 * self.width,
            validate_every=max(steps // self.n_validations, 1),
            patience=self.patience if training.steps is None else None,
            device=self.device,
            precision=self.precision,
            fingerprint=hashlib.blake2b(inputs.encode(), digest_size=8).hexdigest(),
            checkpoint_folder=training.checkpoint_folder,
            on_progress=training.on_progress,
        )


@dataclass(frozen=True, eq=False)
class _UserLossCallback:
    """Passes the losses of the validation users to a training callback."""

    watch: TrainingCallback
    steps: int
    temperature: float | None

    def on_validation(self, net: Any, step: int) -> CallbackAction:
        from leaven.nn.scoring import compute_user_losses

        assert isinstance(self.watch.validation_rows, HeldOut)
        return self.watch.on_validation(
            step, step / self.steps, compute_user_losses(net, self.watch.validation_rows, self.temperature)
        )

    def state_dict(self) -> dict[str, object]:
        return self.watch.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.watch.load_state_dict(state)


@dataclass(frozen=True, eq=False)
class TransformerRecommender:
    """A trained transformer. facts: seconds, steps, targets, peak_mb, stopped."""

    config: Transformer
    network: SequenceEncoder
    curve: Sequence[Mapping[str, float]]
    facts: Mapping[str, object]

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k best items for each history; scores are cosines, or dot products with the binary loss.

        Raises SpecError for k below 1; DataError for histories over another catalog.
        """
        from leaven.nn.device import resolve_device
        from leaven.nn.scoring import rank_items

        n_items = self.network.shape.n_items
        if k < 1:
            raise SpecError("recommend", "a list of 1 item or more", f"k = {k}", "")
        if histories.n_items != n_items:
            raise DataError("histories", f"ids of a catalog of {n_items} items", f"{histories.n_items} items", "")
        device = resolve_device(self.config.device)
        is_there = self.network.counts.device.type == device  # `to` visits every module, even for nothing
        net = self.network if is_there else self.network.to(device)
        excluded = None if allow_repeats else histories
        items, scores = rank_items(net, histories, k, excluded, self.config.loss != "binary", self._item_vectors)
        return RankedItems(items, scores)

    @cached_property
    def _item_vectors(self) -> Tensor:
        """Item vectors as columns, (width, items): computed once, because a trained network does not change."""
        from leaven.nn.scoring import transpose_vectors

        return transpose_vectors(self.network, self.config.loss != "binary")

    def save(self, folder: Path) -> None:
        """Saves weights and config in one file (equal weights give equal bytes), the training log in another."""
        from leaven.nn.checkpoint import save_tensors

        save_tensors(
            folder / _WEIGHTS,
            self.network.state_dict(),
            {"config": asdict(self.config), "n_items": self.network.shape.n_items},
        )
        self.save_training_log(folder)

    def save_training_log(self, folder: Path) -> None:
        """Saves curve and facts."""
        replace_text(folder / _TRAINING_LOG, json.dumps({"curve": list(self.curve), "facts": dict(self.facts)}))


def _select_real(train: Histories) -> Histories:
    """Returns the real rows, or all rows if there are none."""
    return train.select_real() if train.is_real.any() else train


def _count_targets(train: Histories) -> int:
    return int(np.minimum(train.n_targets, np.maximum(train.lengths - 1, 0)).sum())


def _count_items(train: Histories) -> npt.NDArray[np.int64]:
    return np.bincount(train.items[train.items <= train.n_items] - 1, minlength=train.n_items)


def _sample_users(users: HeldOut | None, max_users: int, key: int) -> HeldOut | None:
    if users is None or len(users) <= max_users:
        return users
    sample = np.argsort(rng.derive_row_keys(key, users.histories.row_ids), kind="stable")[:max_users]
    return users.take(np.sort(sample))
