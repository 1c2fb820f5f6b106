"""Storage of fitted recommenders: arrays in a `.npz` file, settings in a `.json` file, both written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError


def save_arrays(folder: Path, name: str, arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Writes `name.npz` and `name.json`; equal arrays and facts give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.npz.part"
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    part.replace(folder / f"{name}.npz")
    part = folder / f"{name}.json.part"
    part.write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")
    part.replace(folder / f"{name}.json")


def load_arrays(folder: Path, name: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Reads (arrays, facts) that `save_arrays` wrote.

    Raises DataError if a file is missing or has another format.
    """
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        with np.load(folder / f"{name}.npz", allow_pickle=False) as held:
            return {key: held[key] for key in held.files}, facts
    except (OSError, ValueError, EOFError) as error:
        wanted = f"{name}.npz and {name}.json of a fitted {name}"
        raise DataError(str(folder), wanted, str(error), "fit it again, or name the folder it was saved to") from error
