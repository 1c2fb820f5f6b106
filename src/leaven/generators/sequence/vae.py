"""Variational autoencoder of histories.

An encoder maps a history to a distribution over a latent vector, a decoder generates histories given a latent vector;
new users draw theirs from the prior. Times follow the gap distribution of the Markov generator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError
from leaven.generators.sequence.decoder_config import DecoderGeneratorConfig, check_heads, check_training_data
from leaven.generators.sequence.fitted_decoder import build_scoring_rows
from leaven.generators.sequence.sequence_scaffold import Placement, ScaffoldSampler, reverse_rows
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import OperatorTraits, RngKeys

if TYPE_CHECKING:
    from torch import Tensor

    from leaven.generators.sequence.decoder import Decoder, DecoderBatch
    from leaven.generators.sequence.fitting import SequenceTrainingSplit
    from leaven.generators.sequence.item_sampling import DecodingConfig
    from leaven.generators.sequence.sequence_scaffold import Scaffold
    from leaven.generators.sequence.vae_net import LatentDecoder
    from leaven.nn.sequence_encoder import EncoderShape
    from leaven.nn.sequence_packing import Segments

Ints = npt.NDArray[np.int64]

_MAX_ITEMS = 20_000  # bounded by the full softmax of a training step


@dataclass(frozen=True, kw_only=True)
class Vae(DecoderGeneratorConfig):
    """Generates new rows, or extends real rows given their encoded latent vector, with a variational autoencoder.

    objective    likelihood: the evidence lower bound (Kingma and Welling, ICLR 2014, eq. 3); squared_error: KL
                 divergence plus the squared error of the item probabilities
    beta         weight of the KL divergence; it rises from 0 during the first `warm_up` share of the steps
    free_nats    KL of a dimension without cost, against posterior collapse (Kingma et al., 2016, C.8)
    latent       dimensions of the latent vector
    n_samples    latent draws for a row's log-likelihood, which is a lower bound
    cell, heads  see `Autoregressive`; other fields: see `DecoderGeneratorConfig`
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits(
        "vae", role="generator", reports_progress=True, accepts_like=True, has_default_filters=True
    )
    objective: Literal["likelihood", "squared_error"] = "likelihood"
    beta: float = 1.0
    warm_up: float = 0.3
    free_nats: float = 0.1
    latent: int = 16
    n_samples: int = 8
    cell: Literal["transformer", "gru"] = "gru"
    layers: int = 1
    where: Placement = "alone"
    heads: int = 2

    def __post_init__(self) -> None:
        own = [
            ("objective", self.objective in ("likelihood", "squared_error"), "likelihood or squared_error"),
            ("beta", self.beta >= 0, "0 or more"),
            ("warm_up", 0 <= self.warm_up <= 1, "a share of the steps in 0..1"),
            ("free_nats", self.free_nats >= 0, "0 or more"),
            ("latent", self.latent >= 1, "1 or more"),
            ("n_samples", self.n_samples >= 1, "1 or more"),
            ("cell", self.cell in ("transformer", "gru"), "transformer or gru"),
        ]
        self.validate_fields("vae", [*own, *check_heads(self.width, self.heads)])

    def fit(self, train: Histories, key: int, on_progress: ProgressCallback = no_progress) -> FittedVae:
        """Trains encoder and decoder. All random draws derive from `key`.

        Raises FitError for rows without events, more than 20,000 items, or a non-finite loss; MissingExtra without
        torch.
        """
        check_training_data("vae", train)
        if train.n_items > _MAX_ITEMS:
            fix = "drop rare items, or use the autoregressive generator"
            raise FitError("vae", f"at most {_MAX_ITEMS:,} items", f"{train.n_items:,}", fix)
        from leaven.generators.sequence.fitting import (
            build_decoder,
            build_decoding_config,
            build_trainer_config,
            build_training_split,
        )
        from leaven.generators.sequence.popularity_calibration import calibrate_popularity
        from leaven.generators.sequence.vae_net import HistoryVaeTask, VaeObjective
        from leaven.nn import training

        scaffolds = ScaffoldSampler.from_training_rows(train, self)
        ground = build_training_split(reverse_rows(train) if scaffolds.backwards else train, key)
        net = _build_net(self, build_decoder(self, ground, key), key)
        course = build_trainer_config(self, ground, key, on_progress)
        aim = VaeObjective(self.objective, self.beta, self.warm_up, self.free_nats)
        task = HistoryVaeTask(
            net, aim, ground, self.max_length, self.batch_events, course.steps, rng.derive_key(key, "rows")
        )
        curve = training.train_network(task, course).curve
        decoding = build_decoding_config(self, train, ground, _calibrate_repeats(net, ground, self.max_length))
        return calibrate_popularity(FittedVae(self, net, decoding, scaffolds, curve), train, key, on_progress)

    @staticmethod
    def load(folder: Path) -> FittedVae:
        """Loads a generator that `FittedVae.save` wrote, without the catalog.

        Raises DataError where the folder holds no such file.
        """
        import torch

        from leaven.generators.sequence.decoder import Decoder
        from leaven.generators.sequence.serialization import load_generator

        def build(config: Vae, shape: EncoderShape, knots: int) -> LatentDecoder:
            decoder = Decoder(shape, config.cell, knots, torch.ones(shape.n_items), torch.Generator())
            return _build_net(config, decoder, 0)

        state = load_generator(Vae, folder / "vae.safetensors", build)
        return FittedVae(state.config, state.net, state.decoding, state.scaffolds, state.curve)


