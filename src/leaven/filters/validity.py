"""A filter of impossible rows: unknown items, items before their first day, times out of order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.kernels.time_popularity import NEVER_ON_SALE, find_first_sale_times
from leaven.protocols import FilterResult


@dataclass(frozen=True)
class Validity:
    """Accept rows of known items, each on sale at its time, in time order, none after the last training event.

    An item is known from training or from a first day of sale in the catalog; it is on sale from the earlier of these
    two. The mask is no item and is accepted.

    min_events, max_events  shortest and longest row; None: twice the longest training row
    """

    min_events: int = 1
    max_events: int | None = None

    def __post_init__(self) -> None:
        if self.min_events < 1 or (self.max_events is not None and self.max_events < self.min_events):
            raise SpecError("validity", "1 <= min_events <= max_events", f"{self.min_events}, {self.max_events}", "")

    def fit(self, train: Histories, key: int) -> FittedValidity:
        """Return the fitted filter. Raises FitError without training events."""
        if train.n_events == 0:
            raise FitError("validity", "at least one training event", "none", "give it training rows")
        stated = train.catalog.first_sale_times if train.catalog is not None else None
        born = find_first_sale_times(train.items, train.times, train.n_items, stated)
        longest = 2 * int(train.lengths.max()) if self.max_events is None else self.max_events
        return FittedValidity(born, int(train.times.max()), self.min_events, longest)


@dataclass(frozen=True, eq=False)
class FittedValidity:
    """born int64 (items + 2,): first second of sale of each id."""

    born: npt.NDArray[np.int64]
    last_time: int
    min_events: int
    max_events: int

    def __call__(self, new: Histories) -> FilterResult:
        mask_id = len(self.born) - 1
        inside = (new.items >= 1) & (new.items <= mask_id)
        born = self.born[np.where(inside, new.items, 0)]
        item = new.items != mask_id
        is_earlier = np.zeros(len(new.items), np.bool_)
        is_earlier[1:] = np.diff(new.times) < 0
        is_earlier[new.starts[:-1][new.lengths > 0]] = False  # a row may begin before the previous row ends
        refused = {
            f"fewer than {self.min_events} events": new.lengths < self.min_events,
            f"more than {self.max_events} events": new.lengths > self.max_events,
            "an unknown item": _has_event(new, item & (born == NEVER_ON_SALE)),
            "an item before its first day": _has_event(new, item & (born != NEVER_ON_SALE) & (new.times < born)),
            "an event after the last training time": _has_event(new, new.times > self.last_time),
            "times out of order": _has_event(new, is_earlier),
        }
        return FilterResult.from_reasons(len(new), refused)


def _has_event(rows: Histories, events: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether a row has at least one of the marked events, bool (rows,); events bool (events,)."""
    return np.bincount(rows.event_rows()[events], minlength=len(rows)) > 0
