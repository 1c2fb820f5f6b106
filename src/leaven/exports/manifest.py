"""`Manifest`: the files of an export, what they hold and what the target cannot hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from leaven.errors import DataError

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class ExportFile:
    """One file of an export. path: relative to the folder; rows: its records; columns: their fields, in order."""

    path: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Loss:
    """What the files do not hold. column: of the source; rows: number of rows that had a value; why: the reason."""

    column: str
    rows: int
    why: str


@dataclass(frozen=True)
class Manifest:
    """What an export wrote.

    target     kind of the exporter, and its fields in `options`
    library    the library that reads the files, as tested
    files      all files but the manifest
    lost       what the files cannot hold; `lineage.parquet` holds origin, step, parent and weight in any case
    usage      Python code, or a command, that reads the files
    facts      counts of the source, and what the exporter needs to read its files again
    """

    target: str
    options: Mapping[str, object]
    library: str
    files: tuple[ExportFile, ...]
    lost: tuple[Loss, ...]
    usage: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """All fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Manifest:
        """The manifest of `to_json`."""
        files = tuple(ExportFile(**{**file, "columns": tuple(file["columns"])}) for file in content["files"])
        return cls(**{**content, "files": files, "lost": tuple(Loss(**loss) for loss in content["lost"])})


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export.

    Raises DataError for a folder that no export wrote.
    """
    path = folder / MANIFEST_FILE
    if not path.exists():
        raise DataError(str(folder), "a folder of `leaven export`", f"no {MANIFEST_FILE}", "export to it first")
    return Manifest.from_json(json.loads(path.read_text(encoding="utf-8")))
