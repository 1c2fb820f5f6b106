"""Progress callbacks, and their display on stderr.

Long operations call a progress callback with (done, total, text). The text up to the first " · " names the phase and
is constant during the phase; the rest may change with every call (a loss, a file). A count that continues toward the
same total belongs to the same phase, whatever its text. A total of 0 means unknown. On a terminal a phase is a progress
bar, elsewhere a line every few seconds.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

Tell = Callable[[int, int, str], None]
"""Progress callback: (done, total, text)."""


def quiet(done: int, total: int, text: str) -> None:
    """No-op progress callback."""


UNTOLD = "working"
"""The phase shown during work without progress calls; its end is not reported."""
SECONDS_BETWEEN_LINES = 5.0
_MIN_SECONDS = 0.5  # seconds; a shorter phase is not reported
_MAX_IDLE_SECONDS = 2.0  # seconds without a phase before the unnamed phase is shown
_SEPARATOR = " · "


class _Renderer(Protocol):
    """Renders phases."""

    def begin(self, phase: str) -> None: ...
    def update(self, pace: Pace, detail: str) -> None: ...
    def end(self, pace: Pace) -> None: ...


@dataclass
class Pace:
    """Progress of a phase. done, total: counts, total 0 where unknown; began, now: seconds of the same clock."""

    phase: str
    began: float
    now: float
    done: int = 0
    total: int = 0

    @property
    def seconds(self) -> float:
        """Seconds since the phase began."""
        return self.now - self.began

    @property
    def left(self) -> float | None:
        """Estimated seconds left; None where unknown."""
        if not self.total or not self.done or self.seconds <= 0:
            return None
        return self.seconds * max(self.total - self.done, 0) / self.done

    @property
    def whole(self) -> bool:
        """Whether the phase is complete."""
        return self.total > 0 and self.done >= self.total


@dataclass
class Phases:
    """A progress callback that groups calls into phases and renders them."""

    shown: _Renderer
    clock: Callable[[], float] = time.monotonic
    pace: Pace | None = None
    detail: str = ""
    quiet_since: float = math.inf
    lock: Any = field(default_factory=threading.RLock)

    def __call__(self, done: int, total: int, text: str) -> None:
        phase, _, detail = text.partition(_SEPARATOR)
        with self.lock:
            if self.pace is None or not self._continues(self.pace, done, total, phase):
                self.close()
                self.pace = Pace(phase, self.clock(), self.clock())
                self.shown.begin(phase)
                self.detail = ""
            if phase != self.pace.phase:  # other text for the same count
                detail = phase.removeprefix(_find_prefix(phase))
            self.pace.done, self.pace.total, self.detail = done, total, detail or self.detail
            self.tick()
            if self.pace.whole:
                self.close()

    @staticmethod
    def _continues(pace: Pace, done: int, total: int, phase: str) -> bool:
        """Whether a call continues this phase: the same text, or the same total with the same prefix."""
        if done < pace.done:
            return False
        return phase == pace.phase or (0 < total == pace.total and _find_prefix(phase) == _find_prefix(pace.phase))

    def tick(self) -> None:
        """Update the elapsed time."""
        with self.lock:
            now = self.clock()
            if self.pace is None and now - self.quiet_since >= _MAX_IDLE_SECONDS:
                self(0, 0, UNTOLD)
            elif self.pace is not None:
                self.pace.now = now
                self.shown.update(self.pace, self.detail)

    def close(self) -> None:
        """End the current phase."""
        with self.lock:
            self.quiet_since = self.clock()
            if self.pace is not None:
                self.pace.now = self.quiet_since
                self.shown.end(self.pace)
                self.pace = None


@dataclass
class Lines:
    """Renders phases as plain lines for a file or a pipe: every few seconds, and at the end of a phase."""

    out: IO[str]
    every: float = SECONDS_BETWEEN_LINES
    last: float | None = None
    announced: bool = False

    def begin(self, phase: str) -> None:
        self.last, self.announced = None, False

    def update(self, pace: Pace, detail: str) -> None:
        if self.last is None:
            self.last = pace.began
        if not (pace.total or self.announced) and pace.seconds >= _MIN_SECONDS:
            self.announced = True
            self._print(f"{pace.phase} …")  # the next update may take long
        if pace.now - self.last < self.every or pace.whole:
            return
        self.last = pace.now
        parts = [share(pace), f"{span(pace.left)} left" if pace.left is not None else "", detail]
        self._print(f"{pace.phase}: " + _SEPARATOR.join(part for part in parts if part))

    def end(self, pace: Pace) -> None:
        if worth_a_line(pace):
            self._print(f"{pace.phase}: {ending(pace)}")

    def _print(self, text: str) -> None:
        print(text, file=self.out, flush=True)


@dataclass
class Bars:
    """Renders the current phase as a progress bar below the lines of finished phases."""

    bars: Any
    task: Any = None

    def begin(self, phase: str) -> None:
        self.task = self.bars.add_task(phase, total=None, detail="")

    def update(self, pace: Pace, detail: str) -> None:
        self.bars.update(self.task, completed=pace.done, total=pace.total or None, detail=detail)

    def end(self, pace: Pace) -> None:
        from rich.text import Text

        self.bars.remove_task(self.task)
        if worth_a_line(pace):
            line = Text.assemble((f"{pace.phase}  ", ""), (ending(pace), "dim"))
            self.bars.console.print(line, soft_wrap=True)


@contextmanager
def shown(console: Console | None = None) -> Iterator[Tell]:
    """Context manager: a progress callback that displays its calls on stderr."""
    from rich.console import Console

    err = console or Console(stderr=True)
    with ExitStack() as stack:
        bars = err.is_terminal and not err.is_dumb_terminal
        phases = Phases(Bars(stack.enter_context(_make_bars(err))) if bars else Lines(err.file))
        phases.quiet_since = phases.clock()
        stack.enter_context(_refresh_periodically(phases))
        yield phases
        phases.close()


@contextmanager
def _refresh_periodically(phases: Phases) -> Iterator[None]:
    """Refresh the elapsed time every second, also between calls."""
    stopped = threading.Event()

    def refresh() -> None:
        while not stopped.wait(1.0):
            phases.tick()

    thread = threading.Thread(target=refresh, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _make_bars(console: Console) -> Any:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    phase = Column(max_width=56, no_wrap=True, overflow="ellipsis")
    detail = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=phase),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[detail]}", markup=False, style="dim", table_column=detail),
        console=console,
        transient=True,
        redirect_stdout=False,
        expand=True,
    )


def within(tell: Tell, where: str) -> Tell:
    """A progress callback that prefixes the text of each phase with `where`.

    >>> texts = []
    >>> within(lambda done, total, text: texts.append(text), "crop, seed 1")(3, 9, "train · loss 2.1")
    >>> texts
    ['crop, seed 1: train · loss 2.1']
    """
    return lambda done, total, text: tell(done, total, f"{where}: {text}")


def _find_prefix(phase: str) -> str:
    """The prefix that `within` added to a phase."""
    return phase[: phase.rfind(": ") + 2] if ": " in phase else ""


def share(pace: Pace) -> str:
    """The progress as a percentage, or as a count where the total is unknown.

    >>> share(Pace("train", 0.0, 4.0, done=1, total=3)), share(Pace("read", 0.0, 4.0, done=1200))
    ('33 %', '1,200')
    """
    if pace.total:
        return f"{100 * pace.done // pace.total} %"
    return f"{pace.done:,}" if pace.done else f"{span(pace.seconds)} so far"


def worth_a_line(pace: Pace) -> bool:
    """Whether the end of a phase is reported."""
    return pace.seconds >= _MIN_SECONDS and pace.phase != UNTOLD


def ending(pace: Pace) -> str:
    """The text for the end of a phase.

    >>> ending(Pace("train", 0.0, 83.0, done=340, total=1000))
    'ended at 340 of 1,000 after 1 min 23 s'
    """
    if pace.total and not pace.whole:
        return f"ended at {pace.done:,} of {pace.total:,} after {span(pace.seconds)}"
    return span(pace.seconds)


def span(seconds: float) -> str:
    """A duration as text.

    >>> span(0.84), span(42.4), span(83), span(7384)
    ('0.8 s', '42 s', '1 min 23 s', '2 h 3 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60} s"
    return f"{rounded // 3600} h {rounded % 3600 // 60} min"
