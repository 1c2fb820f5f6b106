"""How far is it, and how long will it take?

Whatever takes long is given a `Tell` and calls it with (done, total, words). The words up to the first
" · " name the phase and stay the same while it lasts; what follows may change with every call (a loss, a
file). A count that goes on to the same total is the same phase, whatever the words. A total of 0 means that
nobody knows it. On a terminal a phase is a bar; elsewhere it is a line every few seconds. Both go to stderr,
so that results stay alone on stdout.
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
"""(done, total, words); `leaven.protocols.Tell`."""


def quiet(done: int, total: int, words: str) -> None:
    """Nobody listens."""


UNTOLD = "working"
"""The phase of work that nobody has words for; nothing is said at its end."""
SECONDS_BETWEEN_LINES = 5.0
_SHORTEST = 0.5  # seconds; a shorter phase is not worth a line
_LONG_SILENCE = 2.0  # seconds without a phase, after which one is shown that says so
_BETWEEN = " · "


class _Shown(Protocol):
    """What draws the phases."""

    def begin(self, phase: str) -> None: ...
    def update(self, pace: Pace, detail: str) -> None: ...
    def end(self, pace: Pace) -> None: ...


@dataclass
class Pace:
    """How fast a phase goes. done, total: counts, total 0 where unknown; began, now: seconds of one clock."""

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
        """Seconds that remain at the pace so far; None where that cannot be known yet."""
        if not self.total or not self.done or self.seconds <= 0:
            return None
        return self.seconds * max(self.total - self.done, 0) / self.done

    @property
    def whole(self) -> bool:
        """Whether all was done."""
        return self.total > 0 and self.done >= self.total


@dataclass
class Phases:
    """Turns calls of `tell` into phases that begin, go on and end."""

    shown: _Shown
    clock: Callable[[], float] = time.monotonic
    pace: Pace | None = None
    detail: str = ""
    quiet_since: float = math.inf
    lock: Any = field(default_factory=threading.RLock)

    def __call__(self, done: int, total: int, words: str) -> None:
        phase, _, detail = words.partition(_BETWEEN)
        with self.lock:
            if self.pace is None or not self._goes_on(self.pace, done, total, phase):
                self.close()
                self.pace = Pace(phase, self.clock(), self.clock())
                self.shown.begin(phase)
                self.detail = ""
            if phase != self.pace.phase:  # other words of the same count
                detail = phase.removeprefix(_place(phase))
            self.pace.done, self.pace.total, self.detail = done, total, detail or self.detail
            self.tick()
            if self.pace.whole:
                self.close()

    @staticmethod
    def _goes_on(pace: Pace, done: int, total: int, phase: str) -> bool:
        """Whether this is the same phase: the same words, or the same count going on at the same place."""
        if done < pace.done:
            return False
        return phase == pace.phase or (0 < total == pace.total and _place(phase) == _place(pace.phase))

    def tick(self) -> None:
        """Time went on, whether anything was told or not."""
        with self.lock:
            now = self.clock()
            if self.pace is None and now - self.quiet_since >= _LONG_SILENCE:
                self(0, 0, UNTOLD)
            elif self.pace is not None:
                self.pace.now = now
                self.shown.update(self.pace, self.detail)

    def close(self) -> None:
        """End the phase that is open."""
        with self.lock:
            self.quiet_since = self.clock()
            if self.pace is not None:
                self.pace.now = self.quiet_since
                self.shown.end(self.pace)
                self.pace = None


@dataclass
class Lines:
    """Plain lines for a file or a pipe: one every few seconds, and one at the end of a phase."""

    out: IO[str]
    every: float = SECONDS_BETWEEN_LINES
    last: float | None = None
    announced: bool = False

    def begin(self, phase: str) -> None:
        self.last, self.announced = None, False

    def update(self, pace: Pace, detail: str) -> None:
        if self.last is None:
            self.last = pace.began
        if not (pace.total or self.announced) and pace.seconds >= _SHORTEST:
            self.announced = True
            self._say(f"{pace.phase} …")  # it may be long before the next word
        if pace.now - self.last < self.every or pace.whole:
            return
        self.last = pace.now
        parts = [share(pace), f"{span(pace.left)} left" if pace.left is not None else "", detail]
        self._say(f"{pace.phase}: " + _BETWEEN.join(part for part in parts if part))

    def end(self, pace: Pace) -> None:
        if worth_a_line(pace):
            self._say(f"{pace.phase}: {ending(pace)}")

    def _say(self, text: str) -> None:
        print(text, file=self.out, flush=True)


@dataclass
class Bars:
    """A bar for the phase that runs; phases that ended stay above it as lines."""

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
    """A `Tell` that shows what it is told on stderr, for as long as the block lasts."""
    from rich.console import Console

    err = console or Console(stderr=True)
    with ExitStack() as stack:
        bars = err.is_terminal and not err.is_dumb_terminal
        phases = Phases(Bars(stack.enter_context(_bars(err))) if bars else Lines(err.file))
        phases.quiet_since = phases.clock()
        stack.enter_context(_ticking(phases))
        yield phases
        phases.close()


@contextmanager
def _ticking(phases: Phases) -> Iterator[None]:
    """Time is seen to go on while nobody tells anything."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(1.0):
            phases.tick()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _bars(console: Console) -> Any:
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
    """A `Tell` for a part of something larger: its phases carry `where` in front.

    >>> heard = []
    >>> within(lambda done, total, words: heard.append(words), "crop, seed 1")(3, 9, "train · loss 2.1")
    >>> heard
    ['crop, seed 1: train · loss 2.1']
    """
    return lambda done, total, words: tell(done, total, f"{where}: {words}")


def _place(phase: str) -> str:
    """The part of a phase that `within` put in front."""
    return phase[: phase.rfind(": ") + 2] if ": " in phase else ""


def share(pace: Pace) -> str:
    """How far, as a percentage, or as a count where the end is not known.

    >>> share(Pace("train", 0.0, 4.0, done=1, total=3)), share(Pace("read", 0.0, 4.0, done=1200))
    ('33 %', '1,200')
    """
    if pace.total:
        return f"{100 * pace.done // pace.total} %"
    return f"{pace.done:,}" if pace.done else f"{span(pace.seconds)} so far"


def worth_a_line(pace: Pace) -> bool:
    """Whether the end of a phase is told."""
    return pace.seconds >= _SHORTEST and pace.phase != UNTOLD


def ending(pace: Pace) -> str:
    """How a phase ended.

    >>> ending(Pace("train", 0.0, 83.0, done=340, total=1000))
    'ended at 340 of 1,000 after 1 min 23 s'
    """
    if pace.total and not pace.whole:
        return f"ended at {pace.done:,} of {pace.total:,} after {span(pace.seconds)}"
    return span(pace.seconds)


def span(seconds: float) -> str:
    """A length of time as a person says it.

    >>> span(0.84), span(42.4), span(83), span(7384)
    ('0.8 s', '42 s', '1 min 23 s', '2 h 3 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
