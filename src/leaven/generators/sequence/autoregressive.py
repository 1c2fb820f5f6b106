"""How would these rows go on, by a net that has read everything before?

A decoder-only transformer or a GRU, trained on the likelihood of the next item; read backwards where it writes in front
of a history (pseudo-prior items, ASReP, SIGIR 2021). Times come from the same law of gaps as the Markov chain's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leaven.datasets.histories import Histories
from leaven.generators.privacy import Privacy
from leaven.generators.sequence.fitted_decoder import OfNet, Writer, loaded, of_heads, ready
from leaven.generators.sequence.sequence_scaffold import Check, Frames, Where, mirrored
from leaven.progress import Tell, quiet


@dataclass(frozen=True, kw_only=True)
class Autoregressive(OfNet):
    """New rows, or real rows continued, by a net over items, with time gaps.

    cell              transformer or gru; heads: of the transformer. Other fields as of `OfNet`
    privacy           a bound on what training may tell of a user: { epsilon = 1.0 }; it holds for the items that are
                      written, given times and lengths, whose laws are counted without noise; None: no bound
    """

    cell: Literal["transformer", "gru"] = "transformer"
    where: Where = "alone"
    heads: int = 2
    privacy: Privacy | None = None

    def __post_init__(self) -> None:
        cell = ("cell", self.cell in ("transformer", "gru"), "transformer or gru")
        object.__setattr__(self, "privacy", Privacy.read(self.privacy))
        self.check("autoregressive", [cell, *of_heads(self.width, self.heads), *self._without_leaks()])

    def _without_leaks(self) -> list[Check]:
        """Nothing but the net may tell of users, where that is bounded."""
        if self.privacy is None:
            return []
        if tuple(self.keep) == ("validity", "copies"):  # which rows are refused would tell who was there
            object.__setattr__(self, "keep", ())
        return [
            ("cell", self.cell == "transformer", "transformer, with privacy"),
            ("where", self.where == "alone", "alone, with privacy: other rows hold real histories"),
            ("keep", not self.keep, "none, with privacy: filters look at the training rows"),
        ]

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> Writer:
        """Train the net. Every draw of the training follows from `key`.

        Raises FitError where there is no event, or the loss is no finite number; MissingExtra without torch.
        """
        ready("autoregressive", train)
        from leaven.generators.sequence.fitting import ground_of, keep_seen_by, learned, pen_of
        from leaven.generators.sequence.popularity_calibration import as_popular

        frames = Frames.of(train, self)
        if self.privacy is not None:
            from leaven.generators.sequence.dp_training import learned_privately

            return Writer("autoregressive", self, *learned_privately(self, self.privacy, train, frames, key, tell))
        ground = ground_of(mirrored(train) if frames.backwards else train, key)
        net, curve = learned(self, ground, key, tell)
        pen = pen_of(self, train, ground, keep_seen_by(net, ground, self.length))
        return as_popular(Writer("autoregressive", self, net, pen, frames, curve), train, key, tell)

    @staticmethod
    def load(folder: Path) -> Writer:
        """What `Writer.save` wrote, without the catalogue.

        Raises DataError where the folder holds no such net.
        """
        return loaded(Autoregressive, "autoregressive", folder)
