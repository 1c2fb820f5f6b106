"""Schema of synthetic feature rows, and evaluation in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.errors import DataError, FitError
from leaven.protocols import RngKeys

_CHUNK = 512  # rows of every forward pass, for identical bytes at any batch size


@dataclass(frozen=True)
class RowSchema:
    """The columns and levels of the training rows."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]

    @classmethod
    def from_samples(cls, train: Samples, kind: str) -> RowSchema:
        """Returns the schema of training rows. Raises FitError for no rows, DataError for infinite numbers."""
        if not len(train):
            raise FitError(f"{kind}.fit", "training rows", "none", "")
        n_infinite = np.isinf(train.numbers).sum(axis=0)
        for name, count in zip(train.numeric, n_infinite.tolist(), strict=True):
            if count:
                fix = "replace them, or leave the cells empty: missing numbers are learned as such"
                raise DataError(f"{kind}.fit, column {name!r}", "finite numbers", f"{count:,} infinite ones", fix)
        return cls(train.numeric, train.categorical, dict(train.levels))

    def build_samples(
        self,
        numbers: npt.NDArray[np.float64],
        codes: npt.NDArray[np.int32],
        label: npt.NDArray[np.float32],
        keys: RngKeys,
    ) -> Samples:
        """Returns synthetic rows without user, time or parent; their origin is step 1 until the plan sets it."""
        n_rows = len(keys)
        return Samples(
            numeric=self.numeric,
            categorical=self.categorical,
            numbers=numbers,
            codes=codes,
            levels=self.levels,
            label=label.astype(np.float32),
            weight=np.ones(n_rows, np.float32),
            row_ids=keys,
            parents=np.zeros(n_rows, np.uint64),
            origin=np.ones(n_rows, np.int16),
            user_ids=np.zeros(n_rows, np.uint64),
            times=np.zeros(n_rows, np.int64),
        )

    def to_json(self) -> dict[str, object]:
        """Returns a JSON value; `from_json` is the inverse."""
        return {"numeric": self.numeric, "categorical": self.categorical, "levels": dict(self.levels)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RowSchema:
        """Returns the schema of a `to_json` value."""
        levels = {name: tuple(names) for name, names in value["levels"].items()}
        return cls(tuple(value["numeric"]), tuple(value["categorical"]), levels)


CellT = TypeVar("CellT", np.int64, np.float64)


def apply_in_chunks(
    function: Callable[..., npt.NDArray[CellT]], keys: RngKeys, *arrays: npt.NDArray[np.generic]
) -> npt.NDArray[CellT]:
    """Returns the function's results on chunks of fixed size; the last chunk is padded with copies of its first row."""
    parts = []
    for low in range(0, len(keys), _CHUNK):
        index = np.minimum(np.arange(low, low + _CHUNK), len(keys) - 1)
        index[len(keys) - low :] = low
        parts.append(function(keys[index], *(array[index] for array in arrays))[: len(keys) - low])
    return np.concatenate(parts or [np.zeros((0, *arrays[0].shape[1:]), np.int64)])
