"""Masked denoising generator of histories.

A bidirectional network predicts masked events: it generates new rows, extends real ones at either end, or inserts and
replaces events. Times are drawn first, from the gap distribution of the Markov generator without categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.generators.sequence.decoder_config import DecoderGeneratorConfig, check_heads, check_training_data
from leaven.generators.sequence.sequence_scaffold import AnyPlacement, Scaffold, ScaffoldSampler, reverse_rows
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import OperatorTraits, RngKeys

if TYPE_CHECKING:
    from torch import Tensor

    from leaven.generators.sequence.item_sampling import DecodingConfig
    from leaven.generators.sequence.masked_model import MaskedModel as Net
    from leaven.nn.sequence_encoder import EncoderShape


@dataclass(frozen=True, kw_only=True)
class Denoiser(DecoderGeneratorConfig):
    """Generates new rows, or real rows with events added or replaced, with a bidirectional masked network.

    where          alone, after, before; between: insert `new_events_range` events between real ones; instead: replace a
                   share of the real events, at their times
    replace_share  share of a row's events that `instead` replaces, at least one
    max_passes     maximum network passes for a row: with more open events, several are drawn in one pass
    other fields: see `DecoderGeneratorConfig`
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits(
        "denoiser", role="generator", reports_progress=True, accepts_like=True, has_default_filters=True
    )
    replace_share: float = 0.2
    max_passes: int = 16
    heads: int = 2

    def __post_init__(self) -> None:
        own = [
            ("replace_share", 0 < self.replace_share <= 1, "a share above 0, at most 1"),
            ("max_passes", self.max_passes >= 1, "1 or more"),
        ]
        self.validate_fields("denoiser", [*own, *check_heads(self.width, self.heads)], get_args(AnyPlacement))

    def fit(self, train: Histories, key: int, on_progress: ProgressCallback = no_progress) -> FittedDenoiser:
        """Trains the network. All random draws derive from `key`.

        Raises FitError for rows without events or a non-finite loss; MissingExtra without torch.
        """
        check_training_data("denoiser", train)
        from leaven.generators.sequence.event_timing import compute_time_quantiles
        from leaven.generators.sequence.fitting import (
            build_decoding_config,
            build_network_shape,
            build_trainer_config,
            build_training_split,
        )
        from leaven.generators.sequence.masked_model import MaskedItemTask, calibrate_masked_repeats
        from leaven.generators.sequence.popularity_calibration import calibrate_popularity
        from leaven.nn import training

        scaffolds = ScaffoldSampler.from_training_rows(train, self)
        scaffolds = (
            replace(scaffolds, time_quantiles=compute_time_quantiles(train)) if self.where == "between" else scaffolds
        )
        ground = build_training_split(reverse_rows(train) if scaffolds.backwards else train, key)
        net = _build_net(
            build_network_shape(self, train.n_items),
            len(ground.knots),
            ground.item_counts,
            rng.derive_key(key, "weights"),
        )
        task = MaskedItemTask(net, ground, self.max_length, self.batch_events, rng.derive_key(key, "rows"))
        curve = training.train_network(task, build_trainer_config(self, ground, key, on_progress)).curve
        repeats = calibrate_masked_repeats(net, ground, self.max_length, rng.derive_key(key, "repeats"))
        decoding = build_decoding_config(self, train, ground, repeats, by_category=False)
        return calibrate_popularity(FittedDenoiser(self, net, decoding, scaffolds, curve), train, key, on_progress)

    @staticmethod
    def load(folder: Path) -> FittedDenoiser:
        """Loads a generator that `FittedDenoiser.save` wrote, without the catalog.

        Raises DataError where the folder holds no such file.
        """
        import torch

        from leaven.generators.sequence.serialization import load_generator

        def build(config: Denoiser, shape: EncoderShape, knots: int) -> Net:
            return _build_net(shape, knots, torch.ones(shape.n_items), 0)

        state = load_generator(Denoiser, folder / "denoiser.safetensors", build)
        return FittedDenoiser(state.config, state.net, state.decoding, state.scaffolds, state.curve)


