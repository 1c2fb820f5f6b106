"""Which rows does a fitted step make of these rows?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.conditional_sampling import NONE_FOUND
from leaven.augmentation.step_fitting import FittedStep
from leaven.datasets.histories import FROM_NOISE
from leaven.errors import GateError
from leaven.protocols import Rows

Mask = npt.NDArray[np.bool_]
Level = float | npt.NDArray[np.float32]
"""A number in 0..1 for all rows, or one for each."""
BY_CHANCE = "the draw left it as it was"


@dataclass(frozen=True, eq=False)
class Made:
    """rows: the new ones. unchanged, refused: reason -> how many. tried: rows before any filter."""

    rows: Any
    tried: int = 0
    unchanged: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)


def add(fitted: FittedStep, source: Rows, copies: npt.NDArray[np.int32], epoch: int, strength: Level) -> Made:
    """New rows: `copies[i]` of row i, in the order of the rows, named and with their lineage.

    strength  of the change, or of each row of the source.

    Row and chance depend on (step, row key, copy, epoch) alone, so any part of the source gives the same
    rows as the whole.
    """
    place = np.repeat(np.arange(len(source)), copies)
    ordinal = np.arange(len(place)) - np.repeat(np.cumsum(copies) - copies, copies)
    like = source.take(place)
    chance = _keys(fitted.key, like.keys, ordinal, epoch)
    names = _keys(rng.key(fitted.key, "name"), like.keys, ordinal, epoch)
    new, unchanged = _changed(fitted, replace(like, keys=names), chance, _of_rows(strength, len(source))[place])
    refused = {NONE_FOUND: len(like) - len(new)} if fitted.generator is not None and len(new) < len(like) else {}
    kept, unkept = _kept(fitted, _named(fitted, like, names, new))
    return Made(kept, len(place), unchanged, refused | unkept)


def replaced(fitted: FittedStep, rows: Rows, epoch: int, strength: Level, share: Level = 1.0) -> Made:
    """All rows, some of them changed in place: each with chance p, times `share`. What a filter refuses is undone."""
    chance = fitted.step.p * np.asarray(share, np.float64)
    drawn = rng.uniform(rng.row_keys(rng.key(fitted.key, "p"), rows.keys, 0, epoch), 0) < chance
    place = np.flatnonzero(drawn)
    like = rows.take(place)
    strong = _of_rows(strength, len(rows))[place]
    new, unchanged = _changed(fitted, like, rng.row_keys(fitted.key, like.keys, 0, epoch), strong)
    refused: dict[str, int] = {}
    origin = np.full(len(new), fitted.place, np.int16)
    if len(new) == len(like):
        new, refused = _undone(fitted, like, new)
        origin = np.where(like.same_as(new), like.origin, origin).astype(np.int16)
        came_from = place
    else:
        source = _sources(like.keys, new.keys)
        came_from, new = place[source], replace(new, keys=_part_keys(fitted.key, like.keys, source))
    left = np.flatnonzero(~drawn)
    both = rows.take(left).joined([replace(new, origin=origin)])
    order = np.argsort(np.concatenate([left, came_from]), kind="stable")
    return Made(both.take(order), len(place), unchanged, refused)


def _of_rows(level: Level, rows: int) -> npt.NDArray[np.float32]:
    return np.broadcast_to(np.asarray(level, np.float32), rows)


def _undone(fitted: FittedStep, like: Any, new: Any) -> tuple[Any, dict[str, int]]:
    """The changed rows, those that a filter refuses as they were before."""
    refused: dict[str, int] = {}
    for accepts in fitted.filters:
        kept = accepts(new)
        for reason, count in kept.refused.items():
            refused[reason] = refused.get(reason, 0) + count
        order = np.where(kept.mask, np.arange(len(new)), len(new) + np.arange(len(new)))
        new = new.joined([like]).take(order)
    return new, refused


def check_gate(step_name: str, allowed: float, tried: int, unchanged: Mapping[str, int]) -> None:
    """Raises GateError where more rows than the step allows stayed as they were."""
    share = sum(unchanged.values()) / max(tried, 1)
    if share > allowed:
        got = f"{share:.0%} ({_listed(unchanged)})"
        fix = "choose an operator that suits these rows, or raise fail_if_unchanged_over"
        raise GateError(f"step {step_name!r}", f"at most {allowed:.0%} unchanged rows", got, fix)


def check_kept(step_name: str, made: int, refused: Mapping[str, int]) -> None:
    """Raises GateError where filters left nothing of what a step made."""
    if made == 0 and any(count for reason, count in refused.items() if reason != NONE_FOUND):
        got, fix = f"none ({_listed(refused)})", "loosen its filters (keep), or make rows that pass them"
        raise GateError(f"step {step_name!r}", "at least one row that its filters keep", got, fix)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())


def _changed(
    fitted: FittedStep, like: Any, chance: rng.Keys, strength: npt.NDArray[np.float32]
) -> tuple[Any, dict[str, int]]:
    if fitted.generator is not None:
        return fitted.generator.sample(chance, like), {}
    new = fitted.transform(like, chance, strength)
    if len(new) != len(like) or getattr(fitted.step.use, "copies_rows", False):
        return new, {}
    return new, _why_unchanged(fitted, like, like.same_as(new))


def _why_unchanged(fitted: FittedStep, like: Any, same: Mask) -> dict[str, int]:
    """reason -> rows; each row counts once, under the first reason that fits."""
    found: dict[str, int] = {}
    left = same.copy()
    reasons = getattr(fitted.transform, "reasons", None)
    for reason, mask in (reasons(like) if reasons else {}).items():
        if count := int((left & mask).sum()):
            found[reason] = count
        left &= ~mask
    return found | ({BY_CHANCE: int(left.sum())} if left.any() else {})


def _keys(key: int, rows: rng.Keys, ordinal: npt.NDArray[np.int64] | None, epoch: int) -> rng.Keys:
    """uint64 (rows,): the key of each row's draws; `ordinal` tells the copies of a row apart."""
    if ordinal is None:
        return rng.row_keys(key, rows, 0, epoch)
    keys = np.empty(len(rows), np.uint64)
    for copy in range(int(ordinal.max()) + 1 if len(ordinal) else 0):
        of_copy = ordinal == copy
        keys[of_copy] = rng.row_keys(key, rows[of_copy], copy, epoch)
    return keys


