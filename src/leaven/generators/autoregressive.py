"""How would these rows go on, by a net that has read everything before?

A decoder-only transformer or a GRU, trained on the likelihood of the next item; read backwards where it writes in front
of a history (pseudo-prior items, ASReP, SIGIR 2021). Times come from the same law of gaps as the Markov chain's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from leaven.contracts import Keys
from leaven.data.histories import Histories
from leaven.errors import FitError, MissingExtra
from leaven.generators.frame import Frames, Targets, Where, check, mirrored
from leaven.generators.privacy import Privacy

if TYPE_CHECKING:
    from leaven.generators.decoder import Decoder
    from leaven.generators.drawing import Pen

_FILE = "autoregressive.safetensors"


@dataclass(frozen=True)
class Autoregressive:
    """New rows, or real rows continued, by a net over items, with time gaps.

    cell              transformer or gru
    where, events_range, new_events_range, targets    as `frame.Layout` says
    temperature       below 1 likely items are drawn more often than the net says, above 1 less
    top_k, top_p      only the likeliest items: so many (0: all), or so much of the mass
    width, layers, heads, dropout, length    of the net; length: most events that it reads
    steps             optimiser steps; None: some epochs, and less where the judging rows get no likelier
    batch_events      events read in one step
    keep              filters that its rows pass by default
    privacy           a bound on what training may tell of a user: { epsilon = 1.0 }; it holds for the items that are
                      written, given times and lengths, whose laws are counted without noise; None: no bound
    """

    cell: Literal["transformer", "gru"] = "transformer"
    where: Where = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    targets: Targets = "fitting"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    width: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.2
    length: int = 50
    steps: int | None = None
    learning_rate: float = 3e-3
    batch_events: int = 2_048
    device: str = "auto"
    keep: Sequence[str] = ("validity", "copies")
    privacy: Privacy | None = None

    def __post_init__(self) -> None:
        own = [
            ("cell", self.cell in ("transformer", "gru"), "transformer or gru"),
            ("temperature", self.temperature > 0, "a number above 0"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "a share above 0, at most 1"),
            ("width", self.width >= 2 and self.width % max(self.heads, 1) == 0, "a multiple of heads"),
            ("layers", self.layers >= 1, "1 or more"),
            ("heads", self.heads >= 1, "1 or more"),
            ("dropout", 0 <= self.dropout < 1, "a share below 1"),
            ("length", self.length >= 1, "1 or more"),
            ("steps", self.steps is None or self.steps >= 1, "1 or more"),
        ]
        if isinstance(self.privacy, Mapping):  # read back from a file
            object.__setattr__(self, "privacy", Privacy(**self.privacy))
        if self.privacy is not None:
            own.append(("cell", self.cell == "transformer", "transformer, with privacy"))
            own.append(("where", self.where == "alone", "alone, with privacy: other rows hold real histories"))
            if tuple(self.keep) == ("validity", "copies"):  # which rows are refused would tell who was there
                object.__setattr__(self, "keep", ())
            own.append(("keep", not self.keep, "none, with privacy: filters look at the training rows"))
        check("autoregressive", self, own)

    def fit(self, train: Histories, key: int) -> FittedAutoregressive:
        """Train the net. Every draw of the training follows from `key`.

        Raises FitError where there is no event, or the loss is no finite number; MissingExtra without torch.
        """
        if train.events == 0:
            raise FitError("autoregressive", "at least one event to learn from", "none", "give it training rows")
        try:
            import torch  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtra("torch", "torch") from None
        from leaven.generators.learning import learned

        frames = Frames.of(train, self)
        net, pen, curve = learned(self, mirrored(train) if frames.backwards else train, train, key)
        return FittedAutoregressive(self, net, pen, frames, curve)

    @staticmethod
    def load(folder: Path) -> FittedAutoregressive:
        """What `FittedAutoregressive.save` wrote, without the catalogue.

        Raises DataError where the folder holds no such net.
        """
        from leaven.generators.learning import restored

        wish, net, pen, frames, curve = restored(Autoregressive, folder / _FILE)
        return FittedAutoregressive(wish, net, pen, frames, curve)


@dataclass(frozen=True, eq=False)
class FittedAutoregressive:
    """A trained net. curve: one record a look: step, loss, seconds, valid_log_likelihood (mean of an event)."""

    wish: Autoregressive
    net: Decoder
    pen: Pen
    frames: Frames
    curve: Sequence[Mapping[str, float]]

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key. With `like`, and `where` not alone: its rows continued, with their parents and weights.

        New items were on sale at their time, and nothing happens after the last training event (in front of a
        history: before the first). Raises DataError where there are not as many keys as rows.
        """
        import copy

        from leaven.generators.decoding import write

        frame = self.frames.begin(self.wish, keys, like)
        write(copy.deepcopy(self.net).double().eval(), self.pen, frame)
        return self.frames.finish(self.wish, frame)

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): natural logarithm of each row's items given the times and the first item.

        `before` reads backwards: given the last item. Days of sale, repeats, temperature and cuts do not enter; a
        masked event is read, and never guessed.
        """
        from leaven.generators.decoder import event_log_likelihoods
        from leaven.generators.learning import begun

        read = begun(mirrored(rows) if self.frames.backwards else rows)
        read = replace(read, targets=np.maximum(read.lengths - 2, 0).astype(np.int32))
        return event_log_likelihoods(self.net, read, self.pen.knots, self.wish.length)

    def save(self, folder: Path) -> None:
        """Write autoregressive.safetensors, which is whole or not there."""
        from leaven.generators.learning import keep

        keep(folder / _FILE, asdict(self.wish), self.net, self.pen, self.frames, self.curve)
