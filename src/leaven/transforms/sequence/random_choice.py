"""Chooses one transform for each row: at random, by the length of the history, or as TrivialAugment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.field_checks import check_count
from leaven.protocols import FittedTransform, OperatorTraits, RngKeys, Strength, Transform
from leaven.transforms.sequence.compose import (
    FittedTransforms,
    apply_by_member,
    check_members,
    check_weights,
    find_shared_reasons,
)
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop, Mask
from leaven.transforms.sequence.reorder import Reorder, Rotate
from leaven.transforms.sequence.substitution import Insert, Substitute
from leaven.transforms.stateless import Reasons

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OneOf:
    """Apply one of several transforms, drawn for each row.

    weights  relative probabilities of the transforms; (): equal
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("one of")
    transforms: tuple[Transform, ...] = (Crop(), Mask(), Reorder())
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_members("one_of.transforms", self.transforms)
        check_weights("one_of.weights", self.weights, len(self.transforms))

    @property
    def min_events(self) -> int:
        """The smallest `min_events` of the members."""
        return min(member.min_events for member in self.transforms)

    def fit(self, train: Histories) -> FittedOneOf:
        """Fits each member on the same training rows."""
        weights = np.asarray(self.weights or np.ones(len(self.transforms)), np.float64)
        return FittedOneOf(tuple(member.fit(train) for member in self.transforms), np.cumsum(weights) / weights.sum())


@dataclass(frozen=True, eq=False)
class FittedOneOf:
    """Fitted transforms, one for each row. cumulative_weights float64 (members,), up to 1."""

    members: FittedTransforms
    cumulative_weights: Shares

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows in their order, each changed by the transform drawn for it."""
        drawn = np.searchsorted(self.cumulative_weights, rng.draw_uniform(keys, 0), side="right")
        return apply_by_member(self.members, np.minimum(drawn, len(self.members) - 1), rows, keys, strength)

    def reasons(self, rows: Histories) -> Reasons:
        """The first member's reasons, for rows that no member can change."""
        return find_shared_reasons(self.members, rows)


@dataclass(frozen=True)
class ByLength:
    """Apply one transform to short histories, another to long ones (Liu and others, CoSeRec, 2021, section 3.3).

    max_short_events  events up to which a history counts as short
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("by length")
    short: Transform = Insert()  # noqa: RUF009 - frozen
    long: Transform = Crop()  # noqa: RUF009 - frozen
    max_short_events: int = 5

    def __post_init__(self) -> None:
        check_members("by_length.short", (self.short,))
        check_members("by_length.long", (self.long,))
        check_count("by_length.max_short_events", self.max_short_events, 1)

    @property
    def min_events(self) -> int:
        """`min_events` of the transform for short rows, unless it changes none of them."""
        return min(self.short.min_events, self.max_short_events + 1)

    def fit(self, train: Histories) -> FittedByLength:
        """Fits both on the same training rows."""
        return FittedByLength((self.short.fit(train), self.long.fit(train)), self.max_short_events)


@dataclass(frozen=True)
class FittedByLength:
    """members: the fitted transform for short rows, and the one for long rows."""

    members: tuple[FittedTransform, FittedTransform]
    max_short_events: int

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows in their order, each changed by the transform for its length."""
        return apply_by_member(self.members, self._choose_members(rows), rows, keys, strength)

    def reasons(self, rows: Histories) -> Reasons:
        """The reasons of the transform for the length of each row."""
        chosen, reasons = self._choose_members(rows), dict[str, npt.NDArray[np.bool_]]()
        for position, member in enumerate(self.members):
            for reason, mask in member.reasons(rows).items():
                reasons[reason] = reasons.get(reason, np.zeros(len(rows), bool)) | (mask & (chosen == position))
        return reasons

    def _choose_members(self, rows: Histories) -> npt.NDArray[np.int64]:
        return (rows.lengths > self.max_short_events).astype(np.int64)


@dataclass(frozen=True)
class TrivialAugment:
    """Apply one transform at one strength, both drawn uniformly (Mueller and Hutter, TrivialAugment, ICCV 2021).

    It needs no tuning: a good first plan. Where we differ: `strength` is the upper bound of the drawn strength.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("trivial")
    transforms: tuple[Transform, ...] = (Crop(), Drop(), Mask(), Reorder(), Rotate(), Substitute(), Insert())

    def __post_init__(self) -> None:
        check_members("trivial_augment.transforms", self.transforms)

    @property
    def min_events(self) -> int:
        """The smallest `min_events` of the members."""
        return min(member.min_events for member in self.transforms)

    def fit(self, train: Histories) -> FittedTrivialAugment:
        """Fits each member on the same training rows."""
        return FittedTrivialAugment(tuple(member.fit(train) for member in self.transforms))


@dataclass(frozen=True)
class FittedTrivialAugment:
    """Fitted transforms, one for each row, at a random strength."""

    members: FittedTransforms

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows in their order, each changed by one member at a drawn strength."""
        chosen = (rng.draw_uniform(keys, 0) * len(self.members)).astype(np.int64)
        drawn = (strength * rng.draw_uniform(keys, 1)).astype(np.float32)
        return apply_by_member(self.members, chosen, rows, keys, drawn)

    def reasons(self, rows: Histories) -> Reasons:
        """The first member's reasons, for rows that no member can change."""
        return find_shared_reasons(self.members, rows)
