"""How does a fitted recommender lie in a folder?

Arrays in one `.npz`, the rest in one `.json` beside it; each is written beside and renamed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError


def write(folder: Path, name: str, arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write `name.npz` and `name.json`; the same arrays and facts give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.npz.part"
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    part.replace(folder / f"{name}.npz")
    part = folder / f"{name}.json.part"
    part.write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")
    part.replace(folder / f"{name}.json")


def read(folder: Path, name: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """(arrays, facts) that `write` wrote.

    Raises DataError where a file is missing or is not what `write` writes.
    """
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        with np.load(folder / f"{name}.npz", allow_pickle=False) as held:
            return {key: held[key] for key in held.files}, facts
    except (OSError, ValueError, EOFError) as error:
        wanted = f"{name}.npz and {name}.json of a fitted {name}"
        raise DataError(str(folder), wanted, str(error), "fit it again, or name the folder it was saved to") from error
