"""Entry point of the command line: signals, exit codes and error reporting."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from leaven.cli import error_messages
from leaven.errors import EXIT_SPEC

_STOPPED_BY_USER = 130  # typer's code for Ctrl-C
_NUMBA = f"{os.sep}numba{os.sep}"
_RENAMED_COMMANDS = {
    "judge": "leaven quality",
    "words": "leaven text",
    "pictures": "leaven images",
    "shop": "leaven simulate",
    "dose": "leaven sweep SPEC --vary variant.NAME.copies=0,0.5,1,2",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 success, 2 usage or spec, 3 data, 4 gate, 5 interrupted, 1 bug."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a scheduler's stop is handled like Ctrl-C
        signal.signal(number, raise_interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without "→" shows "?" instead of failing
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))


def raise_interrupt(number: int, frame: FrameType | None) -> None:
    """Signal handler that raises KeyboardInterrupt, but never inside Numba's own code.

    Numba wraps a kernel's results there, and an exception would leave null pointers in them. The interrupt is then
    raised at the next line of the kernel's caller.
    """
    caller, current = frame, frame
    while current is not None:
        if _NUMBA in current.f_code.co_filename:
            caller = current.f_back
        current = current.f_back
    if caller is None or caller is frame:
        raise KeyboardInterrupt
    caller.f_trace = _interrupt_line
    sys.settrace(lambda frame, event, what: None)


def _interrupt_line(frame: FrameType, event: str, what: object) -> None:
    sys.settrace(None)
    raise KeyboardInterrupt


def run_command(typed: Sequence[str]) -> int:
    """Run a command and return its exit code; errors are printed on stderr."""
    options, debug = _split_debug_flag(typed)
    try:
        code = _invoke_command(options)
        _flush_stdout()
    except KeyboardInterrupt:
        code = _STOPPED_BY_USER
    except (BrokenPipeError, SystemExit):  # the reader closed the pipe, as `| head` does; typer raises SystemExit then
        error_messages.silence_stdout()
        code = 0
    except Exception as error:
        code = error_messages.report_error(error, debug)
    return error_messages.report_interrupt(options) if code == _STOPPED_BY_USER else code


def _flush_stdout() -> None:
    """Write all results; after a failure Python does not retry at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        error_messages.silence_stdout()
        raise


def _invoke_command(options: Sequence[str]) -> int:
    """Run typer and return its exit code."""
    from leaven.cli.app import app

    if options and (new := _RENAMED_COMMANDS.get(options[0])):
        error_messages.print_lines(("error: ", f"`leaven {options[0]}` is now `{new}`"))
        return EXIT_SPEC
    code = app(options, prog_name="leaven", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _split_debug_flag(typed: Sequence[str]) -> tuple[list[str], bool]:
    """The options without --debug, which is valid anywhere before a bare --, and whether it was there."""
    end = list(typed).index("--") if "--" in typed else len(typed)
    rest = [word for position, word in enumerate(typed) if word != "--debug" or position > end]
    return rest, len(rest) < len(typed) or bool(os.environ.get("LEAVEN_DEBUG"))
