"""User segments: by length of history and by popularity of the next item."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.beyond_accuracy import count_item_popularity, is_head

Labels = npt.NDArray[np.str_]
HEAD_SHARE = 0.2
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
