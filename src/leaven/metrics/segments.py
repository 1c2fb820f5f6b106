"""Segments: users by history and next item; labeled rows by new users, cold items, rare categories."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut, Histories
from leaven.datasets.samples import Samples
from leaven.metrics.ranking.beyond_accuracy import count_item_popularity, is_head

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
        found["item"] = _label_items(_count_training_rows(rows, real, "item", positives=True))
    if "item_category" in rows.categorical and "item_category" in real.categorical:
        rare = _count_training_rows(rows, real, "item_category") < RARE_SHARE * len(real)
        found["category"] = np.where(rare, "rare", "common")
    return {by: labels for by, labels in found.items() if len(np.unique(labels)) > 1}


def _label_items(counts: npt.NDArray[np.int64]) -> Labels:
    """Return head, tail or cold for counts of positive training rows, str (rows,)."""
    known = np.unique(counts[counts > COLD_ROWS])
    bar = np.quantile(known, 1 - HEAD_SHARE) if len(known) else 0
    return np.where(counts <= COLD_ROWS, "cold", np.where(counts >= bar, "head", "tail"))


def _count_training_rows(rows: Samples, real: Samples, column: str, positives: bool = False) -> npt.NDArray[np.int64]:
    """Return the number of (positive) training rows with the row's name, int64 (rows,)."""
    place = real.categorical.index(column)
    own = rows.recode_levels({**rows.levels, column: real.levels[column]}).codes[:, rows.categorical.index(column)]
    codes = real.codes[real.label > 0.5, place] if positives else real.codes[:, place]
    counts = np.bincount(codes, minlength=len(real.levels[column]) + 1)
    counts[0] = 0  # names absent from training
    return np.asarray(counts[own], np.int64)
