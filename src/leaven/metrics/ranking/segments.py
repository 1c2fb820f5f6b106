"""Whom did it help? Users by the length of their history and by how popular their next item is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.beyond_accuracy import is_head, popularity

Labels = npt.NDArray[np.str_]
HEAD_SHARE = 0.2
FEW = 3


def segments(held_out: HeldOut, train: Histories) -> dict[str, Labels]:
    """name -> one label per user, str (users,).

    "history": short, middle or long, cut at the terciles of the known lengths; "next item": head (the
    most popular fifth of the items), tail, or cold (in no real training row), for the first item
    that the user took next; "next item seen": never, 1 to 3 times, or oftener, in real training rows.
    """
    return {
        "history": by_length(held_out.histories.lengths),
        "next item": by_popularity(held_out, train),
        "next item seen": by_count(held_out, train),
    }


def by_length(lengths: npt.NDArray[np.int64]) -> Labels:
    """str (users,): short, middle or long with its bounds; fewer classes where lengths are alike.

    >>> by_length(np.array([1, 1, 2, 3, 9, 9])).tolist()
    ['short (1)', 'short (1)', 'middle (2-3)', 'middle (2-3)', 'long (9)', 'long (9)']
    """
    cuts = np.unique(np.quantile(lengths, [1 / 3, 2 / 3], method="inverted_cdf")) if len(lengths) else np.zeros(0)
    place = np.searchsorted(cuts, lengths)  # 0: up to the first cut
    names = {1: ["all"], 2: ["short", "long"], 3: ["short", "middle", "long"]}
    used = np.unique(place)
    labels = np.full(len(lengths), "", dtype="U40")
    for name, group in zip(names.get(len(used), []), used, strict=True):
        low, high = int(lengths[place == group].min()), int(lengths[place == group].max())
        labels[place == group] = f"{name} ({low}-{high})" if low < high else f"{name} ({low})"
    return labels


def by_popularity(held_out: HeldOut, train: Histories) -> Labels:
    """str (users,): head, tail or cold, for the first item that each user took next."""
    counts = popularity(train)
    next_item = held_out.items[held_out.starts[:-1]]
    warm = np.where(is_head(counts, HEAD_SHARE)[next_item], "head", "tail")
    return np.where(counts[next_item] == 0, "cold", warm).astype("U40")


def by_count(held_out: HeldOut, train: Histories) -> Labels:
    """str (users,): how often real training rows hold the first item that each user took next."""
    counts = popularity(train)[held_out.items[held_out.starts[:-1]]]
    few = np.where(counts <= FEW, f"1-{FEW} times", f"{FEW + 1} times or oftener")
    return np.where(counts == 0, "never", few).astype("U40")
