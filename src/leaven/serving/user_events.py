"""Events that arrive while a model is served: kept by own ids, so that they survive a change of the model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaven.run_folder import append_line, read_lines

_MAX_EVENTS = 200
_MAX_USERS = 1_000_000


@dataclass(frozen=True)
class UserEvent:
    """item: own id; time: seconds since 1970."""

    item: str
    time: int


class UserEvents:
    """The last events of each user, in the order of arrival. Safe for several threads.

    file: each event is also appended to this file as a line of JSON, and read from it at the start; None: memory only.
    At most 200 events of each of the last 1,000,000 users stay in memory.

    >>> events = UserEvents()
    >>> events.append("ann", UserEvent("tea", 10))
    1
    >>> events.list_events("ann")
    (UserEvent(item='tea', time=10),)
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file, self._lock = file, threading.Lock()
        self._events: OrderedDict[str, tuple[UserEvent, ...]] = OrderedDict()
        for line in read_lines(file) if file is not None else ():
            self._remember(line["user"], UserEvent(line["item"], line["time"]))

    def append(self, user: str, event: UserEvent) -> int:
        """Append an event; returns the number of events of the user."""
        with self._lock:
            if self._file is not None:
                append_line(self._file, {"user": user, "item": event.item, "time": event.time})
            return self._remember(user, event)

    def list_events(self, user: str) -> Sequence[UserEvent]:
        """The events of a user, oldest first."""
        return self._events.get(user, ())

    def _remember(self, user: str, event: UserEvent) -> int:
        self._events[user] = (*self._events.get(user, ()), event)[-_MAX_EVENTS:]
        self._events.move_to_end(user)
        if len(self._events) > _MAX_USERS:
            self._events.popitem(last=False)
        return len(self._events[user])
