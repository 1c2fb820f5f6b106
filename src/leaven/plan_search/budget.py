"""The time budget of a search."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from leaven.errors import SpecError


@dataclass(eq=False)
class TimeBudget:
    """Seconds that a search may use, and how many are used.

    total   seconds in all
    spent   seconds of earlier sessions of a resumed search
    reserve seconds kept for what comes after the race

    The clock is monotonic: it stands still while a machine sleeps.
    """

    total: float
    spent: float = 0.0
    reserve: float = 0.0
    _started: float = field(default_factory=time.monotonic, repr=False)

    def __post_init__(self) -> None:
        if not self.total > 0:
            raise SpecError("minutes", "more than 0", str(self.total / 60), "for example --minutes 30")

    @property
    def used(self) -> float:
        """Seconds used, with those of earlier sessions."""
        return self.spent + time.monotonic() - self._started

    @property
    def left(self) -> float:
        """Seconds left before the reserve."""
        return self.total - self.used - self.reserve

    def allows(self, seconds: float) -> bool:
        """Whether work of this many seconds fits."""
        return seconds <= self.left
