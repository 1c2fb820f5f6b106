"""Runs a tracker in a thread behind a bounded queue, so that it never blocks or fails a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from queue import Full, Queue
from threading import Thread
from typing import Any

from leaven.tracking.contract import RunEnd, RunResult, RunStart, StageEnd, Tracker

QUEUE_SIZE = 1000
"""Calls that wait; with a tracker that hangs, further ones are dropped and counted."""
CLOSE_SECONDS = 60.0
"""Time that a tracker has at the end of a run; then it is left behind."""

LogEvent = Callable[[str, Mapping[str, Any]], None]


class RunTracking:
    """The calls of one run to its tracker; without a tracker, nothing happens.

    >>> with RunTracking(None) as tracking:
    ...     tracking.notify("on_stage", StageEnd("data", 1.0))
    """

    def __init__(self, tracker: Tracker | None, queue_size: int = QUEUE_SIZE) -> None:
        self._tracker, self._has_failed, self._dropped = tracker, False, 0
        self._start: RunStart | None = None
        self._calls: Queue[tuple[str, object] | None] = Queue(queue_size)
        self._thread = Thread(target=self._work, name="leaven-tracking", daemon=True)
        if tracker is not None:
            self._thread.start()

    def __enter__(self) -> RunTracking:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Report the error that ended the run, and wait for queued calls."""
        if self._start is not None and error is not None:
            self.notify("on_run_end", RunEnd(self._start.name, f"{type(error).__name__}: {error}"))
        self.close()

    def start(self, facts: RunStart) -> None:
        """Report the start of the run; without it, no end is reported."""
        self._start = facts
        self.notify("on_run_start", facts)

    def finish(self, result: RunResult) -> None:
        """Report the validations and the end of the run."""
        for validation in result.validations:
            self.notify("on_validation", validation)
        self.notify("on_run_end", result.end)

    def notify(self, method: str, facts: object) -> None:
        """Queue a call of one of the methods of `Tracker` and return."""
        if self._tracker is None:
            return
        try:
            self._calls.put_nowait((method, facts))
        except Full:
            self._dropped += 1

    def follow_log(self, log_event: LogEvent) -> LogEvent:
        """A log that forwards finished stages; in other processes it is `log_event` alone."""
        return log_event if self._tracker is None else _FollowedLog(log_event, self)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Wait for queued calls, for at most `seconds`."""
        if self._tracker is None:
            return
        try:
            self._calls.put(None, timeout=seconds)
            self._thread.join(seconds)
        except Full:
            pass
        if self._dropped or self._thread.is_alive():
            self._warn(f"did not answer in time, {self._dropped:,} calls were dropped")

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            method, facts = call
            try:
                getattr(self._tracker, method)(facts)
            except Exception as error:
                self._warn(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}")

    def _warn(self, text: str) -> None:
        """One line on stderr per run."""
        if not self._has_failed:
            self._has_failed = True
            print(f"warning: tracking with {type(self._tracker).__name__} {text}", file=sys.stderr)


class _FollowedLog:
    """Writes an event to the log of the run and forwards it. A copy in another process only writes."""

    def __init__(self, log_event: LogEvent, tracking: RunTracking | None) -> None:
        self._log_event, self._tracking = log_event, tracking

    def __call__(self, event: str, facts: Mapping[str, Any]) -> None:
        self._log_event(event, facts)
        if self._tracking is not None and event == "stage done":
            self._tracking.notify("on_stage", StageEnd(str(facts["stage"]), float(facts["seconds"])))

    def __reduce__(self) -> tuple[type[_FollowedLog], tuple[LogEvent, None]]:
        return type(self), (self._log_event, None)
