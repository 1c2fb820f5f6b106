"""Error messages of the command line: where, what was expected, what came, what to do."""

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
_DISK_FULL_CODES = (errno.ENOSPC, errno.EDQUOT)
_DISK_FULL_TEXT = "No space left on device"
_REMOTE_LIBRARIES = ("aiobotocore", "aiohttp", "botocore", "fsspec", "s3fs", "gcsfs", "adlfs")


def report_error(error: Exception, debug: bool = False) -> int:
    """Print an error on stderr and return the exit code. With `debug` the traceback comes first."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, LeavenError):
        print_error(error.where, error.expected, error.got, error.fix)
        return error.exit_code
    if code := _report_usage_error(error):
        return code
    if _report_environment_error(error):
        return EXIT_DATA
    return _report_bug(error, debug)


def print_error(where: str, expected: str, received: str, suggestion: str = "") -> None:
    """Print one error on stderr: where, what was expected, what came, and what to do."""
    print_lines(
        ("error: ", where),
        ("  expected  ", expected),
        ("  got       ", received),
        *([("  → ", suggestion)] if suggestion else []),
    )


_STYLES = {"error: ": ("bold red", "bold"), "  → ": ("green", "")}
"""Start of a line -> the style of the start, of the rest."""


def print_lines(*lines: tuple[str, str]) -> None:
    """Print (start, text) lines on stderr, styled by their starts."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    for start, text in lines:
        start_style, text_style = _STYLES.get(start, ("dim", ""))
        console.print(Text.assemble((start, start_style), (text, text_style)), soft_wrap=True)


def _report_environment_error(error: Exception) -> bool:
    """Report an error of disk, file system, memory or network; False for any other."""
    path = error.filename if isinstance(error, OSError) else None
    if _is_disk_full(error):
        fix = "free some space, or use another folder (TMPDIR, --out)"
        print_error(str(path or "the disk"), "room to write", "a full disk", fix)
    elif isinstance(error, OSError) and path is not None and error.strerror:
        print_error(
            str(path), "a readable and writable path", error.strerror.lower(), "check the path and its permissions"
        )
    elif isinstance(error, MemoryError):
        print_error("memory", "more of it", str(error) or "none left", "close other programs, or use fewer --workers")
    elif type(error).__module__.partition(".")[0] in _REMOTE_LIBRARIES:
        fix = "check the address, your credentials and the network"
        print_error("a remote server", "a response", f"{type(error).__name__}: {error}", fix)
    else:
        return False
    return True


def _is_disk_full(error: Exception) -> bool:
    """Whether the disk is full, by the error's number or, where a library wraps it, by its text."""
    return (isinstance(error, OSError) and error.errno in _DISK_FULL_CODES) or _DISK_FULL_TEXT in str(error)


def _report_usage_error(error: Exception) -> int:
    """Report typer's own errors, such as an unknown command or option; 0 for any other error."""
    import typer

    if isinstance(error, typer.Abort):
        return report_interrupt(())
    if not isinstance(error, typer.TyperException):
        return 0
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.write(error.format_message())
        return EXIT_SPEC
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "leaven"
    names = list(getattr(error, "possibilities", None) or [])
    text = str(error.message if names else error.format_message())
    text = text.split(". Did you mean")[0].rstrip(".")
    print_lines(("error: ", f"{command}: {text[:1].lower()}{text[1:]}"), ("  → ", _suggest_fix(error, names, command)))
    return EXIT_SPEC


def _suggest_fix(error: Exception, names: list[str], command: str) -> str:
    message = str(getattr(error, "message", ""))
    if "Did you mean " in message:
        names = [message.split("Did you mean ")[1].rstrip("?")]
    guess = f"did you mean {' or '.join(names)}? " if names else ""
    return f"{guess}`{command} --help` shows what there is"


def _report_bug(error: Exception, has_traceback: bool) -> int:
    location = "above"
    if not has_traceback:
        with tempfile.NamedTemporaryFile("w", prefix="leaven-bug-", suffix=".txt", delete=False) as file:
            file.write(f"leaven {shlex.join(sys.argv[1:])}\n\n")
            traceback.print_exception(error, file=file)
        location = f"in {file.name}"
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    print_lines(("error: ", text), ("  ", "This is a bug in leaven, not a mistake of yours."))
    print_lines(("  → ", f"please report it with the traceback {location}"))
    return EXIT_BUG


def report_interrupt(typed: Sequence[str]) -> int:
    """Report that the user stopped the command, and how to resume it."""
    print_lines(("error: ", "interrupted"))
    if command := format_resume_command(typed):
        print_lines(("  → ", f"finished stages are kept; `{command}` continues"))
    return EXIT_INTERRUPTED


def format_resume_command(typed: Sequence[str]) -> str:
    """The command that resumes an interrupted one; "" where there is none.

    >>> format_resume_command(["run", "beauty.toml", "--out", "runs/b"])
    'leaven run beauty.toml --out runs/b --resume'
    """
    if not typed or typed[0] not in ("run", "demo"):
        return ""
    words = [word for word in typed if word != "--resume"]
    return shlex.join(["leaven", *words, *(["--resume"] if typed[0] == "run" else [])])


def silence_stdout() -> None:
    """Discard everything that is still to be written to stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
