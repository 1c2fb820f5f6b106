"""How are two labelled rows mixed, and their labels with them?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.protocols import Keys, Strength
from leaven.transforms.tabular.column_selection import lot


@dataclass(frozen=True)
class RowMixup:
    """Mix each row with a training row, and the labels by the same share (mixup, Zhang and others, ICLR 2018).

    alpha  of the Beta(α, α) law of the other row's share, folded to at most a half (× strength)
    way    "blend": numbers are averaged, and each category is the other row's by a lot with that share;
           "cut": each column of either kind is wholly the one's or the other's (CutMix, ICCV 2019, for tables)

    A number that one of the two rows misses is the other's only where the lot says so. The label becomes soft:
    models that know only 0 and 1 take the row twice, with shared weight.
    """

    alpha: float = 0.3
    way: Literal["blend", "cut"] = "blend"
    borrows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.alpha < np.inf or self.way not in ("blend", "cut"):
            raise SpecError("row_mixup", "alpha above 0, way blend or cut", f"{self.alpha}, {self.way!r}", "")

    def fit(self, train: Samples) -> Mixing:
        """Keeps the training rows."""
        return Mixing(self, train.take(np.argsort(train.keys, kind="stable")))


@dataclass(frozen=True, eq=False)
class Mixing:
    """Mixes rows with the training rows, which are in the order of their keys."""

    wish: RowMixup
    train: Samples

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The same rows, cells and labels mixed."""
        from scipy.special import betaincinv

        donor = np.minimum((lot(keys, "mixup", "donor") * len(self.train)).astype(np.int64), len(self.train) - 1)
        share = betaincinv(self.wish.alpha, self.wish.alpha, lot(keys, "mixup", "share"))
        share = np.minimum(share, 1 - share) * strength
        other = self.train.recoded(rows.levels) if self.train.levels != rows.levels else self.train
        numbers, codes = rows.numbers.copy(), rows.codes.copy()
        for column, name in enumerate(rows.numeric):
            mine, theirs = rows.numbers[:, column], other.numbers[donor, column]
            taken = np.where(lot(keys, "mixup", name) < share, theirs, mine)
            either = np.isnan(mine) | np.isnan(theirs) | (self.wish.way == "cut")
            blend = mine + np.where(either, 0.0, share * (theirs - mine))
            numbers[:, column] = np.where(either, taken, blend)
        for column, name in enumerate(rows.categorical):
            theirs_too = lot(keys, "mixup", name) < share
            codes[:, column] = np.where(theirs_too, other.codes[donor, column], rows.codes[:, column])
        label = rows.label + share * (other.label[donor] - rows.label)
        return replace(rows, numbers=numbers, codes=codes, label=label.astype(np.float32))
