"""Training of sequence generators: data split, training settings, and decoding parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from leaven import rng
from leaven.datasets.histories import Histories, compute_offsets
from leaven.generators.sequence.decoder import Decoder, DecoderBatch, NextEventTask, build_decoder_batch
from leaven.generators.sequence.decoder_config import DecoderGeneratorConfig
from leaven.generators.sequence.item_sampling import DecodingConfig
from leaven.kernels.inter_event_times import compact_categories, fit_gap_model
from leaven.kernels.time_popularity import NEVER_ON_SALE, find_first_sale_times
from leaven.nn import sequence_packing, training
from leaven.nn.sequence_encoder import EncoderShape
from leaven.nn.sequence_packing import Segments
from leaven.progress import ProgressCallback, no_progress

Ints = npt.NDArray[np.int64]
Curve = list[dict[str, float]]
States = Callable[[Segments, DecoderBatch], torch.Tensor]

_KNOTS = 32
_MAX_VALIDATION_ROWS = 2_000
_MIN_ROWS = 200  # below, all rows train and none validate
_EPOCHS = 20
_MIN_STEPS, _MAX_STEPS = 200, 40_000
_N_VALIDATIONS = 20
_PATIENCE = 4


class NetworkSize(Protocol):
    """Config fields of the network size."""

    @property
    def width(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def dropout(self) -> float: ...
    @property
    def max_length(self) -> int: ...


class TrainingSettings(Protocol):
    """Config fields of the training."""

    @property
    def steps(self) -> int | None: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch_events(self) -> int: ...
    @property
    def device(self) -> str: ...


class DecoderSettings(NetworkSize, TrainingSettings, Protocol):
    """Config fields of a decoder generator."""

    @property
    def cell(self) -> str: ...


@dataclass(frozen=True, eq=False)
class SequenceTrainingSplit:
    """Training and validation rows, without masked events, each starting with the mask id.

    rows             all rows as given, reversed for backward generation
    validation_rows  a few rows for early stopping; empty for small logs
    knots            int64 (knots,): times between which time embeddings are interpolated
    """

    rows: Histories
    train_rows: Histories
    validation_rows: Histories
    knots: Ints

    @property
    def calibration_rows(self) -> Histories:
        """The validation rows, or some training rows if there are none."""
        return (
            self.validation_rows
            if len(self.validation_rows)
            else self.train_rows.slice(0, min(len(self.train_rows), _MAX_VALIDATION_ROWS))
        )

    @property
    def item_counts(self) -> torch.Tensor:
        """float32 (items,): number of events of each item."""
        counts = np.bincount(self.rows.items, minlength=self.rows.n_items + 2)[1 : self.rows.n_items + 1]
        return torch.from_numpy(counts.astype(np.float32))


def build_training_split(rows: Histories, key: int) -> SequenceTrainingSplit:
    """Splits rows into training and validation rows by their keys."""
    drawn = rng.draw_uniform(rng.derive_row_keys(rng.derive_key(key, "judges"), rows.row_ids), 0)
    share = min(0.05, _MAX_VALIDATION_ROWS / max(len(rows), 1)) if len(rows) >= _MIN_ROWS else 0.0
    is_validation = drawn < share
    knots = np.unique(np.quantile(rows.times, np.linspace(0, 1, _KNOTS), method="inverted_cdf")).astype(np.int64)
    return SequenceTrainingSplit(
        rows, prepend_start_token(rows.take(~is_validation)), prepend_start_token(rows.take(is_validation)), knots
    )


def build_network_shape(config: NetworkSize, n_items: int) -> EncoderShape:
    """Returns the shape of a config's network."""
    return EncoderShape(
        n_items, config.width, config.layers, config.heads, 4 * config.width, config.max_length, config.dropout
    )


