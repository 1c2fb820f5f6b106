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
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

ProgressCallback = Callable[[int, int, str], None]
"""Progress callback: (done, total, text)."""


def no_progress(done: int, total: int, text: str) -> None:
    """No-op progress callback."""


UNNAMED_PHASE = "working"
"""The phase shown during work without progress calls; its end is not reported."""
LINE_INTERVAL_SECONDS = 5.0
_MIN_SECONDS = 0.5  # seconds; a shorter phase is not reported
_MAX_IDLE_SECONDS = 2.0  # seconds without a phase before the unnamed phase is shown
_SEPARATOR = " · "


class _Renderer(Protocol):
    """Renders phases."""

    def begin_phase(self, phase: str) -> None: ...
    def update_phase(self, pace: PhaseProgress, detail: str) -> None: ...
    def end_phase(self, pace: PhaseProgress) -> None: ...


@dataclass
class PhaseProgress:
    """Progress of a phase. done, total: counts, total 0 where unknown; started_at, now: seconds of the same clock."""

    phase: str
    started_at: float
    updated_at: float
    done: int = 0
    total: int = 0

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the phase began."""
        return self.updated_at - self.started_at

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds left; None where unknown."""
        if not self.total or not self.done or self.elapsed_seconds <= 0:
            return None
        return self.elapsed_seconds * max(self.total - self.done, 0) / self.done

    @property
    def is_complete(self) -> bool:
        """Whether the phase is complete."""
        return self.total > 0 and self.done >= self.total


@dataclass
class PhaseTracker:
    """A progress callback that groups calls into phases and renders them."""

    renderer: _Renderer
    clock: Callable[[], float] = time.monotonic
    current: PhaseProgress | None = None
    detail: str = ""
    idle_since: float = math.inf
    lock: AbstractContextManager[object] = field(default_factory=threading.RLock)

    def __call__(self, done: int, total: int, text: str) -> None:
        phase, _, detail = text.partition(_SEPARATOR)
        with self.lock:
            if self.current is None or not self._continues(self.current, done, total, phase):
                self.end_phase()
                self.current = PhaseProgress(phase, self.clock(), self.clock())
                self.renderer.begin_phase(phase)
                self.detail = ""
            if phase != self.current.phase:  # other text for the same count
                detail = phase.removeprefix(_find_prefix(phase))
            self.current.done, self.current.total, self.detail = done, total, detail or self.detail
            self.refresh()
            if self.current.is_complete:
                self.end_phase()

    @staticmethod
    def _continues(pace: PhaseProgress, done: int, total: int, phase: str) -> bool:
        """Whether a call continues this phase: the same text, or the same total with the same prefix."""
        if done < pace.done:
            return False
        return phase == pace.phase or (0 < total == pace.total and _find_prefix(phase) == _find_prefix(pace.phase))

    def refresh(self) -> None:
        """Update the elapsed time."""
        with self.lock:
            now = self.clock()
            if self.current is None and now - self.idle_since >= _MAX_IDLE_SECONDS:
                self(0, 0, UNNAMED_PHASE)
            elif self.current is not None:
                self.current.updated_at = now
                self.renderer.update_phase(self.current, self.detail)

    def end_phase(self) -> None:
        """End the current phase."""
        with self.lock:
            self.idle_since = self.clock()
            if self.current is not None:
                self.current.updated_at = self.idle_since
                self.renderer.end_phase(self.current)
                self.current = None


@dataclass
class LineRenderer:
    """Renders phases as plain lines for a file or a pipe: every few seconds, and at the end of a phase."""

    out: IO[str]
    interval_seconds: float = LINE_INTERVAL_SECONDS
    last_printed_at: float | None = None
    is_announced: bool = False

    def begin_phase(self, phase: str) -> None:
        self.last_printed_at, self.is_announced = None, False

    def update_phase(self, pace: PhaseProgress, detail: str) -> None:
        if self.last_printed_at is None:
            self.last_printed_at = pace.started_at
        if not (pace.total or self.is_announced) and pace.elapsed_seconds >= _MIN_SECONDS:
            self.is_announced = True
            self._print(f"{pace.phase} …")  # the next update may take long
        if pace.updated_at - self.last_printed_at < self.interval_seconds or pace.is_complete:
            return
        self.last_printed_at = pace.updated_at
        parts = [
            format_share(pace),
            f"{format_duration(pace.seconds_left)} left" if pace.seconds_left is not None else "",
            detail,
        ]
        self._print(f"{pace.phase}: " + _SEPARATOR.join(part for part in parts if part))

    def end_phase(self, pace: PhaseProgress) -> None:
        if is_worth_reporting(pace):
            self._print(f"{pace.phase}: {format_ending(pace)}")

    def _print(self, text: str) -> None:
        print(text, file=self.out, flush=True)


