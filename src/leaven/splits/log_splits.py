"""Splits histories into training, validation, test and control parts, by time or by leave-one-out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.arrays.codes import sort_codes
from leaven.datasets.event_table import MIN_CLOCK_TIME
from leaven.datasets.histories import HeldOut, Histories, Ints
from leaven.display import Display, format_period, show_html, show_text
from leaven.errors import DataError, SpecError, suggest_name

Mask = npt.NDArray[np.bool_]
_UNKNOWN_RELEASE = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class Split:
    """train: training histories. The other parts hold known histories of users and the target events that follow.

    control            users outside train, valid and test, for adaptive augmentation; None without control users
    valid              for model selection and early stopping
    test               for the final evaluation only
    facts              sizes, times, and counts of what was left out and why; JSON-able
    control_histories  histories of the control users, cut as those of train: unseen by generators, for quality
                       evaluation
    """

    train: Histories
    control: HeldOut | None
    valid: HeldOut
    test: HeldOut
    facts: Mapping[str, object] = field(default_factory=dict)
    control_histories: Histories | None = None

    def to_display(self) -> Display:
        """What a shell and a notebook show."""
        train = self.train
        rows = [["train", f"{len(train):,}", f"{train.n_events:,}", "", _describe_period(train.times)]]
        for name, part in (("valid", self.valid), ("test", self.test), ("control", self.control)):
            if part is not None:
                known, targets = part.histories.n_events, len(part.target_items)
                rows.append([name, f"{len(part):,}", f"{known:,}", f"{targets:,}", _describe_period(part.target_times)])
        facts = {"kind": str(self.facts.get("kind", "")), "items": f"{train.n_items:,}"}
        header = ("part", ">users", ">known events", ">targets", "period of events or targets")
        return Display("Split", {name: value for name, value in facts.items() if value}, header, rows)

    __repr__ = show_text
    _repr_html_ = show_html

    def exclude_rows(self, keys: npt.NDArray[np.uint64]) -> Split:
        """The split without the rows of these ids in any part; the facts are unchanged."""

        def exclude(part: HeldOut) -> HeldOut:
            return part.take(~np.isin(part.histories.row_ids, keys))

        unseen = (
            None
            if self.control_histories is None
            else self.control_histories.take(~np.isin(self.control_histories.row_ids, keys))
        )
        return replace(
            self,
            train=self.train.take(~np.isin(self.train.row_ids, keys)),
            control=None if self.control is None else exclude(self.control),
            valid=exclude(self.valid),
            test=exclude(self.test),
            control_histories=unseen,
        )


def _describe_period(times: Ints) -> str:
    has_clock = len(times) and int(times.max()) >= MIN_CLOCK_TIME
    return format_period(int(times.min()), int(times.max())) if has_clock else ""


@dataclass(frozen=True)
class TimeSplit:
    """Splits at the same two times for all users.

    valid_share    share of all events in the validation period, just before the test period
    test_share     share of all events in the test period, the last one
    targets        "next": the first new item of the period and those of the same second, so that no target depends on
                   the order of a file; "all": every new item of the period, also those that follow weeks after the
                   known history
    allow_repeats  whether an item of the user's known history may be a target
    control_share  share of control users, chosen by their row id; their events of the last second before validation are
                   the targets
    target_kind    kind of the events that may be targets, such as "buy"; an item is new where the known history lacks
                   it with this kind. "": events of all kinds

    A model trained on events that happen after a target leaks the future (Gusak et al., RecSys 2025),
    so this is leaven's default. Raises SpecError for shares out of bounds.
    """

    valid_share: float = 0.1
    test_share: float = 0.1
    targets: str = "next"
    allow_repeats: bool = False
    control_share: float = 0.05
    target_kind: str = ""

    def __post_init__(self) -> None:
        for name in ("valid_share", "test_share"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise SpecError(f"split.{name}", "a share between 0 and 1", str(getattr(self, name)), "")
        if self.valid_share + self.test_share >= 1.0:
            raise SpecError("split", "shares that sum to less than 1", "a sum of 1 or more", "lower them")
        if self.targets not in ("next", "all"):
            raise SpecError(
                "split.targets", "'next' or 'all'", repr(self.targets), suggest_name(self.targets, ["next", "all"])
            )
        _check_control(self.control_share)

    def split(self, histories: Histories, key: int = 0) -> Split:
        """The parts; `key` draws the control users.

        Raises DataError, with what to change, where a part would be empty.
        """
        first, second = _find_cuts(histories.times, self.valid_share, self.test_share)
        is_control = _draw_control(histories, self.control_share, key)
        known = [_count_before(histories, cut) for cut in (first, second)]
        cutter = _Cutter(histories, self.allow_repeats, self.targets == "all", is_of_kind(histories, self.target_kind))
        valid, valid_facts = cutter.cut(~is_control, known[0], known[1])
        test, test_facts = cutter.cut(~is_control, known[1], histories.lengths)
        control, control_facts = cutter.cut_control(
            is_control, _count_before_last_second(histories, known[0]), known[0]
        )
        facts = {
            "kind": "time",
            "targets": self.targets,
            "valid_from": _format_time(first),
            "test_from": _format_time(second),
            **({"target_kind": self.target_kind} if self.target_kind else {}),
        }
        if int(histories.times.max()) < MIN_CLOCK_TIME:
            facts["clock"] = "none: times are positions in a line; use kind = 'leave_one_out'"
        train = build_train(histories, ~is_control & (known[0] > 0), known[0])
        unseen = _take_first_where(histories, is_control & (known[0] > 0), known[0]) if is_control.any() else None
        parts = Split(train, control, valid, test, facts, unseen)
        fix = {
            "train": "lower valid_share and test_share: no user has an event before the validation period",
            "valid": "raise valid_share, or set allow_repeats = true: no known user has a new item in that period",
            "test": "raise test_share, or set allow_repeats = true: no known user has a new item in that period",
        }
        return finish_split(parts, histories, {"valid": valid_facts, "test": test_facts, "control": control_facts}, fix)


@dataclass(frozen=True)
class LeaveOneOut:
    """Each user's last event is the test target, the one before the validation target, the rest is for training.

    The known history of a test user includes the validation event. Users with fewer than 3 events are in training
    only. Training contains events that happen after the targets of other users: the facts report their share.

    allow_repeats  whether an item of the user's known history may be a target
    control_share  as in `TimeSplit`; 0, since published results have no control users
    target_kind    as in `TimeSplit`; users whose last event is of another kind have no target

    Raises SpecError for a share out of bounds.
    """

    allow_repeats: bool = False
    control_share: float = 0.0
    target_kind: str = ""

    def __post_init__(self) -> None:
        _check_control(self.control_share)

    def split(self, histories: Histories, key: int = 0) -> Split:
        """The parts; `key` draws the control users.

        Raises DataError, with what to change, where a part would be empty.
        """
        is_control = _draw_control(histories, self.control_share, key)
        long = histories.lengths >= 3
        kept = np.where(long, histories.lengths - 2, histories.lengths)
        cutter = _Cutter(histories, self.allow_repeats, True, is_of_kind(histories, self.target_kind))
        valid, valid_facts = cutter.cut(~is_control & long, kept, kept + 1)
        test, test_facts = cutter.cut(~is_control & long, kept + 1, histories.lengths)
        control, control_facts = cutter.cut_control(is_control & long, kept - 1, kept)
        facts = {"kind": "leave_one_out", "users_too_short": int((~long & ~is_control).sum())}
        train = build_train(histories, ~is_control & (kept > 0), kept)
        unseen = _take_first_where(histories, is_control & (kept > 0), kept) if is_control.any() else None
        parts = Split(train, control, valid, test, facts, unseen)
        need = "it needs users with 3 or more events whose last items are new to them; or set "
        need += "allow_repeats = true, or kind = 'time'"
        fix = {"train": "lower control_share", "valid": need, "test": need}
        return finish_split(parts, histories, {"valid": valid_facts, "test": test_facts, "control": control_facts}, fix)


KINDS: dict[str, Callable[[], TimeSplit | LeaveOneOut]] = {"time": TimeSplit, "leave_one_out": LeaveOneOut}


def split(histories: Histories, kind: str | TimeSplit | LeaveOneOut = "time", key: int = 0) -> Split:
    """Splits histories, by a config or by the defaults of a kind.

    >>> rows = Histories.from_lists([[1, 2, 3, 4], [2, 3, 1], [3]], n_items=4)
    >>> parts = split(rows, "leave_one_out")
    >>> parts.test.target_items.tolist(), parts.valid.target_items.tolist(), parts.train.lengths.tolist()
    ([4, 1], [3, 3], [2, 1, 1])

    Raises SpecError for an unknown kind, DataError where a part would be empty.
    """
    if not isinstance(kind, str):
        return kind.split(histories, key)
    if kind not in KINDS:
        raise SpecError("split.kind", "a known kind", repr(kind), suggest_name(kind, KINDS))
    return KINDS[kind]().split(histories, key)


def _check_control(share: float) -> None:
    if not 0.0 <= share < 1.0:
        raise SpecError("split.control_share", "a share from 0 to below 1", str(share), "0 means no control users")


def _draw_control(histories: Histories, share: float, key: int) -> Mask:
    """bool (rows,): the control users, drawn by row id: independent of order and shards."""
    keys = rng.derive_row_keys(rng.derive_key(key, "split", "control"), histories.row_ids)
    is_control: Mask = rng.draw_uniform(keys, 0) < share
    return is_control


def _find_cuts(times: Ints, valid_share: float, test_share: float) -> tuple[int, int]:
    """First seconds of the validation and of the test period; events of one second stay together."""
    if not len(times):
        raise DataError("split", "events", "none", "loosen the cleaning rules")
    ranks = [int(len(times) * (1.0 - valid_share - test_share)), int(len(times) * (1.0 - test_share))]
    ranks = [min(rank, len(times) - 1) for rank in ranks]
    found = np.partition(times, ranks)
    return int(found[ranks[0]]), int(found[ranks[1]])


def _count_before(histories: Histories, cut: int) -> Ints:
    """int64 (rows,): the number of each row's events before a time."""
    earlier = np.concatenate([[0], np.cumsum(histories.times < cut)])
    counts: Ints = earlier[histories.starts[1:]] - earlier[histories.starts[:-1]]
    return counts


