"""What do made rows look like: which columns, which names?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.errors import DataError, FitError

Keys = npt.NDArray[np.uint64]
_CHUNK = 512  # rows of one forward pass, always: the same bytes at any batch size


@dataclass(frozen=True)
class Layout:
    """The columns and levels of the training rows."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, train: Samples, kind: str) -> Layout:
        """FitError for no rows."""
        if not len(train):
            raise FitError(f"{kind}.fit", "rows to learn from", "none", "")
        return cls(train.numeric, train.categorical, dict(train.levels))

    def made(
        self,
        numbers: npt.NDArray[np.float64],
        codes: npt.NDArray[np.int32],
        label: npt.NDArray[np.float32],
        keys: Keys,
    ) -> Samples:
        """Rows that no real row stands behind: nobody's, at no time, parents 0, of step 1 until the plan names it."""
        rows = len(keys)
        return Samples(
            numeric=self.numeric,
            categorical=self.categorical,
            numbers=numbers,
            codes=codes,
            levels=self.levels,
            label=label.astype(np.float32),
            weight=np.ones(rows, np.float32),
            keys=keys,
            parents=np.zeros(rows, np.uint64),
            origin=np.ones(rows, np.int16),
            users=np.zeros(rows, np.uint64),
            times=np.zeros(rows, np.int64),
        )

    def said(self) -> dict[str, Any]:
        """JSON-able; `from_said` reads it back."""
        return {"numeric": self.numeric, "categorical": self.categorical, "levels": dict(self.levels)}

    @classmethod
    def from_said(cls, said: Mapping[str, Any]) -> Layout:
        """What `said` says."""
        levels = {name: tuple(names) for name, names in said["levels"].items()}
        return cls(tuple(said["numeric"]), tuple(said["categorical"]), levels)


def in_chunks(work: Callable[..., Any], keys: Keys, *arrays: npt.NDArray[Any]) -> Any:
    """`work` on chunks of one size, the last filled up with copies of its first row."""
    parts = []
    for low in range(0, len(keys), _CHUNK):
        place = np.minimum(np.arange(low, low + _CHUNK), len(keys) - 1)
        place[len(keys) - low :] = low
        parts.append(work(keys[place], *(array[place] for array in arrays))[: len(keys) - low])
    return np.concatenate(parts) if parts else np.zeros((0, *arrays[0].shape[1:]), np.int64)


def write(folder: Path, name: str, arrays: Mapping[str, npt.NDArray[Any]], said: Mapping[str, Any]) -> None:
    """`name.npz` and `name.json`, each written beside and renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.npz.part"
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    part.replace(folder / f"{name}.npz")
    part = folder / f"{name}.json.part"
    part.write_text(json.dumps(said), encoding="utf-8")
    part.replace(folder / f"{name}.json")


def read(folder: Path, name: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """What `write` wrote; DataError where it is not there or another thing."""
    try:
        said = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        with np.load(folder / f"{name}.npz", allow_pickle=False) as held:
            return {key: held[key] for key in held.files}, said
    except (OSError, ValueError, EOFError) as error:
        raise DataError(str(folder), f"a fitted {name}", str(error), "fit it again") from error
