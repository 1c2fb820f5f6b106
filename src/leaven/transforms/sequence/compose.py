"""How do several transforms become one?

A combination is a transform itself. Each inner transform draws from keys of its own, so that taking one
out does not move the chance of the others. A row that an inner transform is not meant for reaches it with
strength 0, which is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories, Ints, concat
from leaven.errors import SpecError
from leaven.protocols import FittedTransform, Keys, Strength, Transform
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Mask
from leaven.transforms.sequence.reorder import Reorder
from leaven.transforms.stateless import Reasons
from leaven.transforms.validation import check_count, check_share

Fitted = tuple[FittedTransform, ...]


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


def by_member(members: Fitted, chosen: Ints, rows: Histories, keys: Keys, strength: Strength) -> Histories:
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


def one_after_the_other(members: Fitted, rows: Histories, keys: Keys, strengths: Sequence[Strength]) -> Histories:
    """Each member on what the last one gave, with the strength (rows,) of its own for each of the first rows."""
    first = np.arange(len(rows))  # which of the rows that came in each row comes from
    for place, member in enumerate(members):
        rows, row = apart(member, rows, inner_keys(keys, place), strengths[place][first])
        keys, first = keys_of_new(keys, row), first[row]
    return rows


def apart(member: FittedTransform, rows: Histories, keys: Keys, strength: Strength) -> tuple[Histories, Ints]:
    """(new rows, int64 (new rows,): which row each came from). A row's key follows it, so it carries the number."""
    new = member(replace(rows, keys=np.arange(len(rows), dtype=np.uint64)), keys, strength)
    row = new.keys.astype(np.int64)
    return replace(new, keys=rows.keys[row]), row


def inner_keys(keys: Keys, place: int) -> Keys:
    """uint64 (rows,): the keys of member number `place` of a combination."""
    return rng.row_keys(rng.key(0, "member", place), keys)


def keys_of_new(keys: Keys, row: Ints) -> Keys:
    """uint64 (new rows,): the key of each new row; the first from a row keeps its key, later ones get their own.

    row int64 (new rows,): which row each came from; those from the same row stand next to each other.
    """
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    rank = np.arange(len(row)) - np.repeat(begins, np.diff(np.append(begins, len(row))))
    own = rng.mix(keys[row] ^ rng.mix(rank.astype(np.uint64)))
    return np.where(rank == 0, keys[row], own)


def shared_reasons(members: Sequence[Any], rows: Any) -> Reasons:
    """The first member's reasons, for rows that none of the members can change."""
    held = [member.reasons(rows) for member in members]
    stuck = np.ones(len(rows), bool)
    for reasons in held:
        stuck &= np.any(list(reasons.values()), axis=0) if reasons else False
    return {words: mask & stuck for words, mask in held[0].items()}


def check_members(where: str, members: tuple[Any, ...]) -> None:
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
