"""What is known of a made row before its events are drawn: when it begins, how long it is, what it continues?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import FROM_NOISE, Histories, offsets
from leaven.errors import DataError, SpecError
from leaven.protocols import Keys

if TYPE_CHECKING:
    from leaven.datasets.catalog import Catalog

Ints = npt.NDArray[np.int64]
Where = Literal["alone", "after", "before"]
Anywhere = Literal["alone", "after", "before", "between", "instead"]
Targets = Literal["fitting", "new", "given", "all"]

MADE = 1
"""The origin of a generated row until the plan records its step."""


class Layout(Protocol):
    """The fields that every generator of histories has, and what they mean.

    where             alone: a new user; after: behind a real history; before: in front of one; where a generator
                      reads both ways also between: among its events; instead: in place of some of them
    events_range      shortest and longest row of a new user (its length is drawn from the real ones)
    new_events_range  how many events are added to a real history
    targets           which events of a continued row are training targets: `new`, `given`, or `all` but the
                      first; `fitting` takes the new ones behind a history, and those that were targets already
                      in front of one (a made item is then seen, never learned); between and instead: `given`, from
                      the first one that was a target on. Rows of new users: all
    """

    @property
    def where(self) -> Anywhere: ...
    @property
    def events_range(self) -> tuple[int, int]: ...
    @property
    def new_events_range(self) -> tuple[int, int]: ...
    @property
    def targets(self) -> Targets: ...


Check = tuple[str, bool, str]


def check(kind: str, wish: Layout, others: Sequence[Check], where: Sequence[str] = get_args(Where)) -> None:
    """Raises SpecError for the first field that is wrong; others: (field, whether it is fine, what was wanted)."""
    shared: list[Check] = [
        ("where", wish.where in where, f"one of {', '.join(where)}"),
        ("events_range", 1 <= wish.events_range[0] <= wish.events_range[1], "two ascending lengths from 1"),
        ("new_events_range", 0 <= wish.new_events_range[0] <= wish.new_events_range[1], "two ascending counts from 0"),
        ("targets", wish.targets in ("fitting", "new", "given", "all"), "fitting, new, given or all"),
        ("targets", wish.targets != "new" or wish.where in ("alone", "after"), f"given or all with {wish.where}"),
    ]
    for name, fine, wanted in [*others, *shared]:
        if not fine:
            raise SpecError(f"{kind}.{name}", wanted, repr(getattr(wish, name)), "")


@dataclass(frozen=True, eq=False)
class Frame:
    """Rows with room for their new events, in the direction in which they are written.

    starts int64 (rows + 1,); given int64 (rows,): how many first events are known; items int32 (events,) and times
    int64 (events,) hold those, and of a row without any the time of its first event. timed: whether all times are set.
    like: the rows that these continue; source int64 (events,): which of their events, in the direction of writing, each
    one is, -1 for the new ones.
    """

    keys: Keys
    starts: Ints
    given: Ints
    items: npt.NDArray[np.int32]
    times: Ints
    source: Ints
    like: Histories | None = None
    timed: bool = False

    def cut(self, ends: Ints) -> Frame:
        """The same rows, ended before these places (int64 (rows,), of mine)."""
        if (ends == self.starts[1:]).all():
            return self
        kept = np.arange(len(self.items)) < np.repeat(ends, np.diff(self.starts))
        events = {name: getattr(self, name)[kept] for name in ("items", "times", "source")}
        return replace(self, starts=offsets(ends - self.starts[:-1]), **events)


@dataclass(frozen=True, eq=False)
class Frames:
    """What training rows say about frames, and how a filled one becomes rows.

    backwards  rows are written from their last event to their first, with negated times
    first_law  int64 (rows, 2): time of the first written event, and length, of each real row, ascending in time
    inside_law float64 (257,): quantiles of where an event lies between its neighbours, 0 at the first, 1 at the last
    columns    other columns of an event: name -> dtype
    """

    backwards: bool
    first_law: Ints
    columns: Mapping[str, str]
    n_items: int
    catalog: Catalog | None = None
    inside_law: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, train: Histories, wish: Layout) -> Frames:
        """Learned from the training rows."""
        backwards = wish.where == "before"
        rows = mirrored(train) if backwards else train
        full = rows.lengths > 0
        law = np.stack([rows.times[rows.starts[:-1][full]], rows.lengths[full]], axis=1)
        columns = {name: column.dtype.str for name, column in train.extra.items()}
        return cls(backwards, law[np.lexsort((law[:, 1], law[:, 0]))], columns, train.n_items, train.catalog)

    def begin(self, wish: Layout, keys: Keys, like: Histories | None) -> Frame:
        """A frame a key: of new users, or (`like`, and `where` not alone) of these rows continued.

        Raises DataError where there are not as many keys as rows.
        """
        keys = np.asarray(keys, np.uint64)
        if like is None or wish.where == "alone":
            return self._alone(wish, keys)
        if len(like) != len(keys):
            raise DataError("generator.sample", f"{len(like)} keys, one a row", f"{len(keys)}", "")
        return self._continued(wish, keys, like)

    def _alone(self, wish: Layout, keys: Keys) -> Frame:
        place = rng.uniform(rng.mix(keys), 0) * len(self.first_law)  # draws apart from those of the events
        at = place.astype(np.int64)
        first, following = self.first_law[at, 0], self.first_law[np.minimum(at + 1, len(self.first_law) - 1), 0]
        begun = first + ((place - at) * (following - first)).astype(np.int64)
        lengths = np.clip(self.first_law[at, 1], *wish.events_range)
        return _frame(keys, lengths, np.zeros(len(keys), np.int64), begun)

    def _continued(self, wish: Layout, keys: Keys, like: Histories) -> Frame:
        low, high = wish.new_events_range
        added = low + (rng.uniform(rng.mix(keys), 0) * (high - low + 1)).astype(np.int64)
        added = np.where(like.lengths == 0, np.maximum(added, 1), added)
        known = mirrored(like) if self.backwards else like
        begun = np.full(len(keys), self.first_law[len(self.first_law) // 2, 0], np.int64)
        frame = _frame(keys, known.lengths + added, known.lengths, begun)
        places = _places(frame.starts[:-1], known.lengths)
        frame.items[places], frame.times[places] = known.items, known.times
        frame.source[places] = np.arange(known.events)
        return replace(frame, like=like)

    def finish(self, wish: Layout, frame: Frame) -> Histories:
        """The rows of a frame whose events are all written."""
        rows = self._new(frame) if frame.like is None else self._longer(wish, frame, frame.like)
        return replace(rows, keys=frame.keys, origin=np.full(len(rows), MADE, np.int16))

    def _new(self, frame: Frame) -> Histories:
        extra = {name: np.zeros(len(frame.items), np.dtype(kind)) for name, kind in self.columns.items()}
        rows = Histories.real(frame.items, frame.times, frame.starts, frame.keys, self.n_items)
        rows = replace(rows, parents=np.full(len(rows), FROM_NOISE, np.uint64), extra=extra, catalog=self.catalog)
        return mirrored(rows) if self.backwards else rows

    def _longer(self, wish: Layout, frame: Frame, like: Histories) -> Histories:
        known = mirrored(like) if self.backwards else like
        rows = known.rebuilt(frame.starts, frame.items, frame.times, frame.source)
        rows = mirrored(rows) if self.backwards else rows
        return replace(rows, targets=_targets(wish, like, frame))


def mirrored(rows: Histories) -> Histories:
    """Each row read backwards, its times negated, so that they ascend again."""
    starts = rows.starts - rows.starts[0]
    source = np.repeat(starts[:-1] + starts[1:] - 1, rows.lengths) - np.arange(rows.events)
    extra = {name: column[source] for name, column in rows.extra.items()}
    return replace(rows, starts=starts, items=rows.items[source], times=-rows.times[source], extra=extra)


def _frame(keys: Keys, lengths: Ints, given: Ints, begun: Ints) -> Frame:
    starts = offsets(lengths)
    times = np.zeros(starts[-1], np.int64)
    times[starts[:-1][lengths > 0]] = begun[lengths > 0]
    source = np.full(starts[-1], -1, np.int64)
    return Frame(keys, starts, given.astype(np.int64), np.zeros(starts[-1], np.int32), times, source)


def _targets(wish: Layout, like: Histories, frame: Frame) -> npt.NDArray[np.int32]:
    """int32 (rows,): how many of the last events of each continued row are targets."""
    added = np.maximum(np.diff(frame.starts) - like.lengths, 0)
    every = np.maximum(np.diff(frame.starts) - 1, 0)
    chosen = wish.targets if wish.targets != "fitting" else "new" if wish.where == "after" else "given"
    if wish.where == "between":
        given = _from_first_target(like, frame)
    else:  # behind a history the last ones, so the new ones are among them
        given = like.targets.astype(np.int64) + (added if wish.where == "after" else 0)
    wanted: Ints = {"all": every, "new": added, "given": given}[chosen]
    targets: npt.NDArray[np.int32] = np.minimum(wanted, every).astype(np.int32)
    return targets


def _from_first_target(like: Histories, frame: Frame) -> Ints:
    """int64 (rows,): events from each row's first target on, the new ones among them."""
    ends = like.starts[1:] - like.starts[0]
    place = np.append(np.flatnonzero(frame.source >= 0), 0)[ends - like.targets]  # of each row's first target
    found: Ints = np.where(like.targets > 0, frame.starts[1:] - place, 0)
    return found


def _places(first: Ints, lengths: Ints) -> Ints:
    """int64 (sum of lengths,): first[0], first[0] + 1, … for each row."""
    offsets = np.cumsum(lengths) - lengths
    places: Ints = np.arange(lengths.sum()) + np.repeat(first - offsets, lengths)
    return places
