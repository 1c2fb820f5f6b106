"""What does every generator that writes from left to right promise, once it is trained?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import FitError, MissingExtra
from leaven.generators.sequence.sequence_scaffold import Anywhere, Check, Frames, Targets, Where, check, mirrored
from leaven.protocols import Keys

if TYPE_CHECKING:
    from leaven.generators.sequence.decoder import Decoder
    from leaven.generators.sequence.item_sampling import Pen


def ready(kind: str, train: Histories) -> None:
    """Raises FitError where there is no event to learn from; MissingExtra without torch."""
    if train.events == 0:
        raise FitError(kind, "at least one event to learn from", "none", "give it training rows")
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("torch", "torch") from None


@dataclass(frozen=True, kw_only=True)
class OfNet:
    """The fields of every wish for a generator that has a net.

    where, events_range, new_events_range, targets    as `frame.Layout` says
    temperature       below 1 likely items are drawn more often than the net says, above 1 less
    top_k, top_p      only the likeliest items: so many (0: all), or so much of the mass
    width, layers, dropout, length    of the net; length: most events that it reads
    steps             optimiser steps; None: some epochs, and less where the judging rows get no likelier
    batch_events      events read in one step
    match_popularity  after its training it writes some rows, and popular items become as frequent as in real ones
                      (popularity.py); False: as often as the net says
    keep              filters that its rows pass by default
    """

    where: Anywhere = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    targets: Targets = "fitting"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    width: int = 64
    layers: int = 2
    dropout: float = 0.2
    length: int = 50
    steps: int | None = None
    learning_rate: float = 3e-3
    batch_events: int = 2_048
    device: str = "auto"
    match_popularity: bool = True
    keep: Sequence[str] = ("validity", "copies")

    def check(self, kind: str, own: Sequence[Check], where: Sequence[str] = get_args(Where)) -> None:
        """Raises SpecError for the first field that is wrong, of these or of the kind's own."""
        check(kind, self, [*own, *self._of_net()], where)

    def _of_net(self) -> list[Check]:
        return [
            ("temperature", self.temperature > 0, "a number above 0"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "a share above 0, at most 1"),
            ("width", self.width >= 2, "2 or more"),
            ("layers", self.layers >= 1, "1 or more"),
            ("dropout", 0 <= self.dropout < 1, "a share below 1"),
            ("length", self.length >= 1, "1 or more"),
            ("steps", self.steps is None or self.steps >= 1, "1 or more"),
            ("learning_rate", self.learning_rate > 0, "a number above 0"),
            ("batch_events", self.batch_events >= 1, "1 or more"),
        ]


def of_heads(width: int, heads: int) -> list[Check]:
    """The checks of a net that attends."""
    return [("heads", heads >= 1, "1 or more"), ("width", width % max(heads, 1) == 0, "a multiple of heads")]


class Penned:
    """A fitted generator with a pen."""

    pen: Pen

    def lifted(self, lift: npt.NDArray[np.float64]) -> Self:
        """The same, what it draws by moved by so much: float64 (items,)."""
        return replace(self, pen=replace(self.pen, lift=self.pen.lift + lift))  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class Writer(Penned):
    """A trained decoder. curve: one record a look: step, loss, seconds, valid_log_likelihood (mean of an event)."""

    kind: str
    wish: Any
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

        from leaven.generators.sequence.decoding import write

        frame = self.frames.begin(self.wish, keys, like)
        write(copy.deepcopy(self.net).double().eval(), self.pen, frame)
        return self.frames.finish(self.wish, frame)

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): natural logarithm of each row's items given the times and the first item.

        `before` reads backwards: given the last item. Days of sale, repeats, temperature and cuts do not enter; a
        masked event is read, and never guessed.
        """
        from leaven.generators.sequence.decoder import event_log_likelihoods

        return event_log_likelihoods(self.net, to_score(self.frames, rows), self.pen.knots, self.wish.length)

    def save(self, folder: Path) -> None:
        """Write one safetensors file, which is whole or not there."""
        from leaven.generators.sequence.serialization import keep

        parts = (self.wish, self.net, self.net.shape, self.pen, self.frames, self.curve)
        keep(folder / f"{self.kind}.safetensors", *parts)


def to_score(frames: Frames, rows: Histories) -> Histories:
    """Rows as a net reads them, every event a target but the first."""
    from leaven.generators.sequence.fitting import begun

    read = begun(mirrored(rows) if frames.backwards else rows)
    return replace(read, targets=np.maximum(read.lengths - 2, 0).astype(np.int32))


def loaded(wish: Any, kind: str, folder: Path) -> Writer:
    """What `Writer.save` wrote, without the catalogue; wish: its class.

    Raises DataError where the folder holds no such net.
    """
    import torch

    from leaven.generators.sequence.decoder import Decoder
    from leaven.generators.sequence.serialization import restored

    return Writer(
        kind,
        *restored(
            wish,
            folder / f"{kind}.safetensors",
            lambda told, shape, knots: Decoder(shape, told.cell, knots, torch.ones(shape.n_items), torch.Generator()),
        ),
    )
