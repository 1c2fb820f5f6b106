"""Segments of labeled rows: new users, cold items, rare categories."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples

Labels = npt.NDArray[np.str_]
COLD_ROWS, HEAD_SHARE, RARE_SHARE = 5, 0.2, 0.02
"""Maximum positive training rows of a cold item; share of the items in the head; share of the training rows below which
a category is rare."""


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
