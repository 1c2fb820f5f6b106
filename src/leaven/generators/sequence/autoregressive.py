"""Autoregressive generation of histories.

A decoder-only transformer or a GRU, trained on the likelihood of the next item; `where = "before"` trains on reversed
rows (pseudo-prior items, ASReP, SIGIR 2021). Times follow the gap distribution of the Markov generator.
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
    """Generates new rows, or extends real rows, with a next-item network and sampled time gaps.

    cell              transformer or gru; heads: of the transformer. Other fields: see `DecoderGeneratorConfig`
    privacy           differential privacy budget of a user: { epsilon = 1.0 }; it covers the generated items, given
                      times and lengths, whose distributions are counted without noise; None: no privacy
    """

    cell: Literal["transformer", "gru"] = "transformer"
    where: Where = "alone"
    heads: int = 2
    privacy: Privacy | None = None

    def __post_init__(self) -> None:
        cell = ("cell", self.cell, self.cell in ("transformer", "gru"), "transformer or gru")
        object.__setattr__(self, "privacy", Privacy.read(self.privacy))
        self.check("autoregressive", [cell, *of_heads(self.width, self.heads), *self._list_privacy_checks()])

    def _list_privacy_checks(self) -> list[Check]:
        """Returns checks that only the network uses user data; removes the default filters under privacy."""
        if self.privacy is None:
            return []
        if tuple(self.keep) == ("validity", "copies"):  # the rejected rows would leak membership
            object.__setattr__(self, "keep", ())
        return [
            ("cell", self.cell, self.cell == "transformer", "transformer, with privacy"),
            ("where", self.where, self.where == "alone", "alone, with privacy: other rows hold real histories"),
            ("keep", self.keep, not self.keep, "none, with privacy: filters look at the training rows"),
        ]

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> Writer:
        """Trains the network. All random draws derive from `key`.

        Raises FitError for rows without events or a non-finite loss; MissingExtra without torch.
        """
        ready("autoregressive", train)
        from leaven.generators.sequence.fitting import ground_of, keep_seen_by, learned, pen_of, shape_of
        from leaven.generators.sequence.popularity_calibration import as_popular

        if self.privacy is not None:
            from leaven.generators.sequence.dp_training import learned_privately

            return learned_privately(self, shape_of(self, train.n_items), self.privacy, train, key, tell)
        frames = Frames.of(train, self)
        ground = ground_of(mirrored(train) if frames.backwards else train, key)
        net, curve = learned(self, ground, key, tell)
        pen = pen_of(self, train, ground, keep_seen_by(net, ground, self.length))
        return as_popular(Writer("autoregressive", self, net, pen, frames, curve), train, key, tell)

    @staticmethod
    def load(folder: Path) -> Writer:
        """Loads a generator that `FittedDecoder.save` wrote, without the catalog.

        Raises DataError where the folder holds no such file.
        """
        return loaded(Autoregressive, "autoregressive", folder)