def _build_net(shape: EncoderShape, knots: int, counts: Tensor, key: int) -> Net:
    import torch

    from leaven.generators.sequence.masked_model import MaskedModel as Net

    return Net(shape, knots, counts, torch.Generator().manual_seed(key))


@dataclass(frozen=True, eq=False)
class FittedDenoiser:
    """A trained network. curve: one record for each validation: step, loss, seconds, valid_log_likelihood (mean of an
    event).
    """

    config: Denoiser
    net: Net
    decoding: DecodingConfig
    scaffolds: ScaffoldSampler
    curve: Sequence[Mapping[str, float]]

    def shift_logits(self, lift: npt.NDArray[np.float64]) -> FittedDenoiser:
        """Returns the generator with item logits shifted by float64 (items,)."""
        return replace(self, decoding=replace(self.decoding, logit_offsets=self.decoding.logit_offsets + lift))

    def sample(self, keys: RngKeys, like: Histories | None = None) -> Histories:
        """Returns one row for each key. With `like`, unless `where` is alone: its rows with new events, with their
        parents and weights.

        New items are on sale at their time, and no event is later than the last training event (with `before`:
        earlier than the first). Raises DataError where the number of keys differs from the number of rows.
        """
        import copy

        from leaven.generators.sequence.masked_model import fill_masked_events

        frame = self._build_scaffold(np.asarray(keys, np.uint64), like)
        fill_masked_events(copy.deepcopy(self.net).double().eval(), self.decoding, frame, self.config.max_passes)
        return self.scaffolds.build_histories(self.config, frame)

    def _build_scaffold(self, keys: RngKeys, like: Histories | None) -> Scaffold:
        from leaven.generators.sequence.event_timing import insert_events, replace_events

        if like is None or self.config.where not in ("between", "instead"):
            return self.scaffolds.build_scaffold(self.config, keys, like)
        if len(like) != len(keys):
            raise DataError("generator.sample", f"{len(like)} keys, one a row", f"{len(keys)}", "")
        if self.config.where == "instead":
            frame = replace_events(keys, like, self.config.replace_share)
        else:
            frame = insert_events(keys, like, self.config.new_events_range, self.scaffolds.time_quantiles)
        empty = np.repeat(like.lengths == 0, np.diff(frame.starts))
        frame.times[empty] = self.scaffolds.starts_and_lengths[len(self.scaffolds.starts_and_lengths) // 2, 0]
        return frame

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): natural log-probability of each row's items given the times and the first item, each
        item predicted from those before it, comparable with other generators.

        `before` reads backwards: given the last item. First days of sale, repeats, temperature and truncation are
        ignored; masked events are left out.
        """
        return self._compute_log_likelihoods(rows, left_to_right=True)

    def pseudo_log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): sum of the log-probabilities of each item given all others of the row and the times,
        without the first item (Salazar et al., ACL 2020). Not a log-probability of the row, and not comparable with
        `log_likelihood`.
        """
        return self._compute_log_likelihoods(rows, left_to_right=False)

    def _compute_log_likelihoods(self, rows: Histories, left_to_right: bool) -> npt.NDArray[np.float64]:
        from leaven.generators.sequence.fitting import prepend_start_token
        from leaven.generators.sequence.masked_model import compute_masked_log_likelihoods

        read = prepend_start_token(reverse_rows(rows) if self.scaffolds.backwards else rows)
        return compute_masked_log_likelihoods(
            self.net, read, self.decoding.knots, self.config.max_length, left_to_right
        )

    def save(self, folder: Path) -> None:
        """Writes denoiser.safetensors atomically."""
        from leaven.generators.sequence.serialization import GeneratorState, save_generator

        state = GeneratorState(self.config, self.net, self.decoding, self.scaffolds, self.curve)
        save_generator(folder / "denoiser.safetensors", state, self.net.shape)
