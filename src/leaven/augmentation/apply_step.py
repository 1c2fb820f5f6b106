"""Application of a fitted step to rows: appended rows, in-place changes, filters and gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.step_fitting import NO_MATCH, FittedStep
from leaven.datasets.histories import NO_PARENT
from leaven.errors import GateError
from leaven.kernels.keyed_rng import derive_copy_keys
from leaven.protocols import Rows, RowsT, count_reasons, get_traits

Mask = npt.NDArray[np.bool_]
Level = float | npt.NDArray[np.float32]
"""A number in 0..1 for all rows, or float32 (rows,)."""
_UNCHANGED_DRAW = "the draw left it as it was"


@dataclass(frozen=True, eq=False)
class StepResult:
    """Rows of a step. unchanged, rejected: reason -> count; n_tried: number of rows before filters."""

    rows: Rows
    n_tried: int = 0
    unchanged: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)


def append_rows(
    fitted: FittedStep, source: Rows, copies: npt.NDArray[np.int32], epoch: int, strength: Level
) -> StepResult:
    """New rows with ids and lineage: `copies[i]` of row i, in the order of the rows.

    strength  of the change: one number, or one per row of the source

    A new row depends only on (step, row id, copy, epoch), so any part of the source gives the same rows as the whole.
    """
    index = np.repeat(np.arange(len(source)), copies)
    copy = np.arange(len(index)) - np.repeat(np.cumsum(copies) - copies, copies)
    like = source.take(index)
    keys = derive_copy_keys(fitted.key, like.row_ids, copy, epoch)
    row_ids = derive_copy_keys(rng.derive_key(fitted.key, "name"), like.row_ids, copy, epoch)
    new, unchanged = _transform(fitted, replace(like, row_ids=row_ids), keys, _broadcast(strength, len(source))[index])
    refused = {NO_MATCH: len(like) - len(new)} if fitted.generator is not None and len(new) < len(like) else {}
    accepted, rejected = _filter_rows(fitted, _add_lineage(fitted, like, row_ids, new))
    return StepResult(accepted, len(index), unchanged, refused | rejected)


def replace_rows(fitted: FittedStep, rows: Rows, epoch: int, strength: Level, share: Level = 1.0) -> StepResult:
    """All rows, each changed in place with probability p * share. Changes that a filter rejects are undone."""
    probability = fitted.step.p * np.asarray(share, np.float64)
    is_drawn = (
        rng.draw_uniform(rng.derive_row_keys(rng.derive_key(fitted.key, "p"), rows.row_ids, 0, epoch), 0) < probability
    )
    index = np.flatnonzero(is_drawn)
    like = rows.take(index)
    strengths = _broadcast(strength, len(rows))[index]
    new, unchanged = _transform(fitted, like, rng.derive_row_keys(fitted.key, like.row_ids, 0, epoch), strengths)
    refused: dict[str, int] = {}
    origin = np.full(len(new), fitted.number, np.int16)
    if len(new) == len(like):
        new, refused = _undo_rejected(fitted, like, new)
        origin = np.where(like.equal_rows(new), like.origin, origin).astype(np.int16)
        source_index = index
    else:
        source = _find_sources(like.row_ids, new.row_ids)
        source_index, new = index[source], replace(new, row_ids=_derive_part_keys(fitted.key, like.row_ids, source))
    others = np.flatnonzero(~is_drawn)
    both = rows.take(others).concat_with([replace(new, origin=origin)])
    order = np.argsort(np.concatenate([others, source_index]), kind="stable")
    return StepResult(both.take(order), len(index), unchanged, refused)


def _broadcast(level: Level, rows: int) -> npt.NDArray[np.float32]:
    return np.broadcast_to(np.asarray(level, np.float32), rows)


def _undo_rejected(fitted: FittedStep, like: RowsT, new: RowsT) -> tuple[RowsT, dict[str, int]]:
    """(changed rows, or the original ones where a filter rejects the change; reason -> count)."""
    refused: dict[str, int] = {}
    for accepts in fitted.filters:
        result = accepts(new)
        for reason, count in result.rejected.items():
            refused[reason] = refused.get(reason, 0) + count
        order = np.where(result.accepted, np.arange(len(new)), len(new) + np.arange(len(new)))
        new = new.concat_with([like]).take(order)
    return new, refused


def check_unchanged_share(step_name: str, allowed: float, tried: int, unchanged: Mapping[str, int]) -> None:
    """Raises GateError where the share of unchanged rows is above `allowed`."""
    share = sum(unchanged.values()) / max(tried, 1)
    if share > allowed:
        got = f"{share:.0%} ({_list_counts(unchanged)})"
        fix = "choose an operator that suits these rows, or raise fail_if_unchanged_over"
        raise GateError(f"step {step_name!r}", f"at most {allowed:.0%} unchanged rows", got, fix)


def check_any_accepted(step_name: str, n_accepted: int, rejected: Mapping[str, int]) -> None:
    """Raises GateError where filters reject all rows of a step."""
    if n_accepted == 0 and any(count for reason, count in rejected.items() if reason != NO_MATCH):
        got, fix = f"none ({_list_counts(rejected)})", "loosen its filters (keep), or make rows that pass them"
        raise GateError(f"step {step_name!r}", "at least one row that its filters accept", got, fix)


def _list_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())


def _transform(
    fitted: FittedStep, like: RowsT, keys: rng.RngKeys, strength: npt.NDArray[np.float32]
) -> tuple[RowsT, dict[str, int]]:
    if fitted.generator is not None:
        return fitted.generator.sample(keys, like), {}
    new = fitted.transform(like, keys, strength)
    if len(new) != len(like) or get_traits(fitted.step.use).copies_rows:
        return new, {}
    return new, count_reasons(fitted.transform.reasons(like), like.equal_rows(new), _UNCHANGED_DRAW)


def _add_lineage(fitted: FittedStep, like: RowsT, row_ids: rng.RngKeys, new: RowsT) -> RowsT:
    """New rows with their own ids, the source row's parent, the step as origin, and its weight."""
    parents = like.parents
    if len(new) != len(like):
        source = _find_sources(row_ids, new.row_ids)
        row_ids, parents = _derive_part_keys(fitted.key, row_ids, source), parents[source]
    if fitted.generator is not None:
        parents = np.where(new.parents == NO_PARENT, np.uint64(NO_PARENT), parents)
    weight = np.full(len(new), fitted.step.row_weight, np.float32)
    if get_traits(fitted.step.use).weighs_rows:
        weight *= new.weight
    return replace(
        new, row_ids=row_ids, parents=parents, origin=np.full(len(new), fitted.number, np.int16), weight=weight
    )


def _derive_part_keys(key: int, row_ids: rng.RngKeys, source: npt.NDArray[np.int64]) -> rng.RngKeys:
    """uint64 (new rows,): ids of rows of which several come from one row. source: index of that row."""
    first = np.flatnonzero(np.concatenate([[True], source[1:] != source[:-1]])) if len(source) else source
    part = np.arange(len(source)) - np.repeat(first, np.diff(np.append(first, len(source))))
    return derive_copy_keys(rng.derive_key(key, "part"), row_ids[source], part, 0)


def _find_sources(row_ids: rng.RngKeys, new: rng.RngKeys) -> npt.NDArray[np.int64]:
    """int64 (new rows,): index of the row with the same id; ids are unique."""
    order = np.argsort(row_ids)
    return np.asarray(order[np.searchsorted(row_ids[order], new)], np.int64)


def _filter_rows(fitted: FittedStep, rows: RowsT) -> tuple[RowsT, dict[str, int]]:
    refused: dict[str, int] = {}
    for accepts in fitted.filters:
        if not len(rows):
            break
        result = accepts(rows)
        for reason, count in result.rejected.items():
            refused[reason] = refused.get(reason, 0) + count
        rows = rows.take(result.accepted)
    return rows, refused
