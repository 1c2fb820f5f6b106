"""How do several transforms become one?

A combination is a transform itself. Each inner transform draws from keys of its own, so that taking one
out does not move the chance of the others. A row that an inner transform is not meant for reaches it with
strength 0, which is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.protocols import FittedTransform, Keys, Strength, Transform
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Mask
from leaven.transforms.sequence.members import Fitted, check_members, inner_keys, one_after_the_other, shared_reasons
from leaven.transforms.sequence.reorder import Reorder
from leaven.transforms.stateless import Reasons
from leaven.transforms.validation import check_count, check_share


@dataclass(frozen=True)
class Chain:
    """One transform after the other, each on what the last one gave.

    >>> rows = Histories.of([[1, 2, 3, 4]], n_items=4)
    >>> both = Chain((Crop(keep_range=(0.5, 0.5), keep_last=True), Mask(share_range=(1.0, 1.0)))).fit(rows)
    >>> both(rows, rows.keys, np.ones(1, np.float32)).items.tolist()
    [5, 4]
    """

    of: tuple[Transform, ...] = (Crop(), Mask())

    def __post_init__(self) -> None:
        check_members("chain.of", self.of)

    @property
    def shortest(self) -> int:
        """The shortest row that one of them changes."""
        return min(member.shortest for member in self.of)

    def fit(self, train: Histories) -> Chained:
        """Each of them on the same training rows."""
        return Chained(tuple(member.fit(train) for member in self.of))


@dataclass(frozen=True)
class Chained:
    """Fitted transforms in a row."""

    members: Fitted

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """What the last of them gives; rows that one of them splits go on with keys of their own."""
        return one_after_the_other(self.members, rows, keys, [strength] * len(self.members))

    def reasons(self, rows: Histories) -> Reasons:
        """Why no member can change a row, in the words of the first."""
        return shared_reasons(self.members, rows)


@dataclass(frozen=True)
class SomeOf:
    """`count` different ones of several transforms, drawn for each row and applied in the order given."""

    of: tuple[Transform, ...] = (Crop(), Mask(), Reorder())
    count: int = 2

    def __post_init__(self) -> None:
        check_members("some_of.of", self.of)
        check_count("some_of.count", self.count, 1)
        if self.count > len(self.of):
            raise SpecError("some_of.count", f"at most {len(self.of)}", str(self.count), "name more transforms")

    @property
    def shortest(self) -> int:
        """The shortest row that one of them changes."""
        return min(member.shortest for member in self.of)

    def fit(self, train: Histories) -> Some:
        """Each of them on the same training rows."""
        return Some(tuple(member.fit(train) for member in self.of), self.count)


@dataclass(frozen=True)
class Some:
    """Several fitted transforms, of which each row gets some."""

    members: Fitted
    count: int

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows changed by the members drawn for them; the others reach them with strength 0."""
        lots = np.stack([rng.uniform(keys, draw) for draw in range(len(self.members))])  # (members, rows)
        rank = np.argsort(np.argsort(lots, axis=0), axis=0)
        strengths = [np.where(rank[m] < self.count, strength, np.float32(0)) for m in range(len(self.members))]
        return one_after_the_other(self.members, rows, keys, strengths)

    def reasons(self, rows: Histories) -> Reasons:
        """Why no member can change a row, in the words of the first."""
        return shared_reasons(self.members, rows)


@dataclass(frozen=True)
class Maybe:
    """A transform that each row meets with chance p."""

    of: Transform = Crop()  # noqa: RUF009 - frozen
    p: float = 0.5

    def __post_init__(self) -> None:
        check_members("maybe.of", (self.of,))
        check_share("maybe.p", self.p)

    @property
    def shortest(self) -> int:
        """That of the transform."""
        return self.of.shortest

    def fit(self, train: Histories) -> Perhaps:
        """The transform on the training rows."""
        return Perhaps(self.of.fit(train), self.p)


@dataclass(frozen=True)
class Perhaps:
    """A fitted transform that meets some rows."""

    member: FittedTransform
    p: float

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows changed with chance p; the others are met with strength 0."""
        met = rng.uniform(keys, 0) < self.p
        return self.member(rows, inner_keys(keys, 0), np.where(met, strength, np.float32(0)))

    def reasons(self, rows: Histories) -> Reasons:
        """Those of the transform."""
        return self.member.reasons(rows)
