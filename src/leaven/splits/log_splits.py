"""Which events may be learned from, and which are kept to see whether it helped?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.arrays.sorting import in_order
from leaven.datasets.histories import HeldOut, Histories, Ints
from leaven.errors import DataError, SpecError, nearest

Mask = npt.NDArray[np.bool_]
NO_CLOCK = 10_000_000
"""Times before April 1970 are places in a line, or a test's."""
UNKNOWN_BIRTH = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class Split:
    """train: what may be learned from. The others wait: what was known of a user, and what came next.

    control  users kept out of train, valid and test, to steer augmentation by; None where none were asked for
    valid    for choosing and for early stopping
    test     for the verdict alone
    facts    sizes, times, what was left out and why; JSON-able
    unseen   rows of the control users, as whole as those of train: what no generator has seen, to judge made rows by
    """

    train: Histories
    control: HeldOut | None
    valid: HeldOut
    test: HeldOut
    facts: dict[str, Any] = field(default_factory=dict)
    unseen: Histories | None = None

    def without(self, keys: npt.NDArray[np.uint64]) -> Split:
        """The same without the rows of these keys, in any part; the facts stay those of the whole."""
        parts: dict[str, Any] = {"train": self.train, "unseen": self.unseen}
        parts = {n: None if rows is None else rows.take(~np.isin(rows.keys, keys)) for n, rows in parts.items()}
        for name in ("control", "valid", "test"):
            held: HeldOut | None = getattr(self, name)
            parts[name] = None if held is None else held.take(~np.isin(held.histories.keys, keys))
        return replace(self, **parts)


