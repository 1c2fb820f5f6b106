"""What does a user read when something went wrong?"""

from __future__ import annotations

import errno
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence

from leaven.errors import EXIT_DATA, EXIT_INTERRUPTED, EXIT_SPEC, LeavenError

EXIT_BUG = 1
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FAR = ("aiobotocore", "aiohttp", "botocore", "fsspec", "s3fs", "gcsfs", "adlfs")
"""Libraries whose errors tell of another machine."""
_FULL_WORDS = "No space left on device"


def answer(error: Exception, debug: bool = False) -> int:
    """Says what went wrong on stderr; returns the exit code. With `debug` the traceback comes first."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, LeavenError):
        say(error.where, error.wanted, error.got, error.fix)
        return error.exit_code
    if code := _usage(error):
        return code
    if _is_full(error):
        place = getattr(error, "filename", None) or "the disk"
        say(str(place), "room to write", "a full disk", "free some space, or name another folder (TMPDIR, --out)")
        return EXIT_DATA
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        say(str(error.filename), "a place to read or write", error.strerror.lower(), "check the path and your rights")
        return EXIT_DATA
    if isinstance(error, MemoryError):
        say("memory", "more of it", str(error) or "none left", "close other programs, or use fewer --workers")
        return EXIT_DATA
    if type(error).__module__.partition(".")[0] in _FAR:
        fix = "check the address, your credentials and the network"
        say("a place elsewhere", "an answer", f"{type(error).__name__}: {error}", fix)
        return EXIT_DATA
    return _bug(error, debug)


def say(where: str, wanted: str, got: str, fix: str = "") -> None:
    """One error on stderr: where, what was wanted, what came, the way out."""
    _print(("error: ", where), ("  wanted  ", wanted), ("  got     ", got), *([("  → ", fix)] if fix else []))


_STYLES = {"error: ": ("bold red", "bold"), "  → ": ("green", "")}
"""start of a line -> the style of the start, of the rest."""


def _print(*lines: tuple[str, str]) -> None:
    from rich.console import Console
    from rich.text import Text

    err = Console(stderr=True, highlight=False)
    for start, text in lines:
        style, rest = _STYLES.get(start, ("dim", ""))
        err.print(Text.assemble((start, style), (text, rest)), soft_wrap=True)


def _usage(error: Exception) -> int:
    """Typer's own errors: an unknown command, option or value. 0 where it is none of them."""
    import typer

    if isinstance(error, typer.Abort):
        return interrupted(())
    if not isinstance(error, typer.TyperException):
        return 0
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(error.format_message())
        return EXIT_SPEC
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "leaven"
    _print(("error: ", f"{command}: {_message(error)}"), ("  → ", _hint(error, command)))
    return EXIT_SPEC


def _message(error: Exception) -> str:
    possible = getattr(error, "possibilities", None)
    text = error.message if possible else error.format_message()  # type: ignore[attr-defined]
    text = str(text).split(". Did you mean")[0].rstrip(".")
    return text[:1].lower() + text[1:]


def _hint(error: Exception, command: str) -> str:
    possible = list(getattr(error, "possibilities", None) or [])
    said = str(getattr(error, "message", ""))
    if "Did you mean " in said:
        possible = [said.split("Did you mean ")[1].rstrip("?")]
    meant = f"did you mean {' or '.join(possible)}? " if possible else ""
    return f"{meant}`{command} --help` shows what there is"


def _is_full(error: Exception) -> bool:
    """A full disk says so in its number; libraries that wrap it, in their words."""
    return (isinstance(error, OSError) and error.errno in _FULL) or _FULL_WORDS in str(error)


def _bug(error: Exception, shown: bool) -> int:
    where = "above"
    if not shown:
        with tempfile.NamedTemporaryFile("w", prefix="leaven-bug-", suffix=".txt", delete=False) as file:
            file.write(f"leaven {shlex.join(sys.argv[1:])}\n\n")
            traceback.print_exception(error, file=file)
        where = f"in {file.name}"
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    _print(("error: ", said), ("  ", "This is a bug in leaven, not a mistake of yours."))
    _print(("  → ", f"please report it; the traceback lies {where}"))
    return EXIT_BUG


def interrupted(typed: Sequence[str]) -> int:
    """Says that the user stopped it, and how it goes on."""
    _print(("error: ", "interrupted"))
    if again := resumed(typed):
        _print(("  → ", f"what was finished is kept; `{again}` goes on"))
    return EXIT_INTERRUPTED


def resumed(typed: Sequence[str]) -> str:
    """The command that goes on where this one stopped; "" where there is none.

    >>> resumed(["run", "beauty.toml", "--out", "runs/b"])
    'leaven run beauty.toml --out runs/b --resume'
    """
    if not typed or typed[0] not in ("run", "demo"):
        return ""
    again = [word for word in typed if word != "--resume"]
    return shlex.join(["leaven", *again, *(["--resume"] if typed[0] == "run" else [])])


def silence() -> None:
    """What is still to be written to stdout goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
