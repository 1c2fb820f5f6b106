"""Recognizes Parquet files that leaven wrote, by a mark in their metadata."""

from __future__ import annotations

from glob import glob
from pathlib import Path
from typing import Any


def find_marked_files(source: Any, mark: bytes) -> list[str]:
    """Return the Parquet files of a path, folder or glob if the metadata of all contain a mark; else none."""
    if not isinstance(source, str | Path):
        return []
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(source)
    names = sorted(map(str, path.glob("*.parquet"))) if path.is_dir() else sorted(glob(str(source)))  # noqa: PTH207
    try:
        marked = [name for name in names if mark in (pq.read_schema(name).metadata or {})]
    except (pa.ArrowInvalid, OSError):
        return []
    return marked if len(marked) == len(names) else []
