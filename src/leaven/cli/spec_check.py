"""Checks of a spec and its files that need no heavy import, so that a wrong path is reported at once."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaven.errors import DataError, SpecError

_LOG_SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".parquet", ".feather", ".json", ".jsonl", ".ndjson", ".xlsx"),
    *(".gz", ".zip", ".bz2", ".xz", ".zst", ".db", ".sqlite", ".duckdb"),
)
_SOURCES = ("interactions", "items", "labeled")


def check_spec_files(spec: Path, changes: Sequence[str] = ()) -> None:
    """Raises SpecError for a path that is no spec, DataError for a file of the data that is not there.

    Whatever else is wrong with the spec is left to `load_spec`, as are paths that `--set` gives.
    """
    if spec.is_dir():
        fix = f"use {spec / 'spec.toml'}" if (spec / "spec.toml").exists() else "give the path of a .toml file"
        raise SpecError(str(spec), "a spec file (TOML)", "a folder", fix)
    if not spec.exists():
        raise SpecError(
            str(spec), "a spec file", "nothing there", "check the path, or write one with: leaven init FILE"
        )
    if spec.suffix.lower() in _LOG_SUFFIXES:
        raise SpecError(str(spec), "a spec file (TOML)", "a log", f"write a spec for it: leaven init {spec}")
    data = _read_data_table(spec)
    if any(change.strip().startswith("data") for change in changes):
        return
    for key in _SOURCES:
        name = data.get(key)
        if isinstance(name, str) and _is_local_file(name) and not (spec.resolve().parent / name).exists():
            fix = f"correct data.{key} in {spec}; paths are relative to the spec"
            raise DataError(str(spec.parent / name), "a file of the data", "nothing there", fix)


def _read_data_table(spec: Path) -> dict[str, Any]:
    """The table [data]; empty where the spec cannot be parsed, for which `load_spec` has the better error."""
    try:
        table = tomllib.loads(spec.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
    data = table.get("data", {})
    return data if isinstance(data, dict) else {}


def _is_local_file(name: str) -> bool:
    """Whether a source is the path of one file or folder, and no URL, database or glob."""
    return "://" not in name and not any(letter in name for letter in "*?[")
