"""Run folders below a folder, with their state and verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leaven.errors import LeavenError
from leaven.facts.run_facts import FACTS_FILE, read_run_facts
from leaven.run_folder import LOCK_FILE

_DEPTH = 3  # folders below the given one that are searched


@dataclass(frozen=True)
class RunEntry:
    """One run folder. verdict: its headline, or why it cannot be read; changed: seconds since 1970."""

    folder: str
    name: str
    state: Literal["unfinished", "finished", "rows only", "unreadable"]
    verdict: str
    changed: int


def list_run_folders(folder: Path) -> list[RunEntry]:
    """The runs below a folder, the newest first; a run inside a run is a part of it."""
    locks = [path for depth in range(_DEPTH + 1) for path in folder.glob("*/" * depth + LOCK_FILE)]
    return sorted(map(_read_entry, locks), key=lambda entry: -entry.changed)


def _read_entry(lock: Path) -> RunEntry:
    path, changed = lock.parent, round(lock.stat().st_mtime)
    if not (path / FACTS_FILE).exists():
        return RunEntry(str(path), path.name, "unfinished", "", changed)
    try:
        facts = read_run_facts(path)
    except LeavenError as error:
        return RunEntry(str(path), path.name, "unreadable", error.got, changed)
    verdict = "" if facts.verdict is None else facts.verdict.headline
    return RunEntry(
        str(path), facts.name, "finished" if facts.comparison is not None else "rows only", verdict, changed
    )
