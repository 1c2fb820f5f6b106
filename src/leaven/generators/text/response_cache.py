"""Cache of model answers in one SQLite file, so that no request is sent or paid twice."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from leaven.errors import DataError


@dataclass(frozen=True)
class ModelAnswer:
    """A model's answer, and the tokens read and written as the model counts them."""

    text: str
    tokens: int = 0


class ResponseCache:
    """Answers by a hash of their inputs. path "": in memory, for the lifetime of the object."""

    def __init__(self, path: str) -> None:
        try:
            if path:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path or ":memory:")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers (request TEXT PRIMARY KEY, answer TEXT, tokens INTEGER)"
            )
        except (sqlite3.Error, OSError) as error:
            raise DataError(path, "a SQLite file of answers", str(error), "set cache to another file") from error

    @staticmethod
    def hash_request(*parts: str | int) -> str:
        """Returns the hash of a request."""
        return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()

    def get(self, request: str) -> ModelAnswer | None:
        """Returns the cached answer of a request hash, or None."""
        row = self._database.execute("SELECT answer, tokens FROM answers WHERE request = ?", (request,)).fetchone()
        return ModelAnswer(row[0], row[1]) if row else None

    def put(self, request: str, answer: ModelAnswer) -> None:
        """Stores an answer; it is on disk on return."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (request, answer.text, answer.tokens)
            )