@dataclass
class BarRenderer:
    """Renders the current phase as a progress bar below the lines of finished phases."""

    bars: Progress
    task: TaskID | None = None

    def begin_phase(self, phase: str) -> None:
        self.task = self.bars.add_task(phase, total=None, detail="")

    def update_phase(self, pace: PhaseProgress, detail: str) -> None:
        assert self.task is not None, "a phase begins before it is updated"
        self.bars.update(self.task, completed=pace.done, total=pace.total or None, detail=detail)

    def end_phase(self, pace: PhaseProgress) -> None:
        from rich.text import Text

        assert self.task is not None, "a phase begins before it ends"
        self.bars.remove_task(self.task)
        if is_worth_reporting(pace):
            line = Text.assemble((f"{pace.phase}  ", ""), (format_ending(pace), "dim"))
            self.bars.console.print(line, soft_wrap=True)


@contextmanager
def show_progress(console: Console | None = None) -> Iterator[ProgressCallback]:
    """Context manager: a progress callback that displays its calls on stderr."""
    from rich.console import Console

    err = console or Console(stderr=True)
    with ExitStack() as stack:
        bars = err.is_terminal and not err.is_dumb_terminal
        phases = PhaseTracker(BarRenderer(stack.enter_context(_make_bars(err))) if bars else LineRenderer(err.file))
        phases.idle_since = phases.clock()
        stack.enter_context(_refresh_periodically(phases))
        yield phases
        phases.end_phase()


@contextmanager
def _refresh_periodically(phases: PhaseTracker) -> Iterator[None]:
    """Refresh the elapsed time every second, also between calls."""
    stopped = threading.Event()

    def refresh() -> None:
        while not stopped.wait(1.0):
            phases.refresh()

    thread = threading.Thread(target=refresh, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _make_bars(console: Console) -> Progress:
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


def prefix_progress(on_progress: ProgressCallback, prefix: str) -> ProgressCallback:
    """A progress callback that prefixes the text of each phase with `prefix`.

    >>> texts = []
    >>> prefix_progress(lambda done, total, text: texts.append(text), "crop, seed 1")(3, 9, "train · loss 2.1")
    >>> texts
    ['crop, seed 1: train · loss 2.1']
    """
    return lambda done, total, text: on_progress(done, total, f"{prefix}: {text}")


def _find_prefix(phase: str) -> str:
    """The prefix that `prefix_progress` added to a phase."""
    return phase[: phase.rfind(": ") + 2] if ": " in phase else ""


def format_share(progress: PhaseProgress) -> str:
    """The progress as a percentage, or as a count where the total is unknown.

    >>> training, reading = PhaseProgress("a", 0.0, 4.0, done=1, total=3), PhaseProgress("b", 0.0, 4.0, done=1200)
    >>> format_share(training), format_share(reading)
    ('33 %', '1,200')
    """
    if progress.total:
        return f"{100 * progress.done // progress.total} %"
    return f"{progress.done:,}" if progress.done else f"{format_duration(progress.elapsed_seconds)} so far"


def is_worth_reporting(progress: PhaseProgress) -> bool:
    """Whether the end of a phase is reported."""
    return progress.elapsed_seconds >= _MIN_SECONDS and progress.phase != UNNAMED_PHASE


def format_ending(progress: PhaseProgress) -> str:
    """The text for the end of a phase.

    >>> format_ending(PhaseProgress("train", 0.0, 83.0, done=340, total=1000))
    'ended at 340 of 1,000 after 1 min 23 s'
    """
    if progress.total and not progress.is_complete:
        return f"ended at {progress.done:,} of {progress.total:,} after {format_duration(progress.elapsed_seconds)}"
    return format_duration(progress.elapsed_seconds)


def format_duration(seconds: float) -> str:
    """A duration as text.

    >>> format_duration(0.84), format_duration(42.4), format_duration(83), format_duration(7384)
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
