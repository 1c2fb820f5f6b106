"""Repeats labeled rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.datasets.samples import Samples
from leaven.protocols import FittedTabularTransform, OperatorTraits, RngKeys, Strength


@dataclass(frozen=True)
class RepeatRows:
    """Leave each row unchanged: a step with copies then yields duplicated rows."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("repeat rows", copies_rows=True)

    def fit(self, train: Samples) -> FittedRepeatRows:
        """Learns nothing."""
        return FittedRepeatRows()


@dataclass(frozen=True)
class FittedRepeatRows(FittedTabularTransform):
    """Returns rows unchanged."""

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples:
        """The rows unchanged."""
        return rows