def _named(fitted: FittedStep, like: Any, names: rng.Keys, new: Any) -> Any:
    """New rows with keys of their own, the real row as parent, the step as origin, and its weight."""
    parents = like.parents
    if len(new) != len(like):
        source = _sources(names, new.keys)
        names, parents = _part_keys(fitted.key, names, source), parents[source]
    if fitted.generator is not None:
        parents = np.where(new.parents == FROM_NOISE, np.uint64(FROM_NOISE), parents)
    weight = np.full(len(new), fitted.step.row_weight, np.float32)
    if getattr(fitted.step.use, "weighs_rows", False):
        weight *= new.weight
    return replace(new, keys=names, parents=parents, origin=np.full(len(new), fitted.place, np.int16), weight=weight)


def _part_keys(key: int, names: rng.Keys, source: npt.NDArray[np.int64]) -> rng.Keys:
    """uint64 (new rows,): a key for each of several rows that came from one."""
    first = np.flatnonzero(np.concatenate([[True], source[1:] != source[:-1]])) if len(source) else source
    ordinal = np.arange(len(source)) - np.repeat(first, np.diff(np.append(first, len(source))))
    return _keys(rng.key(key, "part"), names[source], ordinal, 0)


def _sources(names: rng.Keys, new: rng.Keys) -> npt.NDArray[np.int64]:
    """int64 (new rows,): which row each new one came from, known by its key; keys are all different."""
    order = np.argsort(names)
    return np.asarray(order[np.searchsorted(names[order], new)], np.int64)


def _kept(fitted: FittedStep, made: Any) -> tuple[Any, dict[str, int]]:
    refused: dict[str, int] = {}
    for accepts in fitted.filters:
        if not len(made):
            break
        kept = accepts(made)
        for reason, count in kept.refused.items():
            refused[reason] = refused.get(reason, 0) + count
        made = made.take(kept.mask)
    return made, refused
