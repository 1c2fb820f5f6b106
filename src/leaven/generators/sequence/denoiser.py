"""Masked denoising generator of histories.

A bidirectional network predicts masked events: it generates new rows, extends real ones at either end, or inserts and
replaces events. Times are drawn first, from the gap distribution of the Markov generator without categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.generators.sequence.fitted_decoder import OfNet, of_heads, ready
from leaven.generators.sequence.sequence_scaffold import Anywhere, Frame, Frames, mirrored
from leaven.progress import Tell, quiet
from leaven.protocols import Keys

if TYPE_CHECKING:
    from torch import Tensor

    from leaven.generators.sequence.item_sampling import Pen
    from leaven.generators.sequence.masked_model import Denoiser as Net
    from leaven.nn.sequence_encoder import Shape


@dataclass(frozen=True, kw_only=True)
class Denoiser(OfNet):
    """Generates new rows, or real rows with events added or replaced, with a bidirectional masked network.

    where    alone, after, before; between: insert `new_events_range` events between real ones; instead: replace a
             share of the real events, at their times
    share    share of a row's events that `instead` replaces, at least one
    looks    maximum network passes for a row: with more open events, several are drawn in one pass
    other fields: see `DecoderGeneratorConfig`
    """

    share: float = 0.2
    looks: int = 16
    heads: int = 2

    def __post_init__(self) -> None:
        own = [
            ("replace_share", self.share, 0 < self.share <= 1, "a share above 0, at most 1"),
            ("max_passes", self.looks, self.looks >= 1, "1 or more"),
        ]
        self.check("denoiser", [*own, *of_heads(self.width, self.heads)], get_args(Anywhere))

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> FittedDenoiser:
        """Trains the network. All random draws derive from `key`.

        Raises FitError for rows without events or a non-finite loss; MissingExtra without torch.
        """
        ready("denoiser", train)
        from leaven.generators.sequence.fitting import course_of, ground_of, pen_of, shape_of
        from leaven.generators.sequence.infilling import inside_law
        from leaven.generators.sequence.masked_model import Restoring, repeats_by
        from leaven.generators.sequence.popularity_calibration import as_popular
        from leaven.nn import training

        frames = Frames.of(train, self)
        frames = replace(frames, inside_law=inside_law(train)) if self.where == "between" else frames
        ground = ground_of(mirrored(train) if frames.backwards else train, key)
        net = _build_net(shape_of(self, train.n_items), len(ground.knots), ground.counts, rng.key(key, "weights"))
        task = Restoring(net, ground, self.length, self.batch_events, rng.key(key, "rows"))
        curve = training.train(task, course_of(self, ground, key, tell)).curve
        repeats = repeats_by(net, ground, self.length, rng.key(key, "repeats"))
        pen = pen_of(self, train, ground, repeats, by_category=False)
        return as_popular(FittedDenoiser(self, net, pen, frames, curve), train, key, tell)

    @staticmethod
    def load(folder: Path) -> FittedDenoiser:
        """Loads a generator that `FittedDenoiser.save` wrote, without the catalog.

        Raises DataError where the folder holds no such file.
        """
        import torch

        from leaven.generators.sequence.serialization import restored

        def build(config: Denoiser, shape: Shape, knots: int) -> Net:
            return _build_net(shape, knots, torch.ones(shape.n_items), 0)

        state = restored(Denoiser, folder / "denoiser.safetensors", build)
        return FittedDenoiser(state.config, state.net, state.pen, state.frames, state.curve)


def _build_net(shape: Shape, knots: int, counts: Tensor, key: int) -> Net:
    import torch

    from leaven.generators.sequence.masked_model import Denoiser as Net

    return Net(shape, knots, counts, torch.Generator().manual_seed(key))


@dataclass(frozen=True, eq=False)
class FittedDenoiser:
    """A trained network. curve: one record for each validation: step, loss, seconds, valid_log_likelihood (mean of an
    event).
    """

    config: Denoiser
    net: Net
    pen: Pen
    frames: Frames
    curve: Sequence[Mapping[str, float]]

    def lifted(self, lift: npt.NDArray[np.float64]) -> FittedDenoiser:
        """Returns the generator with item logits shifted by float64 (items,)."""
        return replace(self, pen=replace(self.pen, lift=self.pen.lift + lift))

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """Returns one row for each key. With `like`, unless `where` is alone: its rows with new events, with their
        parents and weights.

        New items are on sale at their time, and no event is later than the last training event (with `before`:
        earlier than the first). Raises DataError where the number of keys differs from the number of rows.
        """
        import copy

        from leaven.generators.sequence.masked_model import fill

        frame = self._build_scaffold(np.asarray(keys, np.uint64), like)
        fill(copy.deepcopy(self.net).double().eval(), self.pen, frame, self.config.looks)
        return self.frames.finish(self.config, frame)

    def _build_scaffold(self, keys: Keys, like: Histories | None) -> Frame:
        from leaven.generators.sequence.infilling import among, in_place_of

        if like is None or self.config.where not in ("between", "instead"):
            return self.frames.begin(self.config, keys, like)
        if len(like) != len(keys):
            raise DataError("generator.sample", f"{len(like)} keys, one a row", f"{len(keys)}", "")
        if self.config.where == "instead":
            frame = in_place_of(keys, like, self.config.share)
        else:
            frame = among(keys, like, self.config.new_events_range, self.frames.inside_law)
        empty = np.repeat(like.lengths == 0, np.diff(frame.starts))
        frame.times[empty] = self.frames.first_law[len(self.frames.first_law) // 2, 0]
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
        from leaven.generators.sequence.fitting import begun
        from leaven.generators.sequence.masked_model import said

        read = begun(mirrored(rows) if self.frames.backwards else rows)
        return said(self.net, read, self.pen.knots, self.config.length, left_to_right)

    def save(self, folder: Path) -> None:
        """Writes denoiser.safetensors atomically."""
        from leaven.generators.sequence.serialization import GeneratorState, keep

        state = GeneratorState(self.config, self.net, self.pen, self.frames, self.curve)
        keep(folder / "denoiser.safetensors", state, self.net.shape)
