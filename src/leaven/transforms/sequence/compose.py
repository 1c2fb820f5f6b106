"""Combines several transforms into one.

A combination is a transform itself. Each member draws from its own derived keys, so that removing one member does not
change the draws of the others. A row that a member must not change reaches it with strength 0, which is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeVar

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories, Ints, concat_histories
from leaven.errors import SpecError
from leaven.field_checks import check_count, check_share
from leaven.protocols import FittedTransform, OperatorTraits, RngKeys, Strength, Transform
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Mask
from leaven.transforms.sequence.reorder import Reorder
from leaven.transforms.stateless import Reasons

FittedTransforms = tuple[FittedTransform, ...]


@dataclass(frozen=True)
class Chain:
    """Apply several transforms one after the other.

    >>> rows = Histories.from_lists([[1, 2, 3, 4]], n_items=4)
    >>> both = Chain((Crop(keep_range=(0.5, 0.5), keep_last=True), Mask(share_range=(1.0, 1.0)))).fit(rows)
    >>> both(rows, rows.row_ids, np.ones(1, np.float32)).items.tolist()
    [5, 4]
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("chain")
    transforms: tuple[Transform, ...] = (Crop(), Mask())

    def __post_init__(self) -> None:
        check_members("chain.transforms", self.transforms)

    @property
    def min_events(self) -> int:
        """The smallest `min_events` of the members."""
        return min(member.min_events for member in self.transforms)

    def fit(self, train: Histories) -> FittedChain:
        """Fits each member on the same training rows."""
        return FittedChain(tuple(member.fit(train) for member in self.transforms))


@dataclass(frozen=True)
class FittedChain:
    """Fitted transforms, applied in sequence."""

    members: FittedTransforms

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """The rows of the last member; rows that one member splits get keys of their own for the next."""
        return apply_in_sequence(self.members, rows, keys, [strength] * len(self.members))

    def reasons(self, rows: Histories) -> Reasons:
        """The first member's reasons, for rows that no member can change."""
        return find_shared_reasons(self.members, rows)


@dataclass(frozen=True)
class SomeOf:
    """Apply `count` different transforms, drawn for each row, in the order given."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("some of")
    transforms: tuple[Transform, ...] = (Crop(), Mask(), Reorder())
    count: int = 2

    def __post_init__(self) -> None:
        check_members("some_of.transforms", self.transforms)
        check_count("some_of.count", self.count, 1)
        if self.count > len(self.transforms):
            raise SpecError("some_of.count", f"at most {len(self.transforms)}", str(self.count), "name more transforms")

    @property
    def min_events(self) -> int:
        """The smallest `min_events` of the members."""
        return min(member.min_events for member in self.transforms)

    def fit(self, train: Histories) -> FittedSomeOf:
        """Fits each member on the same training rows."""
        return FittedSomeOf(tuple(member.fit(train) for member in self.transforms), self.count)


@dataclass(frozen=True)
class FittedSomeOf:
    """Fitted transforms, `count` of them applied to each row."""

    members: FittedTransforms
    count: int

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows changed by the members drawn for them; other members get the row with strength 0."""
        draws = np.stack([rng.draw_uniform(keys, draw) for draw in range(len(self.members))])  # (members, rows)
        rank = np.argsort(np.argsort(draws, axis=0), axis=0)
        strengths = [np.where(rank[m] < self.count, strength, np.float32(0)) for m in range(len(self.members))]
        return apply_in_sequence(self.members, rows, keys, strengths)

    def reasons(self, rows: Histories) -> Reasons:
        """The first member's reasons, for rows that no member can change."""
        return find_shared_reasons(self.members, rows)


@dataclass(frozen=True)
class Maybe:
    """Apply a transform to each row with probability p."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("maybe")
    transform: Transform = Crop()  # noqa: RUF009 - frozen
    p: float = 0.5

    def __post_init__(self) -> None:
        check_members("maybe.transform", (self.transform,))
        check_share("maybe.p", self.p)

    @property
    def min_events(self) -> int:
        """`min_events` of the transform."""
        return self.transform.min_events

    def fit(self, train: Histories) -> FittedMaybe:
        """Fits the transform on the training rows."""
        return FittedMaybe(self.transform.fit(train), self.p)


@dataclass(frozen=True)
class FittedMaybe:
    """A fitted transform, applied to some rows."""

    member: FittedTransform
    p: float

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows changed with probability p; the others get strength 0."""
        is_changed = rng.draw_uniform(keys, 0) < self.p
        return self.member(rows, derive_member_keys(keys, 0), np.where(is_changed, strength, np.float32(0)))

    def reasons(self, rows: Histories) -> Reasons:
        """The reasons of the transform."""
        return self.member.reasons(rows)


