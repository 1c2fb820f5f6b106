"""Config fields and fitted form of generators that decode from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import FitError, MissingExtra
from leaven.generators.sequence.sequence_scaffold import (
    AnyPlacement,
    FieldCheck,
    Placement,
    ScaffoldSampler,
    TargetRule,
    reverse_rows,
    validate_config,
)
from leaven.protocols import RngKeys

if TYPE_CHECKING:
    from leaven.generators.sequence.decoder import Decoder
    from leaven.generators.sequence.item_sampling import DecodingConfig
    from leaven.nn.sequence_encoder import EncoderShape


@dataclass(frozen=True, eq=False)
class FittedDecoder:
    """A trained decoder. curve: one record for each validation: step, loss, seconds, valid_log_likelihood (mean of an
    event).
    """

    kind: str
    config: DecoderGeneratorConfig
    net: Decoder
    decoding: DecodingConfig
    scaffolds: ScaffoldSampler
    curve: Sequence[Mapping[str, float]]

    def shift_logits(self, lift: npt.NDArray[np.float64]) -> FittedDecoder:
        """Returns the generator with item logits shifted by float64 (items,)."""
        return replace(self, decoding=replace(self.decoding, logit_offsets=self.decoding.logit_offsets + lift))

    def sample(self, keys: RngKeys, like: Histories | None = None) -> Histories:
        """Returns one row for each key. With `like`, unless `where` is alone: its rows extended, with their parents and
        weights.

        New items are on sale at their time, and no event is later than the last training event (with `before`:
        earlier than the first). Raises DataError where the number of keys differs from the number of rows.
        """
        import copy

        from leaven.generators.sequence.decoding import decode_rows

        frame = self.scaffolds.build_scaffold(self.config, keys, like)
        decode_rows(copy.deepcopy(self.net).double().eval(), self.decoding, frame)
        return self.scaffolds.build_histories(self.config, frame)

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): natural log-probability of each row's items given the times and the first item.

        `before` reads backwards: given the last item. First days of sale, repeats, temperature and truncation are
        ignored; masked events are inputs, never targets.
        """
        from leaven.generators.sequence.decoder import compute_event_log_likelihoods

        return compute_event_log_likelihoods(
            self.net, build_scoring_rows(self.scaffolds, rows), self.decoding.knots, self.config.max_length
        )

    def save(self, folder: Path) -> None:
        """Writes one safetensors file atomically."""
        from leaven.generators.sequence.serialization import GeneratorState, save_generator

        state = GeneratorState(self.config, self.net, self.decoding, self.scaffolds, self.curve)
        save_generator(folder / f"{self.kind}.safetensors", state, self.net.shape)


def build_scoring_rows(scaffolds: ScaffoldSampler, rows: Histories) -> Histories:
    """Returns rows as network inputs, every event a target except the first."""
    from leaven.generators.sequence.fitting import prepend_start_token

    read = prepend_start_token(reverse_rows(rows) if scaffolds.backwards else rows)
    return replace(read, n_targets=np.maximum(read.lengths - 2, 0).astype(np.int32))


def load_decoder(config_class: type[DecoderGeneratorConfig], kind: str, folder: Path) -> FittedDecoder:
    """Loads a generator that `FittedDecoder.save` wrote, without the catalog.

    Raises DataError where the folder holds no such file.
    """
    import torch

    from leaven.generators.sequence.decoder import Decoder
    from leaven.generators.sequence.serialization import load_generator

    def build(config: Any, shape: EncoderShape, knots: int) -> Decoder:
        return Decoder(shape, config.cell, knots, torch.ones(shape.n_items), torch.Generator())

    state = load_generator(config_class, folder / f"{kind}.safetensors", build)
    return FittedDecoder(kind, state.config, state.net, state.decoding, state.scaffolds, state.curve)


def check_training_data(kind: str, train: Histories) -> None:
    """Raises FitError for training rows without events; MissingExtra without torch."""
    if train.n_events == 0:
        raise FitError(kind, "at least one event to learn from", "none", "give it training rows")
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("torch", "torch") from None


@dataclass(frozen=True, kw_only=True)
class DecoderGeneratorConfig:
    """The fields of every generator with a sequence network.

    where, events_range, new_events_range, targets  see `sequence_scaffold.SequenceGeneratorConfig`
    temperature                     below 1 sharpens the item distribution, above 1 flattens it
    top_k, top_p                    sample among the `top_k` most probable items (0: all), or the smallest set of mass
                                    `top_p`
    width, layers, dropout, max_length  network size; max_length: maximum number of input events
    steps                           optimizer steps; None: 20 epochs with early stopping on validation rows
    batch_events                    events in one step
    match_popularity                whether logits are calibrated after training, so that generated rows match the item
                                    popularity of real ones (`popularity_calibration`)
    default_filters                 default filters of the generated rows
    """

    where: AnyPlacement = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    targets: TargetRule = "fitting"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    width: int = 64
    layers: int = 2
    dropout: float = 0.2
    max_length: int = 50
    steps: int | None = None
    learning_rate: float = 3e-3
    batch_events: int = 2_048
    device: str = "auto"
    match_popularity: bool = True
    default_filters: Sequence[str] = ("validity", "copies")

    def validate_fields(self, kind: str, own: Sequence[FieldCheck], where: Sequence[str] = get_args(Placement)) -> None:
        """Raises SpecError for the first invalid field, among `own` fields of the kind and the shared ones."""
        shared: list[FieldCheck] = [
            ("temperature", self.temperature > 0, "a number above 0"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "a share above 0, at most 1"),
            ("width", self.width >= 2, "2 or more"),
            ("layers", self.layers >= 1, "1 or more"),
            ("dropout", 0 <= self.dropout < 1, "a share below 1"),
            ("max_length", self.max_length >= 1, "1 or more"),
            ("steps", self.steps is None or self.steps >= 1, "1 or more"),
            ("learning_rate", self.learning_rate > 0, "a number above 0"),
            ("batch_events", self.batch_events >= 1, "1 or more"),
        ]
        validate_config(kind, self, [*own, *shared], where)


def check_heads(width: int, heads: int) -> list[FieldCheck]:
    """Returns the checks of an attention network."""
    return [("heads", heads >= 1, "1 or more"), ("width", width % max(heads, 1) == 0, "a multiple of heads")]