def _count_before_last_second(histories: Histories, known: Ints) -> Ints:
    """int64 (rows,): of the first `known` events of each row, the number before the second of the last one."""
    last = np.maximum(histories.starts[:-1] + known - 1, 0)
    moment = np.where(known > 0, histories.times[last], 0)
    earlier = np.concatenate([[0], np.cumsum(histories.times < np.repeat(moment, histories.lengths))])
    counts: Ints = earlier[histories.starts[1:]] - earlier[histories.starts[:-1]]
    return counts


def _event_indices(histories: Histories, rows: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """The indices of events low..high - 1 of each of these rows, and the starts."""
    lengths = high - low
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.arange(starts[-1]) + np.repeat(histories.starts[rows] + low - starts[:-1], lengths), starts


def _take_first(histories: Histories, rows: Ints, lengths: Ints) -> Histories:
    source, starts = _event_indices(histories, rows, np.zeros(len(rows), np.int64), lengths)
    return histories.replace_events(starts, histories.items[source], histories.times[source], source, rows)


def _take_first_where(histories: Histories, mask: Mask, lengths: Ints) -> Histories:
    rows = np.flatnonzero(mask)
    return _take_first(histories, rows, lengths[rows])


def build_train(histories: Histories, mask: Mask, lengths: Ints) -> Histories:
    """The training part; items without a release time in the catalog are released at their first training event."""
    train = _take_first_where(histories, mask, lengths)
    catalog = train.catalog
    if catalog is None:
        return train
    first = np.full(train.n_items + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, train.items, train.times)
    first[first == np.iinfo(np.int64).max] = _UNKNOWN_RELEASE
    born = (
        first
        if catalog.first_sale_times is None
        else np.where(catalog.first_sale_times == _UNKNOWN_RELEASE, first, catalog.first_sale_times)
    )
    return replace(train, catalog=replace(catalog, first_sale_times=born))


@dataclass(frozen=True, eq=False)
class _Cutter:
    """Cuts each row into its known history and its targets."""

    histories: Histories
    repeats: bool
    all_targets: bool
    is_eligible: Mask
    """bool (events,): which events may be targets."""

    def cut(self, mask: Mask, known: Ints, end: Ints) -> tuple[HeldOut, dict[str, int]]:
        """The users of `mask` with a known history and a new item before `end`, and counts of those left out."""
        histories = self.histories
        active = mask & (end > known)
        without_past = active & (known == 0)
        rows = np.flatnonzero(active & (known > 0))
        source, starts = _event_indices(histories, rows, known[rows], end[rows])
        owner = np.repeat(np.arange(len(rows)), np.diff(starts))
        eligible = self.is_eligible[source]
        source, owner = source[eligible], owner[eligible]
        new, seen = self._find_targets(rows, known, source, owner)
        source, owner = source[new], owner[new]
        if not self.all_targets and len(source):
            head = np.flatnonzero(np.diff(owner, prepend=-1))
            moment = np.repeat(histories.times[source[head]], np.diff(np.append(head, len(owner))))
            source, owner = (column[histories.times[source] == moment] for column in (source, owner))
        counts = np.bincount(owner, minlength=len(rows))
        left = rows[counts > 0]
        target_starts = np.concatenate([[0], np.cumsum(counts[counts > 0])]).astype(np.int64)
        past = _take_first(histories, left, known[left])
        facts = {
            "users_without_past": int(without_past.sum()),
            "targets_seen": seen,
            "targets_on_a_tie": self._count_tied(source, left, known),
        }
        facts["users_with_nothing_new"] = int(len(rows) - len(left))
        return HeldOut(past, histories.items[source], histories.times[source], target_starts), facts

    def cut_control(self, mask: Mask, known: Ints, end: Ints) -> tuple[HeldOut | None, dict[str, int]]:
        """As `cut`; None without control users."""
        return self.cut(mask, np.maximum(known, 0), end) if mask.any() else (None, {})

    def _find_targets(self, rows: Ints, known: Ints, source: Ints, owner: Ints) -> tuple[Mask, int]:
        """bool (source,): which events are targets, and the number that are not because the item is known.

        An item that occurs twice after the known history is one target, at its first event.
        """
        histories = self.histories
        width = histories.n_items + 2
        pairs = owner * width + histories.items[source]
        ascending, order = sort_codes(pairs)
        first = np.ones(len(pairs), bool)
        first[order[1:]] = np.diff(ascending) > 0
        if self.repeats:
            return first, 0
        before, starts = _event_indices(histories, rows, np.zeros(len(rows), np.int64), known[rows])
        known_pairs = np.repeat(np.arange(len(rows)), np.diff(starts)) * width + histories.items[before]
        had = _is_among(pairs, known_pairs[self.is_eligible[before]])
        return first & ~had, int(had.sum())

    def _count_tied(self, source: Ints, rows: Ints, known: Ints) -> int:
        """The number of targets in the second of the last known event, ordered by the file alone."""
        histories = self.histories
        if not len(source):
            return 0
        row = np.searchsorted(histories.starts, source, side="right") - 1
        return int((histories.times[source] == histories.times[histories.starts[row] + known[row] - 1]).sum())


def is_of_kind(histories: Histories, kind: str) -> Mask:
    """bool (events,): which events are of a kind; all for "".

    Raises DataError for histories without kinds, SpecError that names the nearest for an unknown kind.
    """
    if not kind:
        return np.ones(histories.n_events, bool)
    known = [] if histories.names is None else list(histories.names.kinds)
    if "kind" not in histories.extra or not known:
        fix = "map the column of the kinds: data.columns = { kind = … }"
        raise DataError("split.target_kind", "a log with kinds of events", "one without", fix)
    if kind not in known:
        raise SpecError("split.target_kind", "a kind of the log's events", repr(kind), suggest_name(kind, known))
    return np.asarray(histories.extra["kind"] == known.index(kind), bool)


def _is_among(codes: Ints, others: Ints) -> Mask:
    """bool (codes,): which codes are among the others. Sorts: the hashes of `numpy.isin` are slow at this size."""
    known = np.append(np.sort(others), np.iinfo(np.int64).max)
    return np.asarray(known[np.searchsorted(known, codes)] == codes, bool)


def finish_split(parts: Split, histories: Histories, left_out: dict[str, dict[str, int]], fix: dict[str, str]) -> Split:
    """The split with its facts and one catalog for all parts. Raises DataError where a part is empty."""
    for name in ("train", "test", "valid"):
        if not len(getattr(parts, name)):
            whole = f"none of {len(histories):,} users with {histories.n_events:,} events"
            raise DataError(f"split, {name}", "at least one user", whole, fix[name])
    valid, test = (_share_catalog(part, parts.train) for part in (parts.valid, parts.test))
    control = None if parts.control is None else _share_catalog(parts.control, parts.train)
    facts = dict(parts.facts)
    facts |= {"train_users": len(parts.train), "train_events": parts.train.n_events}
    for name, part in (("valid", valid), ("test", test), ("control", control)):
        if part is not None:
            facts |= {f"{name}_users": len(part), f"{name}_targets": len(part.target_items)}
            facts |= {
                f"{name}_{word}": count for word, count in left_out[name].items() if count or word == "targets_on_a_tie"
            }
    facts |= _count_unseen(parts.train, test)
    if int(histories.times.max()) >= MIN_CLOCK_TIME:
        facts["leave_one_out_leak_share"] = compute_leak_share(histories)
    unseen = None if parts.control_histories is None else replace(parts.control_histories, catalog=parts.train.catalog)
    return replace(parts, valid=valid, test=test, control=control, facts=facts, control_histories=unseen)


def _share_catalog(part: HeldOut, train: Histories) -> HeldOut:
    return replace(part, histories=replace(part.histories, catalog=train.catalog))


def _count_unseen(train: Histories, test: HeldOut) -> dict[str, object]:
    """Counts of test users, items and targets that are not in training."""
    trained = np.zeros(train.n_items + 2, bool)
    trained[train.items] = True
    unseen = ~trained[test.target_items]
    return {
        "unseen_users_in_test": int((~np.isin(test.histories.row_ids, train.row_ids)).sum()),
        "unseen_items_in_test": len(np.unique(test.target_items[unseen])),
        "targets_of_unseen_items": int(unseen.sum()),
        "items_in_train": int(trained.sum()),
    }


def require_clock(kind: object, has_clock: bool) -> None:
    """Raises DataError for a split by time of a log whose times are places in an order."""
    if not has_clock and (kind == "time" or isinstance(kind, TimeSplit)):
        fix = "set kind = 'leave_one_out' in [split]; in Python: split(log, 'leave_one_out')"
        raise DataError("split", "a log with a clock", "one whose times are places in an order", fix)


def compute_leak_share(histories: Histories) -> float | None:
    """The share of leave-one-out's training events that happen after a test event; None without test users.

    The mean over the test users of leave-one-out; 0 for a split by time.

    >>> compute_leak_share(Histories.from_lists([[1, 2, 3], [1, 2, 3]], n_items=3, times=[[1, 2, 3], [9, 10, 11]]))
    0.25
    """
    long = histories.lengths >= 3
    if not long.any():
        return None
    rows = np.arange(len(histories))
    n_train = np.where(long, histories.lengths - 2, histories.lengths)
    source, _ = _event_indices(histories, rows, np.zeros(len(rows), np.int64), n_train)
    known = np.sort(histories.times[source])
    tested = histories.times[histories.starts[1:][long] - 1]
    later = len(known) - np.searchsorted(known, tested, side="right")
    return round(float(later.mean()) / len(known), 4)


def _format_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
