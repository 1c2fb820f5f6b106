"""How do several transforms become one?

A combination is a transform itself. Each inner transform draws from keys of its own, so that taking one
out does not move the chance of the others. A row that an inner transform is not meant for reaches it with
strength 0, which is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.contracts import FittedTransform, Keys, Strength, Transform
from leaven.data.histories import Histories, Ints, concat
from leaven.errors import SpecError
from leaven.transforms.history import Crop
from leaven.transforms.order import Reorder
from leaven.transforms.removal import Mask
from leaven.transforms.unlearned import Reasons, Unlearned

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Repeat:
    """Leave each row as it is: copies of a step make repeated rows out of it."""

    @property
    def shortest(self) -> int:
        """Rows of any length are repeated."""
        return 0

    def fit(self, train: Histories) -> Unlearned:
        """Nothing is learned."""
        return Unlearned(_same, self.shortest)


def _same(rows: Histories, keys: Keys, strength: Strength) -> Histories:
    return rows


def _usual() -> tuple[Transform, ...]:
    return (Crop(), Mask(), Reorder())


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

    members: tuple[FittedTransform, ...]

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """What the last of them gives; rows that one of them splits go on with keys of their own."""
        for place, member in enumerate(self.members):
            new, row = apart(member, rows, inner_keys(keys, place), strength)
            keys = keys if len(new) == len(rows) else seeds.mix(keys[row] + rank_in_row(row))
            rows, strength = new, strength[row]
        return rows

    def reasons(self, rows: Histories) -> Reasons:
        """Why no member can change a row, in the words of the first."""
        return shared_reasons(self.members, rows)


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

    members: tuple[FittedTransform, ...]
    bounds: Shares

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows in their order, each changed by the one transform that was drawn for it."""
        drawn = np.searchsorted(self.bounds, seeds.uniform(keys, 0), side="right")
        return by_member(self.members, np.minimum(drawn, len(self.members) - 1), rows, keys, strength)

    def reasons(self, rows: Histories) -> Reasons:
        """Why no member can change a row, in the words of the first."""
        return shared_reasons(self.members, rows)


def by_member(
    members: tuple[FittedTransform, ...], chosen: Ints, rows: Histories, keys: Keys, strength: Strength
) -> Histories:
    """Each row changed by one member, chosen int64 (rows,); rows stay in their order."""
    parts, origins = [], []
    for place, member in enumerate(members):
        mine = np.flatnonzero(chosen == place)
        if len(mine):
            part = rows.take(mine)
            new, row = apart(member, part, inner_keys(keys[mine], place), strength[mine])
            parts.append(new)
            origins.append(mine[row])
    if len(parts) < 2:
        return parts[0] if parts else rows
    return concat(parts).take(np.argsort(np.concatenate(origins), kind="stable"))


def apart(member: FittedTransform, rows: Histories, keys: Keys, strength: Strength) -> tuple[Histories, Ints]:
    """(new rows, int64 (new rows,): which row each came from). Lineage follows a row, so it carries the number."""
    numbered = replace(rows, parents=np.arange(len(rows), dtype=np.uint64))
    new = member(numbered, keys, strength)
    row = new.parents.astype(np.int64)
    return replace(new, parents=rows.parents[row]), row


def inner_keys(keys: Keys, place: int) -> Keys:
    """uint64 (rows,): the keys of member number `place` of a combination."""
    return seeds.row_keys(seeds.key(0, "member", place), keys)


def rank_in_row(row: Ints) -> Keys:
    """uint64 (new rows,): 0, 1, 2 … among new rows from the same row; they stand next to each other.

    >>> rank_in_row(np.array([4, 4, 4, 7])).tolist()
    [0, 1, 2, 0]
    """
    places = np.arange(len(row))
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    return (places - np.repeat(begins, np.diff(np.append(begins, len(row))))).astype(np.uint64)


def shared_reasons(members: tuple[FittedTransform, ...], rows: Histories) -> Reasons:
    """The first member's reasons, for rows that none of the members can change."""
    held = [member.reasons(rows) for member in members]
    stuck = np.ones(len(rows), bool)
    for reasons in held:
        stuck &= np.any(list(reasons.values()), axis=0) if reasons else False
    return {words: mask & stuck for words, mask in held[0].items()}


def check_members(where: str, members: tuple[Transform, ...]) -> None:
    """SpecError unless there is at least one transform, and nothing else."""
    wanted = "one or more transforms"
    if not isinstance(members, tuple | list) or not members:
        raise SpecError(where, wanted, repr(members), "write a tuple such as (Crop(), Mask())")
    for member in members:
        if isinstance(member, type) or not hasattr(member, "fit"):
            raise SpecError(where, wanted, repr(member), "write Crop() and not Crop")


def check_weights(where: str, weights: tuple[float, ...], count: int) -> None:
    """SpecError unless there are none, or one above 0 a member."""
    if weights and (len(weights) != count or not all(0 < weight < np.inf for weight in weights)):
        raise SpecError(where, f"{count} numbers above 0", repr(weights), "one a transform")
