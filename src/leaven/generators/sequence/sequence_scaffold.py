"""Scaffolds of synthetic rows: start time, length and known events, before new events are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import NO_PARENT, Histories, compute_offsets, missing_value
from leaven.errors import DataError, SpecError
from leaven.protocols import RngKeys

if TYPE_CHECKING:
    from leaven.datasets.catalog import Catalog

Ints = npt.NDArray[np.int64]
Placement = Literal["alone", "after", "before"]
AnyPlacement = Literal["alone", "after", "before", "between", "instead"]
TargetRule = Literal["fitting", "new", "given", "all"]

SYNTHETIC_ORIGIN = 1
"""Origin of a synthetic row until the plan records its step."""


class SequenceGeneratorConfig(Protocol):
    """The fields that every generator of histories has.

    where             alone: a new user; after: append to a real history; before: prepend to one; bidirectional
                      generators also take between: insert between its events; instead: replace some of them
    events_range      shortest and longest row of a new user (lengths are drawn from the real ones)
    new_events_range  number of events added to a real history
    targets           which events of a continued row are training targets: `new`, `given` (the real targets), or `all`
                      but the first; `fitting` takes `new` after a history, and `given` before one (generated items are
                      then inputs, never targets); between and instead: `given`, from the first real target on.
                      Rows of new users: all
    """

    @property
    def where(self) -> AnyPlacement: ...
    @property
    def events_range(self) -> tuple[int, int]: ...
    @property
    def new_events_range(self) -> tuple[int, int]: ...
    @property
    def targets(self) -> TargetRule: ...


FieldCheck = tuple[str, bool, str]
"""(field, whether its value is valid, what is expected)"""


def validate_config(
    kind: str, config: SequenceGeneratorConfig, others: Sequence[FieldCheck], where: Sequence[str] = get_args(Placement)
) -> None:
    """Raises SpecError for the first invalid field, first of `others`, then of those that all generators share."""
    added, targets = config.new_events_range, config.targets
    shared: list[FieldCheck] = [
        ("where", config.where in where, f"one of {', '.join(where)}"),
        ("events_range", _is_ascending(config.events_range, 1), "two ascending lengths from 1"),
        ("new_events_range", _is_ascending(added, 0), "two ascending counts from 0"),
        ("targets", targets in ("fitting", "new", "given", "all"), "fitting, new, given or all"),
        ("targets", targets != "new" or config.where in ("alone", "after"), f"given or all with {config.where}"),
    ]
    for name, is_valid, expected in [*others, *shared]:
        if not is_valid:
            raise SpecError(f"{kind}.{name}", expected, repr(getattr(config, name)), "")


def _is_ascending(bounds: tuple[int, int], minimum: int) -> bool:
    return minimum <= bounds[0] <= bounds[1]


@dataclass(frozen=True, eq=False)
class Scaffold:
    """Rows with room for new events, in generation order.

    starts int64 (rows + 1,); given int64 (rows,): number of known leading events; items int32 (events,) and times
    int64 (events,) hold the known events, and the first time of a row without any. has_times: whether all times are
    set. base_rows: the real rows that these extend; source int64 (events,): index of each event among theirs, in
    generation order, -1 for new ones.
    """

    keys: RngKeys
    starts: Ints
    n_known: Ints
    items: npt.NDArray[np.int32]
    times: Ints
    source_index: Ints
    base_rows: Histories | None = None
    has_times: bool = False

    def truncate_rows(self, ends: Ints) -> Scaffold:
        """Returns the rows truncated before these event positions (int64 (rows,))."""
        if (ends == self.starts[1:]).all():
            return self
        is_kept = np.arange(len(self.items)) < np.repeat(ends, np.diff(self.starts))
        starts = compute_offsets(ends - self.starts[:-1])
        items, times, source = self.items[is_kept], self.times[is_kept], self.source_index[is_kept]
        return replace(self, starts=starts, items=items, times=times, source_index=source)


@dataclass(frozen=True, eq=False)
class ScaffoldSampler:
    """Builds scaffolds from the distribution of training rows, and histories from filled scaffolds.

    backwards           whether rows are generated from last event to first, with negated times
    starts_and_lengths  int64 (rows, 2): time of the first generated event, and length, of each real row, ascending in
                        time
    inside_law float64 (257,): quantiles of an event's time between its neighbors, 0 at the first, 1 at the last
    columns    other event columns: name -> dtype
    """

    backwards: bool
    starts_and_lengths: Ints
    columns: Mapping[str, str]
    n_items: int
    catalog: Catalog | None = None
    time_quantiles: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def from_training_rows(cls, train: Histories, config: SequenceGeneratorConfig) -> ScaffoldSampler:
        """Returns the distribution of start times and lengths of the training rows."""
        backwards = config.where == "before"
        rows = reverse_rows(train) if backwards else train
        full = rows.lengths > 0
        law = np.stack([rows.times[rows.starts[:-1][full]], rows.lengths[full]], axis=1)
        columns = {name: column.dtype.str for name, column in train.extra.items()}
        return cls(backwards, law[np.lexsort((law[:, 1], law[:, 0]))], columns, train.n_items, train.catalog)

    def to_json(self) -> dict[str, object]:
        """The fields that are no arrays, without the catalog."""
        return {"backwards": self.backwards, "columns": dict(self.columns), "n_items": self.n_items}

    def build_scaffold(self, config: SequenceGeneratorConfig, keys: RngKeys, like: Histories | None) -> Scaffold:
        """Returns one scaffold row for each key: new users, or extended rows of `like` unless `where` is alone.

        Raises DataError where the number of keys differs from the number of rows.
        """
        keys = np.asarray(keys, np.uint64)
        if like is None or config.where == "alone":
            position = rng.draw_uniform(rng.mix_bits(keys), 0) * len(
                self.starts_and_lengths
            )  # independent of the draws of events
            at = position.astype(np.int64)
            first, next_start = (
                self.starts_and_lengths[at, 0],
                self.starts_and_lengths[np.minimum(at + 1, len(self.starts_and_lengths) - 1), 0],
            )
            start_times = first + ((position - at) * (next_start - first)).astype(np.int64)
            lengths = np.clip(self.starts_and_lengths[at, 1], config.events_range[0], config.events_range[1])
            return _build_scaffold(keys, lengths, np.zeros(len(keys), np.int64), start_times)
        if len(like) != len(keys):
            raise DataError("generator.sample", f"{len(like)} keys, one a row", f"{len(keys)}", "")
        low, high = config.new_events_range
        added = low + (rng.draw_uniform(rng.mix_bits(keys), 0) * (high - low + 1)).astype(np.int64)
        added = np.where(like.lengths == 0, np.maximum(added, 1), added)
        known = reverse_rows(like) if self.backwards else like
        start_times = np.full(len(keys), self.starts_and_lengths[len(self.starts_and_lengths) // 2, 0], np.int64)
        frame = _build_scaffold(keys, known.lengths + added, known.lengths, start_times)
        ends = np.cumsum(known.lengths)
        index = np.arange(known.n_events) + np.repeat(frame.starts[:-1] - (ends - known.lengths), known.lengths)
        frame.items[index], frame.times[index] = known.items, known.times
        frame.source_index[index] = np.arange(known.n_events)
        return replace(frame, base_rows=like)

    def build_histories(self, config: SequenceGeneratorConfig, frame: Scaffold) -> Histories:
        """Returns the histories of a scaffold whose events are all filled in."""
        rows = (
            self._to_new_rows(frame)
            if frame.base_rows is None
            else self._to_extended_rows(config, frame, frame.base_rows)
        )
        return replace(rows, row_ids=frame.keys, origin=np.full(len(rows), SYNTHETIC_ORIGIN, np.int16))

    def _to_new_rows(self, frame: Scaffold) -> Histories:
        events = len(frame.items)
        extra = {name: np.full(events, missing_value(kind), np.dtype(kind)) for name, kind in self.columns.items()}
        rows = Histories.from_arrays(frame.items, frame.times, frame.starts, frame.keys, self.n_items)
        rows = replace(rows, parents=np.full(len(rows), NO_PARENT, np.uint64), extra=extra, catalog=self.catalog)
        return reverse_rows(rows) if self.backwards else rows

    def _to_extended_rows(self, config: SequenceGeneratorConfig, frame: Scaffold, like: Histories) -> Histories:
        known = reverse_rows(like) if self.backwards else like
        rows = known.replace_events(frame.starts, frame.items, frame.times, frame.source_index)
        rows = reverse_rows(rows) if self.backwards else rows
        added = np.maximum(np.diff(frame.starts) - like.lengths, 0)
        every = np.maximum(np.diff(frame.starts) - 1, 0)
        rule = config.targets if config.targets != "fitting" else "new" if config.where == "after" else "given"
        if config.where == "between":
            ends = like.starts[1:] - like.starts[0]
            first_target = np.append(np.flatnonzero(frame.source_index >= 0), 0)[ends - like.n_targets]
            given: Ints = np.where(like.n_targets > 0, frame.starts[1:] - first_target, 0)
        else:  # after a history, new events precede its end and count as targets
            given = like.n_targets.astype(np.int64) + (added if config.where == "after" else 0)
        counts: Ints = {"all": every, "new": added, "given": given}[rule]
        targets: npt.NDArray[np.int32] = np.minimum(counts, every).astype(np.int32)
        return replace(rows, n_targets=targets)


def reverse_rows(rows: Histories) -> Histories:
    """Returns each row in reverse order, with negated times, which then ascend."""
    starts = rows.starts - rows.starts[0]
    source = np.repeat(starts[:-1] + starts[1:] - 1, rows.lengths) - np.arange(rows.n_events)
    extra = {name: column[source] for name, column in rows.extra.items()}
    return replace(rows, starts=starts, items=rows.items[source], times=-rows.times[source], extra=extra)


def _build_scaffold(keys: RngKeys, lengths: Ints, given: Ints, start_times: Ints) -> Scaffold:
    starts = compute_offsets(lengths)
    times = np.zeros(starts[-1], np.int64)
    times[starts[:-1][lengths > 0]] = start_times[lengths > 0]
    source = np.full(starts[-1], -1, np.int64)
    return Scaffold(keys, starts, given.astype(np.int64), np.zeros(starts[-1], np.int32), times, source)
