"""Mixes labeled rows and their labels, or repeats rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.protocols import FittedTabularTransform, OperatorTraits, RngKeys, Strength
from leaven.transforms.tabular.cell_noise import draw_column_uniform


@dataclass(frozen=True)
class RowMixup:
    """Mix each row with a training row, and the labels by the same share (mixup, Zhang and others, ICLR 2018).

    alpha   of the Beta(α, α) distribution of the other row's share, folded to at most 0.5 (× strength)
    method  "blend": numbers are averaged, categories are drawn with that share; "cut": each column is drawn from one
            of the rows (CutMix, ICCV 2019, for tables)

    A number that is missing in one row is drawn as in "cut". The label becomes soft: models for labels 0 and 1 take
    the row twice, with split weight.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("row mixup", mixes_users=True)
    alpha: float = 0.3
    method: Literal["blend", "cut"] = "blend"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < np.inf or self.method not in ("blend", "cut"):
            raise SpecError("row_mixup", "alpha above 0, method blend or cut", f"{self.alpha}, {self.method!r}", "")

    def fit(self, train: Samples) -> FittedRowMixup:
        """Keeps the training rows."""
        return FittedRowMixup(self, train.take(np.argsort(train.row_ids, kind="stable")))


@dataclass(frozen=True, eq=False)
class FittedRowMixup(FittedTabularTransform):
    """Mixes rows with the training rows, sorted by row id."""

    config: RowMixup
    train: Samples

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples:
        """The rows with mixed cells and labels."""
        from scipy.special import betaincinv

        donor = np.minimum(
            (draw_column_uniform(keys, "mixup", "donor") * len(self.train)).astype(np.int64), len(self.train) - 1
        )
        share = betaincinv(self.config.alpha, self.config.alpha, draw_column_uniform(keys, "mixup", "share"))
        share = np.minimum(share, 1 - share) * strength
        other = self.train.recode_levels(rows.levels) if self.train.levels != rows.levels else self.train
        numbers, codes = rows.numbers.copy(), rows.codes.copy()
        for column, name in enumerate(rows.numeric):
            own, donated = rows.numbers[:, column], other.numbers[donor, column]
            drawn = np.where(draw_column_uniform(keys, "mixup", name) < share, donated, own)
            is_cut = np.isnan(own) | np.isnan(donated) | (self.config.method == "cut")
            blend = own + np.where(is_cut, 0.0, share * (donated - own))
            numbers[:, column] = np.where(is_cut, drawn, blend)
        for column, name in enumerate(rows.categorical):
            is_donated = draw_column_uniform(keys, "mixup", name) < share
            codes[:, column] = np.where(is_donated, other.codes[donor, column], rows.codes[:, column])
        label = rows.label + share * (other.label[donor] - rows.label)
        return replace(rows, numbers=numbers, codes=codes, label=label.astype(np.float32))


@dataclass(frozen=True)
class RepeatRows:
    """Leave each row unchanged: a step with copies then yields duplicated rows."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("repeat rows", copies_rows=True)

    def fit(self, train: Samples) -> FittedRepeatRows:
        """Learns nothing."""
        return FittedRepeatRows()


@dataclass(frozen=True)
class FittedRepeatRows(FittedTabularTransform):
    """Returns rows unchanged."""

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples:
        """The rows unchanged."""
        return rows
