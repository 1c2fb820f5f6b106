"""How does a command end: with which words, and with which exit code?"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from leaven.cli import error_messages

_STOPPED_BY_USER = 130  # what typer makes of Ctrl-C
_NUMBA = f"{os.sep}numba{os.sep}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line. Ends the process: 0 fine, 2 usage or spec, 3 data, 4 gate, 5 interrupted, 1 a bug."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    for stop in (signal.SIGINT, signal.SIGTERM):  # a scheduler's stop is Ctrl-C to us
        signal.signal(stop, stopped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without "→" shows "?", and goes on
    sys.exit(run(typed))


def stopped(number: int, frame: FrameType | None) -> None:
    """KeyboardInterrupt, but never in the middle of Numba's own lines: what a kernel gives is wrapped there, and an
    exception would leave a result of null pointers. Then it comes with the next line of who called the kernel."""
    outside, seen = frame, frame
    while seen is not None:
        if _NUMBA in seen.f_code.co_filename:
            outside = seen.f_back
        seen = seen.f_back
    if outside is None or outside is frame:
        raise KeyboardInterrupt
    outside.f_trace = _now
    sys.settrace(lambda frame, event, what: None)


def _now(frame: FrameType, event: str, what: object) -> None:
    """The first line that is traced is the one to stop at."""
    sys.settrace(None)
    raise KeyboardInterrupt


def run(typed: Sequence[str]) -> int:
    """Runs a command; returns its exit code. Whatever goes wrong is said on stderr."""
    options, debug = _without_debug(typed)
    try:
        code = _flushed(_invoked(options))
    except KeyboardInterrupt:
        code = _STOPPED_BY_USER
    except (BrokenPipeError, SystemExit):  # `| head` has seen enough; SystemExit is typer's way to say so
        error_messages.silence()
        code = 0
    except Exception as error:
        code = error_messages.answer(error, debug)
    return error_messages.interrupted(options) if code == _STOPPED_BY_USER else code


def _flushed(code: int) -> int:
    """The code, once all results are out; where they cannot be written, Python shall not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        error_messages.silence()
        raise
    return code


def _invoked(options: Sequence[str]) -> int:
    """What typer returns: an exit code, or what the command returned."""
    from leaven.cli.app import app

    code = app(options, prog_name="leaven", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _without_debug(typed: Sequence[str]) -> tuple[list[str], bool]:
    """--debug may stand anywhere before a bare --."""
    end = list(typed).index("--") if "--" in typed else len(typed)
    kept = [word for place, word in enumerate(typed) if word != "--debug" or place > end]
    return kept, len(kept) < len(typed) or bool(os.environ.get("LEAVEN_DEBUG"))
