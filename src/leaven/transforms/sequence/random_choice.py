"""Which transform meets which row: by lot, by the length of its history, or by no tuning at all?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.protocols import FittedTransform, Keys, Strength, Transform
from leaven.transforms.sequence.compose import Fitted, by_member, check_members, check_weights, shared_reasons
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop, Mask
from leaven.transforms.sequence.reorder import Reorder, Rotate
from leaven.transforms.sequence.substitution import Insert, Substitute
from leaven.transforms.stateless import Reasons
from leaven.transforms.validation import check_count

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OneOf:
    """One of several transforms, drawn for each row.

    weights  how often each is drawn; none: all alike
    """

    of: tuple[Transform, ...] = (Crop(), Mask(), Reorder())
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_members("one_of.of", self.of)
        check_weights("one_of.weights", self.weights, len(self.of))

    @property
    def shortest(self) -> int:
        """The shortest row that one of them changes."""
        return min(member.shortest for member in self.of)

    def fit(self, train: Histories) -> Choice:
        """Each of them on the same training rows."""
        weights = np.asarray(self.weights or np.ones(len(self.of)), np.float64)
        return Choice(tuple(member.fit(train) for member in self.of), np.cumsum(weights) / weights.sum())


@dataclass(frozen=True, eq=False)
class Choice:
    """One fitted transform a row; bounds float64 (members,): shares of the members, summed up."""

    members: Fitted
    bounds: Shares

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows in their order, each changed by the one transform that was drawn for it."""
        drawn = np.searchsorted(self.bounds, rng.uniform(keys, 0), side="right")
        return by_member(self.members, np.minimum(drawn, len(self.members) - 1), rows, keys, strength)

    def reasons(self, rows: Histories) -> Reasons:
        """Why no member can change a row, in the words of the first."""
        return shared_reasons(self.members, rows)


@dataclass(frozen=True)
class ByLength:
    """One transform for short histories, another for long ones (Liu and others, CoSeRec, 2021, section 3.3).

    longest_short  events up to which a history counts as short
    """

    short: Transform = Insert()  # noqa: RUF009 - frozen
    long: Transform = Crop()  # noqa: RUF009 - frozen
    longest_short: int = 5

    def __post_init__(self) -> None:
        check_members("by_length.short", (self.short,))
        check_members("by_length.long", (self.long,))
        check_count("by_length.longest_short", self.longest_short, 1)

    @property
    def shortest(self) -> int:
        """That of the transform for short ones, unless it changes none of them."""
        return min(self.short.shortest, self.longest_short + 1)

    def fit(self, train: Histories) -> LengthChoice:
        """Both on the same training rows."""
        return LengthChoice((self.short.fit(train), self.long.fit(train)), self.longest_short)


@dataclass(frozen=True)
class LengthChoice:
    """(fitted transform for short rows, one for long rows)."""

    members: tuple[FittedTransform, FittedTransform]
    longest_short: int

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows in their order, each changed by the one for its length."""
        return by_member(self.members, self._chosen(rows), rows, keys, strength)

    def reasons(self, rows: Histories) -> Reasons:
        """The reasons of the transform that meets the row."""
        chosen, reasons = self._chosen(rows), dict[str, npt.NDArray[np.bool_]]()
        for place, member in enumerate(self.members):
            for words, mask in member.reasons(rows).items():
                reasons[words] = reasons.get(words, np.zeros(len(rows), bool)) | (mask & (chosen == place))
        return reasons

    def _chosen(self, rows: Histories) -> npt.NDArray[np.int64]:
        return (rows.lengths > self.longest_short).astype(np.int64)


@dataclass(frozen=True)
class Trivial:
    """One transform drawn evenly, at a strength drawn evenly (Mueller and Hutter, TrivialAugment, ICCV 2021).

    Nothing to tune: the place to begin. Where we differ: `strength` bounds the strength that is drawn.
    """

    of: tuple[Transform, ...] = (Crop(), Drop(), Mask(), Reorder(), Rotate(), Substitute(), Insert())

    def __post_init__(self) -> None:
        check_members("trivial.of", self.of)

    @property
    def shortest(self) -> int:
        """The shortest row that one of them changes."""
        return min(member.shortest for member in self.of)

    def fit(self, train: Histories) -> TrivialChoice:
        """Each of them on the same training rows."""
        return TrivialChoice(tuple(member.fit(train) for member in self.of))


@dataclass(frozen=True)
class TrivialChoice:
    """Fitted transforms, one of which each row meets."""

    members: Fitted

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows in their order, each changed by one member, more or less."""
        chosen = (rng.uniform(keys, 0) * len(self.members)).astype(np.int64)
        drawn = (strength * rng.uniform(keys, 1)).astype(np.float32)
        return by_member(self.members, chosen, rows, keys, drawn)

    def reasons(self, rows: Histories) -> Reasons:
        """Why no member can change a row, in the words of the first."""
        return shared_reasons(self.members, rows)
