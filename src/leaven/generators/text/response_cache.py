"""Which answers do we have already? One SQLite file, so that nothing is asked, or paid, twice."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from leaven.errors import DataError


@dataclass(frozen=True)
class Answer:
    """What a model said: its words, and tokens read and written as it counted them."""

    said: str
    tokens: int = 0


class Answers:
    """Answers by the hash of everything that they follow from. path "": in memory, for as long as this lives."""

    def __init__(self, path: str) -> None:
        try:
            if path:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path or ":memory:")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("CREATE TABLE IF NOT EXISTS answers (mark TEXT PRIMARY KEY, said TEXT, tokens INTEGER)")
        except (sqlite3.Error, OSError) as error:
            raise DataError(path, "a SQLite file of answers", str(error), "name another file for cache") from error

    @staticmethod
    def mark(*parts: str | int) -> str:
        """The name of an answer."""
        return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()

    def get(self, mark: str) -> Answer | None:
        """The answer of that name, or None."""
        row = self._file.execute("SELECT said, tokens FROM answers WHERE mark = ?", (mark,)).fetchone()
        return Answer(*row) if row else None

    def put(self, mark: str, answer: Answer) -> None:
        """Kept, and on disk when this returns."""
        with self._file:
            self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (mark, answer.said, answer.tokens))
