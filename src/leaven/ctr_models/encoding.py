"""How does a labelled row become numbers that a model can take?

Learned from the training rows alone; columns are found by their names, categories by theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.ctr_models.imputation import Filling, Missing
from leaven.datasets.samples import Samples
from leaven.errors import DataError, FitError, nearest
from leaven.protocols import Training

FAR = 8.0
"""Standard deviations beyond which a number is held back: one absurd price must not move a net."""
_SKEW = 2.0  # above it, the signed logarithm of 1 + |x| is taken


@dataclass(frozen=True, eq=False)
class Encoding:
    """numeric, categorical: the columns used. levels: column -> names that have a code. filling: for missing numbers.
    logged bool, centre, scale float64 (numeric and marks,): how each number is brought to a common size. left_out:
    column -> why it is not used.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    filling: Filling
    logged: npt.NDArray[np.bool_]
    centre: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    left_out: Mapping[str, str]

    @classmethod
    def fit(cls, train: Samples, fewest_rows: int = 1, most_levels: int | None = None) -> Encoding:
        """Names with fewer rows than `fewest_rows`, or beyond the `most_levels` most frequent, are unknown.

        Raises FitError where no row or no column is left to learn from.
        """
        if not len(train):
            raise FitError("click model", "rows to learn from", "none", "")
        left_out = _idle(train)
        numeric = tuple(name for name in train.numeric if name not in left_out)
        categorical = tuple(name for name in train.categorical if name not in left_out)
        if not numeric and not categorical:
            raise FitError("click model", "a column that varies", f"{len(left_out)} that do not", "")
        chosen = _chosen(train, numeric, categorical)
        filling = Missing().fit(chosen)
        numbers = filling(chosen).numbers
        logged = _is_skewed(numbers)
        sized = np.where(logged, np.sign(numbers) * np.log1p(np.abs(numbers)), numbers)
        scale = sized.std(axis=0)
        levels = {name: _kept(chosen, place, fewest_rows, most_levels) for place, name in enumerate(categorical)}
        centre = sized.mean(axis=0)
        return cls(numeric, categorical, levels, filling, logged, centre, np.where(scale > 0, scale, 1.0), left_out)

    @property
    def width(self) -> int:
        """Numbers of a row, marks of missing cells counted in."""
        return len(self.centre)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers."""
        return (*self.numeric, *(f"{name}_is_missing" for name in self.filling.marked))

    def numbers(self, rows: Samples) -> npt.NDArray[np.float32]:
        """float32 (rows, width): mean 0 and deviation 1 over the training rows, no gaps.

        Raises DataError for a column that the rows lack.
        """
        numbers = self.filling(_chosen(rows, self.numeric, ())).numbers
        sized = np.where(self.logged, np.sign(numbers) * np.log1p(np.abs(numbers)), numbers)
        return np.clip((sized - self.centre) / self.scale, -FAR, FAR).astype(np.float32)

    def codes(self, rows: Samples) -> npt.NDArray[np.int32]:
        """int32 (rows, categorical): places in `levels`, from 1; 0 for missing, rare and unseen names.

        Raises DataError for a column that the rows lack.
        """
        return _chosen(rows, (), self.categorical).recoded(self.levels).codes

    def unseen(self, rows: Samples) -> dict[str, int]:
        """Column -> how many rows hold a name without a code."""
        own = _chosen(rows, (), self.categorical)
        lost = ((own.codes > 0) & (self.codes(rows) == 0)).sum(axis=0).tolist()
        return {name: count for name, count in zip(self.categorical, lost, strict=True) if count}

    def said(self) -> dict[str, Any]:
        """JSON-able; `of` reads it back."""
        arrays = {name: getattr(self, name).tolist() for name in ("logged", "centre", "scale")}
        filling = {"values": dict(self.filling.values), "marked": self.filling.marked}
        own = {name: getattr(self, name) for name in ("numeric", "categorical")}
        return {**own, **arrays, "levels": dict(self.levels), "filling": filling, "left_out": dict(self.left_out)}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Encoding:
        """What `said` says."""
        return cls(
            numeric=tuple(said["numeric"]),
            categorical=tuple(said["categorical"]),
            levels={name: tuple(levels) for name, levels in said["levels"].items()},
            filling=Filling(dict(said["filling"]["values"]), tuple(said["filling"]["marked"])),
            logged=np.asarray(said["logged"], bool),
            centre=np.asarray(said["centre"], np.float64),
            scale=np.asarray(said["scale"], np.float64),
            left_out=dict(said["left_out"]),
        )


def learned_from(train: Samples, training: Training) -> Samples:
    """What a model that knows no epochs learns from: the rows half-way through training where they change.

    Raises FitError unless they hold both classes.
    """
    rows: Samples = train if training.refresh is None else training.refresh(0, 0.5)
    two_classes(rows)
    return rows


def no_steps(wish: Any, train: Samples) -> None:
    """Nothing that counts optimiser steps."""
    return


def two_classes(train: Samples) -> None:
    """FitError unless the rows that count hold both classes."""
    label = train.label[train.weight > 0]
    if not len(label) or label.max() <= 0 or label.min() >= 1:
        got = "no rows" if not len(label) else f"label {float(label[0]):g} in all {len(label):,} rows"
        raise FitError("click model", "rows of both classes", got, "sample negatives, or add the other class")


def hard(train: Samples) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """(row, class, weight): a soft label as two rows that share its weight, for models that know only 0 and 1."""
    rows = np.arange(len(train))
    label, weight = train.label.astype(np.float64), train.weight.astype(np.float64)
    row = np.concatenate([rows, rows])
    kind = np.repeat([1, 0], len(rows))
    share = np.concatenate([label * weight, (1 - label) * weight])
    keep = share > 0
    return row[keep], kind[keep], share[keep]


def _chosen(rows: Samples, numeric: tuple[str, ...], categorical: tuple[str, ...]) -> Samples:
    """These columns only, in this order."""
    from dataclasses import replace

    for kind, wanted, there in (("number", numeric, rows.numeric), ("category", categorical, rows.categorical)):
        for name in wanted:
            if name not in there:
                raise DataError(f"column {name!r}", f"a {kind} column, as in training", "none", nearest(name, there))
    numbers = rows.numbers[:, [rows.numeric.index(name) for name in numeric]]
    codes = rows.codes[:, [rows.categorical.index(name) for name in categorical]]
    levels = {name: rows.levels[name] for name in categorical}
    return replace(rows, numeric=numeric, categorical=categorical, numbers=numbers, codes=codes, levels=levels)


def _idle(train: Samples) -> dict[str, str]:
    """Columns that say nothing: name -> why."""
    idle = {}
    for place, name in enumerate(train.numeric):
        cells = train.numbers[:, place]
        known = cells[~np.isnan(cells)]
        if not len(known):
            idle[name] = "all missing"
        elif len(known) == len(cells) and known.min() == known.max():
            idle[name] = "constant"
    for place, name in enumerate(train.categorical):
        codes = train.codes[:, place]
        if codes.min() == codes.max():
            idle[name] = "all missing" if codes.max() == 0 else "constant"
    return idle


def _is_skewed(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """bool (columns,): whose third standardised moment is large."""
    centred = numbers - numbers.mean(axis=0)
    spread = np.where(centred.std(axis=0) > 0, centred.std(axis=0), 1.0)
    skewed: npt.NDArray[np.bool_] = np.abs(((centred / spread) ** 3).mean(axis=0)) > _SKEW
    return skewed


def _kept(train: Samples, place: int, fewest_rows: int, most_levels: int | None) -> tuple[str, ...]:
    """The names that get a code, in their own order."""
    name = train.categorical[place]
    counts = np.bincount(train.codes[:, place], minlength=len(train.levels[name]) + 1)[1:]
    order = np.argsort(-counts, kind="stable")[:most_levels]
    chosen = np.sort(order[counts[order] >= fewest_rows])
    return tuple(train.levels[name][code] for code in chosen)