def apply_by_member(
    members: FittedTransforms, chosen: Ints, rows: Histories, keys: RngKeys, strength: Strength
) -> Histories:
    """Each row changed by its one member, chosen int64 (rows,); rows stay in their order."""
    parts, origins = [], []
    for position, member in enumerate(members):
        index = np.flatnonzero(chosen == position)
        if len(index):
            new, row = apply_tracked(
                member, rows.take(index), derive_member_keys(keys[index], position), strength[index]
            )
            parts.append(new)
            origins.append(index[row])
    if len(parts) < 2:
        return parts[0] if parts else rows
    return concat_histories(parts).take(np.argsort(np.concatenate(origins), kind="stable"))


def apply_in_sequence(
    members: FittedTransforms, rows: Histories, keys: RngKeys, strengths: Sequence[Strength]
) -> Histories:
    """Each member applied to the result of the last, at its own strength (rows,) for each input row."""
    first = np.arange(len(rows))  # the input row of each row
    for position, member in enumerate(members):
        rows, row = apply_tracked(member, rows, derive_member_keys(keys, position), strengths[position][first])
        keys, first = derive_new_row_keys(keys, row), first[row]
    return rows


def apply_tracked(
    member: FittedTransform, rows: Histories, keys: RngKeys, strength: Strength
) -> tuple[Histories, Ints]:
    """(new rows, int64 (new rows,): the input row of each). The row ids carry the index through the member."""
    new = member(replace(rows, row_ids=np.arange(len(rows), dtype=np.uint64)), keys, strength)
    row = new.row_ids.astype(np.int64)
    return replace(new, row_ids=rows.row_ids[row]), row


def derive_member_keys(keys: RngKeys, position: int) -> RngKeys:
    """uint64 (rows,): the rng keys of the member at a position."""
    return rng.derive_row_keys(rng.derive_key(0, "member", position), keys)


def derive_new_row_keys(keys: RngKeys, row: Ints) -> RngKeys:
    """uint64 (new rows,): the first new row of an input row keeps its key, later ones get derived keys.

    row int64 (new rows,): the input row of each; new rows of the same input row are adjacent.
    """
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    rank = np.arange(len(row)) - np.repeat(begins, np.diff(np.append(begins, len(row))))
    own = rng.mix_bits(keys[row] ^ rng.mix_bits(rank.astype(np.uint64)))
    return np.where(rank == 0, keys[row], own)


RowsT_contra = TypeVar("RowsT_contra", bound=Sized, contravariant=True)


class GivesReasons(Protocol[RowsT_contra]):
    """A fitted transform of any modality."""

    def reasons(self, rows: RowsT_contra, /) -> Reasons: ...


def find_shared_reasons(members: Sequence[GivesReasons[RowsT_contra]], rows: RowsT_contra) -> Reasons:
    """The first member's reasons, for rows that none of the members can change."""
    all_reasons = [member.reasons(rows) for member in members]
    is_unchanged = np.ones(len(rows), bool)
    for reasons in all_reasons:
        is_unchanged &= np.any(list(reasons.values()), axis=0) if reasons else False
    return {reason: mask & is_unchanged for reason, mask in all_reasons[0].items()}


def check_members(field: str, members: tuple[object, ...]) -> None:
    """Raise SpecError unless the members are one or more transforms."""
    expected = "one or more transforms"
    if not isinstance(members, tuple | list) or not members:
        raise SpecError(field, expected, repr(members), "write a tuple such as (Crop(), Mask())")
    for member in members:
        if isinstance(member, type) or not hasattr(member, "fit"):
            raise SpecError(field, expected, repr(member), "write Crop() and not Crop")


def check_weights(field: str, weights: tuple[float, ...], count: int) -> None:
    """Raise SpecError unless weights are empty, or one above 0 for each member."""
    if weights and (len(weights) != count or not all(0 < weight < np.inf for weight in weights)):
        raise SpecError(field, f"{count} numbers above 0", repr(weights), "write one for each transform")
