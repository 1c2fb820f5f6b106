"""Fitted form of generators that decode from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.generators.sequence.decoder_config import DecoderGeneratorConfig
from leaven.generators.sequence.sequence_scaffold import (
    ScaffoldSampler,
    reverse_rows,
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