def _build_net(config: Vae, decoder: Decoder, key: int) -> LatentDecoder:
    import torch

    from leaven.generators.sequence.vae_net import LatentDecoder

    return LatentDecoder(decoder, config.latent, torch.Generator().manual_seed(rng.derive_key(key, "reader")))


@dataclass(frozen=True, eq=False)
class FittedVae:
    """A trained autoencoder. curve: one record for each validation: step, loss, seconds, valid_log_likelihood (mean of
    an event).
    """

    config: Vae
    net: LatentDecoder
    decoding: DecodingConfig
    scaffolds: ScaffoldSampler
    curve: Sequence[Mapping[str, float]]

    def shift_logits(self, lift: npt.NDArray[np.float64]) -> FittedVae:
        """Returns the generator with item logits shifted by float64 (items,)."""
        return replace(self, decoding=replace(self.decoding, logit_offsets=self.decoding.logit_offsets + lift))

    def sample(self, keys: RngKeys, like: Histories | None = None) -> Histories:
        """Returns one row for each key, from a latent vector of the prior. With `like`, unless `where` is alone: its
        rows extended, with their parents and weights, from latent vectors of the encoder's posterior.

        New items are on sale at their time, and no event is later than the last training event (with `before`:
        earlier than the first). Raises DataError where the number of keys differs from the number of rows.
        """
        import copy

        from leaven.generators.sequence.decoding import decode_rows

        frame = self.scaffolds.build_scaffold(self.config, keys, like)
        net = copy.deepcopy(self.net).double().eval()
        import torch

        from leaven.generators.sequence.vae_net import draw_normals

        drawn = torch.from_numpy(draw_normals(rng.mix_bits(rng.mix_bits(frame.keys)), net.latent))
        with torch.inference_mode():
            for rows, items in _iterate_known_events(frame, self.config.max_length, net.decoder.shape.n_items + 1):
                mean, log_variance = net.encode_history(torch.from_numpy(items))
                drawn[rows] = mean + drawn[rows] * (0.5 * log_variance).exp()
            latent: Tensor = net.tastes(drawn)
        decode_rows(net.decoder, self.decoding, frame, latent)
        return self.scaffolds.build_histories(self.config, frame)

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): a lower bound of the natural log-probability of each row's items, given the
        times and the first item: an average over `n_samples` latent draws, which derive from the row's key.

        `before` reads backwards: given the last item. First days of sale, repeats, temperature and truncation are
        ignored; masked events are inputs, never targets.
        """
        from leaven.generators.sequence.vae_net import compute_bounds

        read = build_scoring_rows(self.scaffolds, rows)
        return compute_bounds(self.net, read, self.decoding.knots, self.config.max_length, self.config.n_samples)

    def save(self, folder: Path) -> None:
        """Writes vae.safetensors atomically."""
        from leaven.generators.sequence.serialization import GeneratorState, save_generator

        state = GeneratorState(self.config, self.net, self.decoding, self.scaffolds, self.curve)
        save_generator(folder / "vae.safetensors", state, self.net.decoder.shape)


def _calibrate_repeats(net: LatentDecoder, ground: SequenceTrainingSplit, length: int) -> float:
    """Returns `fitting.calibrate_repeats`, with each row decoded from its posterior mean."""
    import torch

    from leaven.generators.sequence.fitting import calibrate_repeats
    from leaven.generators.sequence.vae_net import build_latent_batch

    def compute_states(stretches: Segments, batch: DecoderBatch) -> Tensor:
        states: Tensor = net(build_latent_batch(stretches, ground.knots), torch.zeros(len(stretches), net.latent))[0]
        return states

    return calibrate_repeats(net.decoder, ground, length, compute_states)


def _iterate_known_events(frame: Scaffold, length: int, start_id: int) -> Iterator[tuple[Ints, Ints]]:
    """Yields row indices, and int64 (rows, positions): the last known items of these rows, 512 rows at a time."""
    order = np.argsort(frame.n_known, kind="stable")
    order = order[frame.n_known[order] > 0]
    for first in range(0, len(order), 512):
        rows = order[first : first + 512]
        given = frame.n_known[rows][:, None]
        number = given - 1 - np.arange(min(int(given.max()), length), -1, -1)  # -1: the start id
        items = frame.items[np.maximum(frame.starts[rows][:, None] + number, 0)].astype(np.int64)
        yield rows, np.where(number >= 0, items, np.where(number == -1, start_id, 0))