def build_trainer_config(
    config: TrainingSettings, ground: SequenceTrainingSplit, key: int, on_progress: ProgressCallback = no_progress
) -> training.TrainerConfig:
    """Returns the trainer config: 20 epochs, with early stopping on the validation log-likelihood."""
    targets = int(ground.train_rows.n_targets.sum())
    steps = config.steps or int(np.clip(_EPOCHS * targets / config.batch_events, _MIN_STEPS, _MAX_STEPS))
    return training.TrainerConfig(
        key=rng.derive_key(key, "training"),
        steps=steps,
        learning_rate=config.learning_rate,
        score_name=training.ScoreName("valid_log_likelihood", "valid log likelihood of an event"),
        validate_every=max(steps // _N_VALIDATIONS, 1),
        patience=_PATIENCE,
        device=config.device,
        precision="32-true",
        on_progress=on_progress,
    )


def build_decoder(config: DecoderSettings, ground: SequenceTrainingSplit, key: int) -> Decoder:
    """Returns an untrained decoder."""
    generator = torch.Generator().manual_seed(rng.derive_key(key, "weights"))
    shape = build_network_shape(config, ground.rows.n_items)
    return Decoder(shape, config.cell, len(ground.knots), ground.item_counts, generator)


def train_decoder(
    config: DecoderSettings, ground: SequenceTrainingSplit, key: int, on_progress: ProgressCallback = no_progress
) -> tuple[Decoder, Curve]:
    """Returns a decoder trained on the likelihood of each next item, and its training curve."""
    net = build_decoder(config, ground, key)
    row_key = rng.derive_key(key, "rows")
    task = NextEventTask(
        net, ground.train_rows, ground.validation_rows, ground.knots, config.max_length, config.batch_events, row_key
    )
    return net, training.train_network(task, build_trainer_config(config, ground, key, on_progress)).curve


def build_decoding_config(
    config: DecoderGeneratorConfig,
    train: Histories,
    ground: SequenceTrainingSplit,
    keep_seen: float,
    by_category: bool = True,
) -> DecodingConfig:
    """Returns the decoding parameters of a config's net; `ground.rows` are `train`, or `train` reversed."""
    category = train.catalog.category if train.catalog is not None and by_category else None
    codes = compact_categories(category, train.items, train.n_items)
    rows = ground.rows
    clock = fit_gap_model(rows.items, rows.times, rows.starts, codes, -1 if rows is not train else 1)
    stated = train.catalog.first_sale_times if train.catalog is not None else None
    born = find_first_sale_times(train.items, train.times, train.n_items, stated)
    return DecodingConfig(
        clock=clock,
        first_sale_times=np.where(np.bincount(train.items, minlength=len(born)) > 0, born, NEVER_ON_SALE),
        knots=ground.knots,
        repeat_factor=keep_seen,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        max_length=config.max_length,
        logit_offsets=np.zeros(train.n_items),
    )


def prepend_start_token(rows: Histories) -> Histories:
    """Returns the rows without masked events, each with the mask id in front: the first item is then a target too."""
    kept = np.flatnonzero(rows.items <= rows.n_items)
    row = rows.event_rows()[kept]
    lengths = np.bincount(row, minlength=len(rows)) + 1
    starts = compute_offsets(lengths)
    items, times = np.full(starts[-1], rows.mask_id, np.int32), np.zeros(starts[-1], np.int64)
    position = np.arange(len(kept)) + row + 1
    items[position], times[position] = rows.items[kept], rows.times[kept]
    return replace(rows, starts=starts, items=items, times=times, n_targets=(lengths - 1).astype(np.int32), extra={})


@torch.inference_mode()
def calibrate_repeats(net: Decoder, ground: SequenceTrainingSplit, length: int, states: States | None = None) -> float:
    """Returns the factor on the probability of repeated items that makes repeats as frequent as in real rows.

    states: returns the states of a batch's targets; None: `net(batch)`.
    """
    rows = ground.calibration_rows
    stretches, vectors = sequence_packing.build_training_segments(rows, length), net.build_item_weights()
    counter = RepeatCounter()
    step = max(4_000_000 // (net.shape.n_items * length), 1)
    for first in range(0, min(len(stretches), 20 * step), step):
        part = stretches.take(np.arange(first, min(first + step, len(stretches))))
        batch = build_decoder_batch(part, ground.knots)
        target_states = net(batch) if states is None else states(part, batch)
        shares = torch.softmax(target_states @ vectors[:, :-1].T + vectors[:, -1], dim=1)
        held = torch.cat([_mark_held_items(inputs, net.shape.n_items)[is_target] for inputs, is_target in batch.groups])
        counter.add_batch(shares, held, batch.targets)
    return counter.repeat_factor


@dataclass
class RepeatCounter:
    """Counts repeated items in real rows, and the number that a net expects."""

    real: float = 0.0
    expected: float = 0.0
    targets: int = 0

    def add_batch(self, shares: torch.Tensor, held: torch.Tensor, targets: torch.Tensor) -> None:
        """Adds a batch: shares float32 (targets, items), predicted; held, 1 for items in the row; targets from 1."""
        self.expected += float((shares * held).sum())
        self.real += float(held.gather(1, targets[:, None] - 1).sum())
        self.targets += len(targets)

    @property
    def repeat_factor(self) -> float:
        """Factor on the probability of held items, at most 1."""
        real, expected = self.real / max(self.targets, 1), self.expected / max(self.targets, 1)
        if real >= 0.9 * expected or real >= 1.0:
            return 1.0
        return real * (1 - expected) / (expected * (1 - real))


def _mark_held_items(inputs: torch.Tensor, n_items: int) -> torch.Tensor:
    """Returns float32 (rows, positions, items): 1 where a row holds an item at this position or before."""
    is_item = torch.zeros((*inputs.shape, n_items + 2))
    is_item.scatter_(2, inputs[:, :, None], 1.0)
    return is_item.cumsum(1).clamp_(max=1.0)[:, :, 1 : n_items + 1]
