"""Files of fitted objects: written atomically, arrays as `.npz`, settings as `.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError

Arrays = dict[str, npt.NDArray[Any]]
"""Name -> array of any dtype."""


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Context manager: a temporary path to write to; it replaces `path` if the block ends without an error.

    A reader sees the old file or the new one, never a part of it. The folder is created where it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    yield part
    part.replace(path)


def replace_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file atomically."""
    with replace_file(path) as part:
        part.write_text(text, encoding="utf-8")


def save_arrays(
    folder: Path, name: str, arrays: Mapping[str, npt.NDArray[np.generic]], settings: Mapping[str, Any]
) -> None:
    """Writes `name.npz` and `name.json`; equal arrays and settings give equal bytes."""
    with replace_file(folder / f"{name}.npz") as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    replace_text(folder / f"{name}.json", json.dumps(settings))


def load_arrays(folder: Path, name: str) -> tuple[Arrays, dict[str, Any]]:
    """Reads (arrays, settings) that `save_arrays` wrote.

    Raises DataError if a file is missing or has another format.
    """
    try:
        settings = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        # opened here: `np.load` leaves a damaged file open
        with (folder / f"{name}.npz").open("rb") as file, np.load(file, allow_pickle=False) as held:
            return {key: held[key] for key in held.files}, settings
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        wanted = f"{name}.npz and {name}.json of a fitted {name}"
        raise DataError(str(folder), wanted, str(error), "fit it again, or name the folder it was saved to") from error


def restore_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a config that was written as JSON: lists become tuples again."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
