"""Exceptions that state the location, the expected value, the actual value and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_SPEC = 2
EXIT_DATA = 3
EXIT_GATE = 4
EXIT_INTERRUPTED = 5


class LeavenError(Exception):
    """Base class of all errors that leaven raises for users.

    `where` names a file and line, a key of the spec, or an argument; `expected` is the expected and `got` the actual
    value; `fix` is the remedy.
    """

    exit_code = 1

    def __init__(self, where: str, expected: str, got: str, fix: str = "") -> None:
        self.where, self.expected, self.got, self.fix = where, expected, got, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: expected {self.expected}, got {self.got}"
        return f"{text}\n  → {self.fix}" if self.fix else text

    def __reduce__(self) -> tuple[type[LeavenError], tuple[str, str, str, str]]:
        return type(self), (self.where, self.expected, self.got, self.fix)


class SpecError(LeavenError):
    """The config is invalid: a key, a type, a value, an argument."""

    exit_code = EXIT_SPEC


class DataError(LeavenError):
    """The data is invalid: a file, a line, a column, a value."""

    exit_code = EXIT_DATA


class ReadingWarning(UserWarning):
    """What was assumed about a file: an encoding, columns without a header, times that are implausible."""


class FitError(LeavenError):
    """Training failed: the loss is not finite, or there are no rows to fit."""

    exit_code = EXIT_DATA


class GateError(LeavenError):
    """A quality gate of the spec failed."""

    exit_code = EXIT_GATE


class RunInterrupted(LeavenError):
    """The user stopped the run; finished stages are kept, and `--resume` continues."""

    exit_code = EXIT_INTERRUPTED


class MissingExtra(LeavenError):
    """A library of an optional extra is not installed."""

    exit_code = EXIT_SPEC

    def __init__(self, library: str, extra: str) -> None:
        self.library, self.extra = library, extra
        super().__init__(library, "this library to be installed", "none", f"pip install 'leaven[{extra}]'")

    def __reduce__(self) -> tuple[type[LeavenError], tuple[str, str]]:  # type: ignore[override]
        return type(self), (self.library, self.extra)


def suggest_name(name: str, known_names: Iterable[str]) -> str:
    """A hint with the most similar known name for a misspelled one.

    >>> suggest_name("corp", ["crop", "mask"])
    "did you mean 'crop'? known: crop, mask"
    """
    known = sorted(set(known_names))
    similar = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{similar[0]}'? " if similar else ""
    return f"{hint}known: {', '.join(known) or 'none'}"