@dataclass(frozen=True)
class TimeSplit:
    """One moment for all users: what lies before it is known, what lies after is not.

    valid_share    share of all events in the validation period, just before the test period
    test_share     share of all events in the test period, the last one
    targets        "next": the first new item of the period and those taken in the same second, so that no
                   target hangs on the order of a file; "all": every new item of the period, which also asks
                   for what a user takes weeks later, long after what is known of them
    repeats        whether an item that the user already had may be a target
    control_share  share of users kept apart, chosen by their key; what they took in the last second before validation
                   is the target

    A model that learns from events that lie after a target has seen the future (Gusak et al., RecSys 2025),
    so this is leaven's default. Raises SpecError for shares out of bounds.
    """

    valid_share: float = 0.1
    test_share: float = 0.1
    targets: str = "next"
    repeats: bool = False
    control_share: float = 0.05

    def __post_init__(self) -> None:
        for name in ("valid_share", "test_share"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise SpecError(f"split.{name}", "a share between 0 and 1", str(getattr(self, name)), "")
        if self.valid_share + self.test_share >= 1.0:
            raise SpecError("split", "shares that leave something to learn from", "shares of 1 or more", "lower them")
        if self.targets not in ("next", "all"):
            raise SpecError(
                "split.targets", "'next' or 'all'", repr(self.targets), nearest(self.targets, ["next", "all"])
            )
        _check_control(self.control_share)

    def split(self, histories: Histories, key: int = 0) -> Split:
        """The parts; `key` chooses the control users.

        Raises DataError where a part would be empty, and says what to change.
        """
        first, second = _cuts(histories.times, self.valid_share, self.test_share)
        apart = _control(histories, self.control_share, key)
        known = [_before(histories, cut) for cut in (first, second)]
        cutter = _Cutter(histories, self.repeats, self.targets == "all")
        valid, valid_facts = cutter.held_out(~apart, known[0], known[1])
        test, test_facts = cutter.held_out(~apart, known[1], histories.lengths)
        control, control_facts = cutter.control(apart, _before_last_moment(histories, known[0]), known[0])
        facts = {"kind": "time", "targets": self.targets, "valid_from": _iso(first), "test_from": _iso(second)}
        if int(histories.times.max()) < NO_CLOCK:
            facts["clock"] = "none: times are places in a line, so that kind = 'leave_one_out' is the split to take"
        train = _train(histories, ~apart & (known[0] > 0), known[0])
        unseen = _first_of(histories, apart & (known[0] > 0), known[0]) if apart.any() else None
        parts = Split(train, control, valid, test, facts, unseen)
        fix = {
            "train": "lower valid_share and test_share: nobody has an event before the validation period",
            "valid": "raise valid_share, or set repeats = true: no known user takes a new item in that period",
            "test": "raise test_share, or set repeats = true: no known user takes a new item in that period",
        }
        return _finished(parts, histories, {"valid": valid_facts, "test": test_facts, "control": control_facts}, fix)


@dataclass(frozen=True)
class LeaveOneOut:
    """Each user's last event tests, the one before validates, the rest is learned from, as in the literature.

    The known part of a test user includes the validation event. Users with fewer than 3 events stay in training
    only. Other users' later events are learned from: the facts say how much of training lies in the future of a
    target.

    repeats        whether an item that the user already had may be a target
    control_share  0: published figures know no control users

    Raises SpecError for a share out of bounds.
    """

    repeats: bool = False
    control_share: float = 0.0

    def __post_init__(self) -> None:
        _check_control(self.control_share)

    def split(self, histories: Histories, key: int = 0) -> Split:
        """The parts; `key` chooses the control users.

        Raises DataError where a part would be empty, and says what to change.
        """
        apart = _control(histories, self.control_share, key)
        long = histories.lengths >= 3
        kept = np.where(long, histories.lengths - 2, histories.lengths)
        cutter = _Cutter(histories, self.repeats, True)
        valid, valid_facts = cutter.held_out(~apart & long, kept, kept + 1)
        test, test_facts = cutter.held_out(~apart & long, kept + 1, histories.lengths)
        control, control_facts = cutter.control(apart & long, kept - 1, kept)
        facts = {"kind": "leave_one_out", "users_too_short": int((~long & ~apart).sum())}
        train = _train(histories, ~apart & (kept > 0), kept)
        unseen = _first_of(histories, apart & (kept > 0), kept) if apart.any() else None
        parts = Split(train, control, valid, test, facts, unseen)
        need = "it takes users with 3 or more events, the last ones of items that they did not have; else set "
        need += "repeats = true, or kind = 'time'"
        fix = {"train": "lower control_share", "valid": need, "test": need}
        return _finished(parts, histories, {"valid": valid_facts, "test": test_facts, "control": control_facts}, fix)


KINDS: dict[str, Callable[[], TimeSplit | LeaveOneOut]] = {"time": TimeSplit, "leave_one_out": LeaveOneOut}


def split(histories: Histories, kind: str | TimeSplit | LeaveOneOut = "time", key: int = 0) -> Split:
    """The parts of some histories, by a kind's defaults or by a wish.

    >>> rows = Histories.of([[1, 2, 3, 4], [2, 3, 1], [3]], n_items=4)
    >>> parts = split(rows, "leave_one_out")
    >>> parts.test.items.tolist(), parts.valid.items.tolist(), parts.train.lengths.tolist()
    ([4, 1], [3, 3], [2, 1, 1])

    Raises SpecError for an unknown kind, DataError where a part would be empty.
    """
    if not isinstance(kind, str):
        return kind.split(histories, key)
    if kind not in KINDS:
        raise SpecError("split.kind", "a known kind", repr(kind), nearest(kind, KINDS))
    return KINDS[kind]().split(histories, key)


def _check_control(share: float) -> None:
    if not 0.0 <= share < 1.0:
        raise SpecError("split.control_share", "a share from 0 to below 1", str(share), "0 keeps nobody apart")


def _control(histories: Histories, share: float, key: int) -> Mask:
    """bool (rows,): users kept apart, by their own key: the same in any order and in any shard."""
    keys = rng.row_keys(rng.key(key, "split", "control"), histories.keys)
    apart: Mask = rng.uniform(keys, 0) < share
    return apart


def _cuts(times: Ints, valid_share: float, test_share: float) -> tuple[int, int]:
    """First seconds of the validation and of the test period. Events of one second stay together."""
    if not len(times):
        raise DataError("split", "events", "none", "loosen the cleaning rules")
    places = [int(len(times) * (1.0 - valid_share - test_share)), int(len(times) * (1.0 - test_share))]
    places = [min(place, len(times) - 1) for place in places]
    found = np.partition(times, places)
    return int(found[places[0]]), int(found[places[1]])


def _before(histories: Histories, cut: int) -> Ints:
    """int64 (rows,): how many of each row's events lie before a moment."""
    earlier = np.concatenate([[0], np.cumsum(histories.times < cut)])
    counts: Ints = earlier[histories.starts[1:]] - earlier[histories.starts[:-1]]
    return counts


def _before_last_moment(histories: Histories, known: Ints) -> Ints:
    """int64 (rows,): how many of the first `known` events of each row lie before the second of the last of them."""
    last = np.maximum(histories.starts[:-1] + known - 1, 0)
    moment = np.where(known > 0, histories.times[last], 0)
    earlier = np.concatenate([[0], np.cumsum(histories.times < np.repeat(moment, histories.lengths))])
    counts: Ints = earlier[histories.starts[1:]] - earlier[histories.starts[:-1]]
    return counts


def _places(histories: Histories, rows: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """(places of events low..high - 1 of each of these rows, starts)."""
    lengths = high - low
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.arange(starts[-1]) + np.repeat(histories.starts[rows] + low - starts[:-1], lengths), starts


def _first(histories: Histories, rows: Ints, lengths: Ints) -> Histories:
    """The first events of these rows."""
    source, starts = _places(histories, rows, np.zeros(len(rows), np.int64), lengths)
    return histories.rebuilt(starts, histories.items[source], histories.times[source], source, rows)


def _first_of(histories: Histories, who: Mask, lengths: Ints) -> Histories:
    rows = np.flatnonzero(who)
    return _first(histories, rows, lengths[rows])


def _train(histories: Histories, who: Mask, lengths: Ints) -> Histories:
    return _with_births(_first_of(histories, who, lengths))


def _with_births(train: Histories) -> Histories:
    """Items whose catalogue states no birth are born with their first training event."""
    catalog = train.catalog
    if catalog is None:
        return train
    first = np.full(train.n_items + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, train.items, train.times)
    first[first == np.iinfo(np.int64).max] = UNKNOWN_BIRTH
    born = first if catalog.born is None else np.where(catalog.born == UNKNOWN_BIRTH, first, catalog.born)
    return replace(train, catalog=replace(catalog, born=born))


@dataclass(frozen=True, eq=False)
class _Cutter:
    """Cuts each row into what is known and what is asked for."""

    histories: Histories
    repeats: bool
    every: bool

    def held_out(self, who: Mask, known: Ints, end: Ints) -> tuple[HeldOut, dict[str, int]]:
        """(users of `who` with something known and something new, counts of what was left out)."""
        mine = self.histories
        active = who & (end > known)
        strangers = active & (known == 0)
        rows = np.flatnonzero(active & (known > 0))
        source, starts = _places(mine, rows, known[rows], end[rows])
        owner = np.repeat(np.arange(len(rows)), np.diff(starts))
        new, seen = self._new(rows, known, source, owner)
        source, owner = source[new], owner[new]
        if not self.every and len(source):
            head = np.flatnonzero(np.diff(owner, prepend=-1))
            moment = np.repeat(mine.times[source[head]], np.diff(np.append(head, len(owner))))
            source, owner = (column[mine.times[source] == moment] for column in (source, owner))
        counts = np.bincount(owner, minlength=len(rows))
        left = rows[counts > 0]
        target_starts = np.concatenate([[0], np.cumsum(counts[counts > 0])]).astype(np.int64)
        past = _first(mine, left, known[left])
        facts = {
            "users_without_past": int(strangers.sum()),
            "targets_seen": seen,
            "targets_on_a_tie": self._tied(source, left, known),
        }
        facts["users_with_nothing_new"] = int(len(rows) - len(left))
        return HeldOut(past, mine.items[source], mine.times[source], target_starts), facts

    def control(self, apart: Mask, known: Ints, end: Ints) -> tuple[HeldOut | None, dict[str, int]]:
        """(users kept apart, counts); None where nobody is."""
        return self.held_out(apart, np.maximum(known, 0), end) if apart.any() else (None, {})

    def _new(self, rows: Ints, known: Ints, source: Ints, owner: Ints) -> tuple[Mask, int]:
        """(which of the asked events are targets, how many are not because the user already had the item).

        An item taken twice in the asked part is one target, at its first place.
        """
        mine = self.histories
        width = mine.n_items + 2
        asked = owner * width + mine.items[source]
        first = _first_times(asked)
        if self.repeats:
            return first, 0
        before, starts = _places(mine, rows, np.zeros(len(rows), np.int64), known[rows])
        had = _among(asked, np.repeat(np.arange(len(rows)), np.diff(starts)) * width + mine.items[before])
        return first & ~had, int(had.sum())

    def _tied(self, source: Ints, rows: Ints, known: Ints) -> int:
        """Targets whose second is also that of the last known event: which came first is the file's word alone."""
        mine = self.histories
        if not len(source):
            return 0
        row = np.searchsorted(mine.starts, source, side="right") - 1
        return int((mine.times[source] == mine.times[mine.starts[row] + known[row] - 1]).sum())


def _first_times(codes: Ints) -> Mask:
    """bool (codes,): where each is met for the first time."""
    ascending, order = in_order(codes)
    first = np.ones(len(codes), bool)
    first[order[1:]] = np.diff(ascending) > 0
    return first


def _among(codes: Ints, others: Ints) -> Mask:
    """bool (codes,): which of these are among the others. By sorting: the hashes of `numpy.isin` are slow at size."""
    known = np.append(np.sort(others), np.iinfo(np.int64).max)
    return np.asarray(known[np.searchsorted(known, codes)] == codes, bool)


def _finished(parts: Split, histories: Histories, left_out: dict[str, dict[str, int]], fix: dict[str, str]) -> Split:
    """The split with its facts and with one catalogue for all parts; DataError where a part is empty."""
    for name in ("train", "test", "valid"):
        if not len(getattr(parts, name)):
            whole = f"none of {len(histories):,} users with {histories.events:,} events"
            raise DataError(f"split, {name}", "at least one user", whole, fix[name])
    valid, test = (_sharing(part, parts.train) for part in (parts.valid, parts.test))
    control = None if parts.control is None else _sharing(parts.control, parts.train)
    facts = dict(parts.facts)
    facts |= {"train_users": len(parts.train), "train_events": parts.train.events}
    for name, part in (("valid", valid), ("test", test), ("control", control)):
        if part is not None:
            facts |= {f"{name}_users": len(part), f"{name}_targets": len(part.items)}
            facts |= {
                f"{name}_{word}": count for word, count in left_out[name].items() if count or word == "targets_on_a_tie"
            }
    facts |= _unseen(parts.train, test)
    if int(histories.times.max()) >= NO_CLOCK:
        facts["leave_one_out_leak_share"] = leak(histories)
    unseen = None if parts.unseen is None else replace(parts.unseen, catalog=parts.train.catalog)
    return replace(parts, valid=valid, test=test, control=control, facts=facts, unseen=unseen)


def _sharing(part: HeldOut, train: Histories) -> HeldOut:
    return replace(part, histories=replace(part.histories, catalog=train.catalog))


def _unseen(train: Histories, test: HeldOut) -> dict[str, Any]:
    """What a model that learned from `train` has never met."""
    met = np.zeros(train.n_items + 2, bool)
    met[train.items] = True
    strange = ~met[test.items]
    return {
        "unseen_users_in_test": int((~np.isin(test.histories.keys, train.keys)).sum()),
        "unseen_items_in_test": len(np.unique(test.items[strange])),
        "targets_of_unseen_items": int(strange.sum()),
        "items_in_train": int(met.sum()),
    }


def leak(histories: Histories) -> float | None:
    """How much of leave-one-out's training lies in the future of what it tests; None where it tests nobody.

    The mean, over the users whom leave-one-out tests, of the share of its training events that happened after
    the user's test event. 0 with a cut in time.

    >>> leak(Histories.of([[1, 2, 3], [1, 2, 3]], n_items=3, times=[[1, 2, 3], [9, 10, 11]]))
    0.25
    """
    long = histories.lengths >= 3
    if not long.any():
        return None
    rows = np.arange(len(histories))
    learned = np.where(long, histories.lengths - 2, histories.lengths)
    source, _ = _places(histories, rows, np.zeros(len(rows), np.int64), learned)
    known = np.sort(histories.times[source])
    tested = histories.times[histories.starts[1:][long] - 1]
    later = len(known) - np.searchsorted(known, tested, side="right")
    return round(float(later.mean()) / len(known), 4)


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
