"""What could stand here instead, given what stands before and behind?

A net that says hidden events from those on both sides: it writes new rows, in front of real ones, behind them, between
their events, or in place of some. Times come first, from the Markov chain's law of gaps without categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.generators.sequence.fitted_decoder import OfNet, Penned, of_heads, ready
from leaven.generators.sequence.sequence_scaffold import Anywhere, Frame, Frames, mirrored
from leaven.progress import Tell, quiet
from leaven.protocols import Keys

if TYPE_CHECKING:
    from leaven.generators.sequence.item_sampling import Pen
    from leaven.generators.sequence.masked_model import Denoiser as Net


@dataclass(frozen=True, kw_only=True)
class Denoiser(OfNet):
    """New rows, or real rows with events added or replaced, by a masked net that looks both ways.

    where    alone, after, before; between: `new_events_range` events between real ones; instead: a share of the real
             events forgotten and drawn again, at their times
    share    of a row's events that `instead` draws anew, at least one
    looks    most times that the net looks at a row: one of more open events has several drawn from one look
    other fields as of `OfNet`
    """

    share: float = 0.2
    looks: int = 16
    heads: int = 2

    def __post_init__(self) -> None:
        own = [("share", 0 < self.share <= 1, "a share above 0, at most 1"), ("looks", self.looks >= 1, "1 or more")]
        self.check("denoiser", [*own, *of_heads(self.width, self.heads)], get_args(Anywhere))

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> FittedDenoiser:
        """Train the net. Every draw of the training follows from `key`.

        Raises FitError where there is no event, or the loss is no finite number; MissingExtra without torch.
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
        net = _net(shape_of(self, train.n_items), len(ground.knots), ground.counts, rng.key(key, "weights"))
        task = Restoring(net, ground, self.length, self.batch_events, rng.key(key, "rows"))
        curve = training.train(task, course_of(self, ground, key, tell)).curve
        repeats = repeats_by(net, ground, self.length, rng.key(key, "repeats"))
        pen = pen_of(self, train, ground, repeats, by_category=False)
        return as_popular(FittedDenoiser(self, net, pen, frames, curve), train, key, tell)

    @staticmethod
    def load(folder: Path) -> FittedDenoiser:
        """What `FittedDenoiser.save` wrote, without the catalogue.

        Raises DataError where the folder holds no such net.
        """
        import torch

        from leaven.generators.sequence.serialization import restored

        def build(config: Denoiser, shape: Any, knots: int) -> Net:
            return _net(shape, knots, torch.ones(shape.n_items), 0)

        return FittedDenoiser(*restored(Denoiser, folder / "denoiser.safetensors", build))


def _net(shape: Any, knots: int, counts: Any, key: int) -> Net:
    import torch

    from leaven.generators.sequence.masked_model import Denoiser as Net

    return Net(shape, knots, counts, torch.Generator().manual_seed(key))


@dataclass(frozen=True, eq=False)
class FittedDenoiser(Penned):
    """A trained net. curve: one record a look: step, loss, seconds, valid_log_likelihood (mean of an event)."""

    config: Denoiser
    net: Net
    pen: Pen
    frames: Frames
    curve: Sequence[Mapping[str, float]]

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key. With `like`, and `where` not alone: its rows with new events, with their parents and weights.

        New items were on sale at their time, and nothing happens after the last training event (in front of a
        history: before the first). Raises DataError where there are not as many keys as rows.
        """
        import copy

        from leaven.generators.sequence.masked_model import fill

        frame = self._frame(np.asarray(keys, np.uint64), like)
        fill(copy.deepcopy(self.net).double().eval(), self.pen, frame, self.config.looks)
        return self.frames.finish(self.config, frame)

    def _frame(self, keys: Keys, like: Histories | None) -> Frame:
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
        """float64 (rows,): natural logarithm of each row's items given the times and the first item, each item said
        from those before it, as the other generators' is.

        `before` reads backwards: given the last item. Days of sale, repeats, temperature and cuts do not enter; masked
        events are left out.
        """
        return self._said(rows, left_to_right=True)

    def pseudo_log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): sum of the logarithms of each item's probability given all others of the row and the times,
        the first item left out: how well each event fits in (Salazar et al., ACL 2020). No logarithm of a probability
        of the row: not to be compared with `log_likelihood`.
        """
        return self._said(rows, left_to_right=False)

    def _said(self, rows: Histories, left_to_right: bool) -> npt.NDArray[np.float64]:
        from leaven.generators.sequence.fitting import begun
        from leaven.generators.sequence.masked_model import said

        read = begun(mirrored(rows) if self.frames.backwards else rows)
        return said(self.net, read, self.pen.knots, self.config.length, left_to_right)

    def save(self, folder: Path) -> None:
        """Write denoiser.safetensors, which is whole or not there."""
        from leaven.generators.sequence.serialization import keep

        keep(folder / "denoiser.safetensors", self.config, self.net, self.net.shape, self.pen, self.frames, self.curve)
