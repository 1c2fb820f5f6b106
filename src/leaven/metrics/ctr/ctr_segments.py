"""Where did it help? Labelled rows of new users, cold items, rare categories."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples

Labels = npt.NDArray[np.str_]
COLD_ROWS, HEAD_SHARE, RARE_SHARE = 5, 0.2, 0.02
"""Positive training rows of a cold item at most; the share of the items that is the head; the share of the training
rows below which a category is rare."""


def row_groups(rows: Samples, train: Samples) -> Mapping[str, Labels]:
    """What is grouped by -> str (rows,); what the table has no column for is left out.

    "user": new (no training row) or known. "item" (column item): head, tail or cold. "category" (column item_category):
    rare or common.
    """
    real = train.real_only()
    found: dict[str, Labels] = {"user": np.where(np.isin(rows.users, real.users), "known", "new")}
    if "item" in rows.categorical and "item" in real.categorical:
        found["item"] = _items(_counts(rows, real, "item", positives=True))
    if "item_category" in rows.categorical and "item_category" in real.categorical:
        rare = _counts(rows, real, "item_category") < RARE_SHARE * len(real)
        found["category"] = np.where(rare, "rare", "common")
    return {by: labels for by, labels in found.items() if len(np.unique(labels)) > 1}


def _items(counts: npt.NDArray[np.int64]) -> Labels:
    known = np.unique(counts[counts > COLD_ROWS])
    bar = np.quantile(known, 1 - HEAD_SHARE) if len(known) else 0
    return np.where(counts <= COLD_ROWS, "cold", np.where(counts >= bar, "head", "tail"))


def _counts(rows: Samples, real: Samples, column: str, positives: bool = False) -> npt.NDArray[np.int64]:
    """int64 (rows,): how many training rows (positive ones) have the row's name."""
    place = real.categorical.index(column)
    own = rows.recoded({**rows.levels, column: real.levels[column]}).codes[:, rows.categorical.index(column)]
    codes = real.codes[real.label > 0.5, place] if positives else real.codes[:, place]
    counts = np.bincount(codes, minlength=len(real.levels[column]) + 1)
    counts[0] = 0  # a name that training had not
    return np.asarray(counts[own], np.int64)
