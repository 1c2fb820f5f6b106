"""What if labelled rows are said again as they are?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.datasets.samples import Samples
from leaven.protocols import Keys, Strength


@dataclass(frozen=True)
class RepeatRows:
    """Leave each row as it is: copies of a step make repeated rows out of it."""

    copies_rows: ClassVar[bool] = True  # a row that stays as it is has not failed

    def fit(self, train: Samples) -> Repeating:
        """Nothing is learned."""
        return Repeating()


@dataclass(frozen=True)
class Repeating:
    """Says rows again."""

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The same rows."""
        return rows
