"""How does a combination treat the transforms inside it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories, Ints, concat
from leaven.errors import SpecError
from leaven.protocols import FittedTransform, Keys, Strength
from leaven.transforms.stateless import Reasons

Fitted = tuple[FittedTransform, ...]


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
