"""Segments: users by history, next item and attributes; labeled rows by new users, cold items, rare categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut, Histories
from leaven.datasets.log_names import LogNames, RowIds
from leaven.datasets.samples import Samples
from leaven.metrics.ranking.beyond_accuracy import count_item_popularity, is_head
from leaven.stats.effect import MIN_USERS

if TYPE_CHECKING:
    import pyarrow as pa

Labels = npt.NDArray[np.str_]
HEAD_SHARE = 0.2  # of the items, the most popular
MAX_FEW_TIMES = 3


def label_user_segments(held_out: HeldOut, train: Histories) -> dict[str, Labels]:
    """Return name -> one label per user, str (users,).

    "history": short, middle or long, cut at the terciles of the history lengths; "next item": head (the most popular
    fifth of the items), tail, or cold (no real training event), for the first held-out item; "next item seen": never, 1
    to 3 times, or more often, in real training rows.
    """
    return {
        "history": label_by_length(held_out.histories.lengths),
        "next item": label_by_popularity(held_out, train),
        "next item seen": label_by_count(held_out, train),
    }


def label_by_length(lengths: npt.NDArray[np.int64]) -> Labels:
    """Return short, middle or long with its bounds, str (users,); fewer classes for few distinct lengths.

    >>> label_by_length(np.array([1, 1, 2, 3, 9, 9])).tolist()
    ['short (1)', 'short (1)', 'middle (2-3)', 'middle (2-3)', 'long (9)', 'long (9)']
    """
    cuts = np.unique(np.quantile(lengths, [1 / 3, 2 / 3], method="inverted_cdf")) if len(lengths) else np.zeros(0)
    group_of_row = np.searchsorted(cuts, lengths)  # 0: up to the first cut
    names = {1: ["all"], 2: ["short", "long"], 3: ["short", "middle", "long"]}
    used = np.unique(group_of_row)
    labels = np.full(len(lengths), "", dtype="U40")
    for name, group in zip(names.get(len(used), []), used, strict=True):
        low, high = int(lengths[group_of_row == group].min()), int(lengths[group_of_row == group].max())
        labels[group_of_row == group] = f"{name} ({low}-{high})" if low < high else f"{name} ({low})"
    return labels


def label_by_popularity(held_out: HeldOut, train: Histories) -> Labels:
    """Return head, tail or cold for the first held-out item of each user, str (users,)."""
    counts = count_item_popularity(train)
    next_item = held_out.target_items[held_out.target_starts[:-1]]
    warm = np.where(is_head(counts, HEAD_SHARE)[next_item], "head", "tail")
    return np.where(counts[next_item] == 0, "cold", warm).astype("U40")


def label_by_count(held_out: HeldOut, train: Histories) -> Labels:
    """Return the frequency class of the first held-out item in real training rows, str (users,)."""
    counts = count_item_popularity(train)[held_out.target_items[held_out.target_starts[:-1]]]
    # The label seeds the resampling of its segment: other words would give other intervals.
    few = np.where(counts <= MAX_FEW_TIMES, f"1-{MAX_FEW_TIMES} times", f"{MAX_FEW_TIMES + 1} times or oftener")
    return np.where(counts == 0, "never", few).astype("U40")


MAX_VALUES = 8
"""Segments of one attribute of the users: more distinct numbers are cut at their terciles, rarer texts are joined."""
UNKNOWN_VALUE, OTHER_VALUES = "not known", "other values"
_OWN_GROUPINGS = ("history", "next item", "next item seen", "user", "item", "category")


def label_user_attributes(names: LogNames | None, row_ids: RowIds) -> dict[str, Labels]:
    """Return attribute -> its value for the user of each row, str (rows,); attributes with one value are left out.

    Numbers with more than 8 values are cut at their terciles: "low (7-25)". Of texts, the 7 most frequent and "other
    values", unless all are rarer than `MIN_USERS`. "not known": users without a value.
    """
    if names is None:
        return {}
    found = {name: label_by_value(names.find_attribute(name, row_ids)) for name in names.attributes}
    varied = {name: labels for name, labels in found.items() if len(np.unique(labels)) > 1}
    return {f"user {name}" if name in _OWN_GROUPINGS else name: labels for name, labels in varied.items()}


def label_by_value(cells: pa.Array) -> Labels:
    """Return the value or the range of values of each cell, str (rows,).

    >>> import pyarrow as pa
    >>> label_by_value(pa.array([1.0, 2.0, None])).tolist(), label_by_value(pa.array(["f", "m", None])).tolist()
    (['1', '2', 'not known'], ['f', 'm', 'not known'])
    """
    import pyarrow as pa

    is_known = np.asarray(cells.is_valid(), bool)
    labels = np.full(len(cells), UNKNOWN_VALUE, dtype=object)
    if pa.types.is_floating(cells.type):
        labels[is_known] = _label_numbers(np.asarray(cells.drop_null(), np.float64))
    else:
        values, index, counts = np.unique(
            np.asarray(cells.drop_null().to_pylist(), np.str_), return_inverse=True, return_counts=True
        )
        rank = np.argsort(np.argsort(-counts, kind="stable"))
        # Where every value is rare, the joined others would be one group of nearly all users: no information.
        joins = len(values) > MAX_VALUES and counts.max() >= MIN_USERS
        is_frequent = rank < MAX_VALUES - 1 if joins else np.ones(len(values), bool)
        labels[is_known] = np.where(is_frequent, values, OTHER_VALUES)[index]
    return np.asarray(labels, np.str_)


def _label_numbers(numbers: npt.NDArray[np.float64]) -> Labels:
    """Return each number as text, or the tercile that holds it where there are many."""
    distinct = np.unique(numbers)
    if len(distinct) <= MAX_VALUES:
        return np.asarray([f"{number:g}" for number in distinct.tolist()], np.str_)[np.searchsorted(distinct, numbers)]
    cuts = np.unique(np.quantile(numbers, [1 / 3, 2 / 3], method="inverted_cdf"))
    group = np.searchsorted(cuts, numbers)
    used = np.unique(group)
    names = {1: ["all"], 2: ["low", "high"], 3: ["low", "middle", "high"]}[len(used)]
    ranges = [f"{numbers[group == one].min():g}-{numbers[group == one].max():g}" for one in used]
    words = np.asarray([f"{name} ({shown})" for name, shown in zip(names, ranges, strict=True)], np.str_)
    return np.asarray(words[np.searchsorted(used, group)], np.str_)


COLD_ROWS, RARE_SHARE = 5, 0.02
"""Maximum positive training rows of a cold item; share of the training rows below which a category is rare."""


def label_row_segments(rows: Samples, train: Samples) -> Mapping[str, Labels]:
    """Return segment -> label of each row, str (rows,); segments without a column in the table are left out.

    "user": new (no training row) or known. "item" (column item): head, tail or cold. "category" (column item_category):
    rare or common.
    """
    real = train.select_real()
    found: dict[str, Labels] = {"user": np.where(np.isin(rows.user_ids, real.user_ids), "known", "new")}
    if "item" in rows.categorical and "item" in real.categorical:
        counts = _count_training_rows(rows, real, "item", positives=True)
        known = np.unique(counts[counts > COLD_ROWS])
        bar = np.quantile(known, 1 - HEAD_SHARE) if len(known) else 0
        found["item"] = np.where(counts <= COLD_ROWS, "cold", np.where(counts >= bar, "head", "tail"))
    if "item_category" in rows.categorical and "item_category" in real.categorical:
        rare = _count_training_rows(rows, real, "item_category") < RARE_SHARE * len(real)
        found["category"] = np.where(rare, "rare", "common")
    return {by: labels for by, labels in found.items() if len(np.unique(labels)) > 1}


def _count_training_rows(rows: Samples, real: Samples, column: str, positives: bool = False) -> npt.NDArray[np.int64]:
    """Return the number of (positive) training rows with the row's name, int64 (rows,)."""
    place = real.categorical.index(column)
    own = rows.recode_levels({**rows.levels, column: real.levels[column]}).codes[:, rows.categorical.index(column)]
    codes = real.codes[real.label > 0.5, place] if positives else real.codes[:, place]
    counts = np.bincount(codes, minlength=len(real.levels[column]) + 1)
    counts[0] = 0  # names absent from training
    return np.asarray(counts[own], np.int64)
