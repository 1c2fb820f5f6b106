"""How would these rows go on, if users took what the recommender shows them?

The recommender itself as generator (RSIR, arXiv 2602.15659, sec. 3): fitted on the training rows, asked for a list, one
item of it drawn, asked again. Without a check of rank fidelity, `rank` while a row is written or the filter on whole
rows that is there by default, self-made data drifts off within a few rounds. The first item of a new user is drawn as
the real ones', and times come from the Markov chain's law of gaps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.hidden_items import Unused
from leaven.datasets.histories import Histories, beginnings, offsets
from leaven.errors import DataError, FitError
from leaven.generators.sequence.cross_fitting import Folds
from leaven.generators.sequence.popularity_calibration import as_popular
from leaven.generators.sequence.score_calibration import Law, begun, by_id, calibrated, holds, looked_at, without_last
from leaven.generators.sequence.sequence_scaffold import Frame, Frames, Targets, Where, check, mirrored
from leaven.kernels.first_seen import first_days
from leaven.progress import Tell, quiet, within
from leaven.protocols import FittedRecommender, Keys, Recommender, Training

if TYPE_CHECKING:
    from leaven.kernels.inter_event_times import Clock

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

_BATCH = 4_096  # rows asked about together
_OF_LAW = ("lift", "born", "begin_times", "begin_items")
_ROUNDS = 6  # of matching: an item that no list holds does not come oftener, whatever is added to its score
_OWN = 2  # draws of a row's mixed key from here on: whether each new event is one of its user's own


@dataclass(frozen=True)
class SelfGenerated:
    """Real rows continued, or new ones, by drawing from what a recommender ranks first.

    recommender   who ranks, fitted on the training rows; None: the transformer. Its scores become probabilities as
                  suits best the last events of a twentieth of the rows (at most 2,000), which it is not shown
    top           how many of its first items are drawn from; few of them are the popular ones
    temperature   below 1 the first ones are drawn more often than that says, above 1 less
    prefix_range  share of a real history's events that is kept and continued, `after` only; below 1, as in RSIR, some
                  real items are left that rank fidelity checks by: with whole histories it has nothing to check
    own           share of the new events that are drawn among the items of the history that the row does not hold yet,
                  as listed, or all alike where none is; 0.5 in RSIR, among all that the user took
    rank          RSIR's check: an event stays if an item of the history that the row does not hold yet is then among
                  the best `rank`; the row ends before the first event that fails. Once none is left an own event stays,
                  another fails. A row without any new event comes back empty, which the filter `validity` refuses.
                  None: no check
    folds         into how many parts users are dealt; each part's rows are continued, and checked, by a recommender
                  that learned the others'. One that has learned a row by heart finds what is left of it whatever was
                  put before that, so that its check says little. 1: one recommender, of all rows
    steps         optimiser steps of the recommender; None: what it finds right
    match_popularity  popular items become as frequent as in real rows, as with `autoregressive`; False: as listed,
                  which in a catalogue of few items is nearer to what follows what
    where, events_range, new_events_range, targets, keep as of `autoregressive`
    """

    recommender: Recommender | None = None
    top: int = 1000
    temperature: float = 1.0
    prefix_range: tuple[float, float] = (1.0, 1.0)
    own: float = 0.0
    rank: int | None = None
    folds: int = 1
    steps: int | None = None
    match_popularity: bool = True
    where: Where = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    targets: Targets = "fitting"
    keep: Sequence[str] = ("validity", "copies", "rank_fidelity")

    def __post_init__(self) -> None:
        low, high = self.prefix_range
        own = [
            ("top", self.top >= 1, "1 or more"),
            ("temperature", self.temperature > 0, "a number above 0"),
            ("prefix_range", 0 < low <= high <= 1, "two ascending shares above 0, at most 1"),
            ("prefix_range", low == 1 or self.where == "after", "(1, 1), unless histories are continued behind"),
            ("own", 0 <= self.own <= 1, "a share from 0 to 1"),
            ("own", self.own == 0 or low < 1, "0, unless prefix_range leaves something of a history"),
            ("rank", self.rank is None or self.rank >= 1, "1 or more, or none"),
            ("rank", self.rank is None or low < 1, "none, unless prefix_range leaves something of a history"),
            ("folds", self.folds >= 1, "1 or more"),
            ("steps", self.steps is None or self.steps >= 1, "1 or more"),
        ]
        check("self", self, own)

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> FittedSelf:
        """Fit the recommender; learn how its scores become probabilities, and the law of times.

        Raises FitError where there is no event, and what the recommender raises.
        """
        from leaven.kernels.inter_event_times import clock_of, small_codes

        if train.events == 0:
            raise FitError("self", "at least one event to learn from", "none", "give it training rows")
        frames = Frames.of(train, self)
        rows = mirrored(train) if frames.backwards else train
        config: Recommender = self.recommender or registry.made("recommenders", "transformer")
        look = looked_at(rows, key)
        training = Training(key=rng.key(key, "recommender"), steps=self.steps, tell=tell)
        ranks = self._learned(config, rows, look, training)
        category = train.catalog.category if train.catalog is not None else None
        codes = small_codes(category, train.items, train.n_items)
        clock = clock_of(rows.items, rows.times, rows.starts, codes, -1 if frames.backwards else 1)
        stated = train.catalog.born if train.catalog is not None else None
        born = first_days(train.items, train.times, train.n_items, stated)
        nothing = np.zeros(train.n_items + 2)
        law = Law(*calibrated(ranks, rows.take(look), min(self.top, rows.n_items)), nothing, born, *begun(rows))
        whole = replace(self, recommender=config, prefix_range=(1.0, 1.0), own=0.0, rank=None)
        matched = as_popular(FittedSelf(whole, ranks, clock, law, frames), train, key, tell, _ROUNDS)
        return replace(matched, config=replace(self, recommender=config))

    def _learned(self, config: Recommender, rows: Histories, look: Ints, training: Training) -> FittedRecommender:
        """Who ranks: not shown the last events of the rows at `look`, or one for each part of the users."""
        if self.folds == 1:
            return config.fit(without_last(rows, look), training)

        def of_others(others: Histories, number: int) -> FittedRecommender:
            tell = within(training.tell, f"part {number + 1} of {self.folds}")
            return config.fit(others, replace(training, tell=tell))

        return Folds.of(rows, self.folds, of_others)

    @staticmethod
    def load(folder: Path) -> FittedSelf:
        """What `FittedSelf.save` wrote, without the catalogue.

        Raises DataError where the folder holds no such generator.
        """
        from leaven.kernels.inter_event_times import Clock

        if not (folder / "self.json").exists():
            raise DataError(str(folder), "a saved generator of kind self", "no self.json", "save one there first")
        told = json.loads((folder / "self.json").read_text())
        with np.load(folder / "self.npz") as held:
            parts = {name: held[name] for name in held.files}
        arrays: dict[str, Any] = {name.partition(".")[2]: parts[name] for name in parts if name.startswith("clock.")}
        fields = {name: tuple(v) if isinstance(v, list) else v for name, v in told["config"].items()}
        kind = registry.found("recommenders", told["recommender"], str(folder))
        config = SelfGenerated(**fields | {"recommender": kind(**told["fields"])})
        law = Law(**told["law"], **{name: parts[name] for name in _OF_LAW})
        frames = Frames(first_law=parts["first_law"], **told["frames"])
        home, folds = folder / "recommender", config.folds
        ranks = kind.load(home) if folds == 1 else Folds.load(home, kind, folds)
        return FittedSelf(config, ranks, Clock(**arrays, **told["clock"]), law, frames)


@dataclass(frozen=True, eq=False)
class FittedSelf:
    """A recommender at work as a generator. Rows are as alike from batch to batch as its scores are."""

    config: SelfGenerated
    ranks: FittedRecommender
    clock: Clock
    law: Law
    frames: Frames

    def lifted(self, lift: Floats) -> FittedSelf:
        """The same, scaled scores moved by so much: float64 (items,)."""
        moved = self.law.lift + np.pad(lift, (1, 1))
        return replace(self, law=replace(self.law, lift=moved))

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key. With `like`, and `where` not alone: its rows, or their first parts, continued, with their
        parents and weights.

        New items were on sale at their time, and nothing happens after the last training event (in front of a
        history: before the first). Raises DataError where there are not as many keys as rows.
        """
        keys, real = np.asarray(keys, np.uint64), None
        if self.config.prefix_range[0] < 1 and like is not None and len(like) == len(keys):
            real = like if self.config.own or self.config.rank is not None else None
            like = _prefixes(like, keys, self.config.prefix_range)
        checked = real is not None and self.config.rank is not None
        frame = self.frames.begin(self.config, keys, like)
        first = frame.starts[:-1] + frame.given
        ends = frame.starts[1:].copy()
        for nth in range(int((ends - first).max(initial=0)) + checked):
            rows = np.flatnonzero(first + nth < ends + (checked and nth > 0))
            for begin in range(0, len(rows), _BATCH):
                self._go_on(frame, rows[begin : begin + _BATCH], nth, ends, real)
        nothing_stays = (ends <= first) & (frame.starts[1:] > first)
        return self.frames.finish(self.config, frame.cut(np.where(nothing_stays, frame.starts[:-1], ends)))

    def _go_on(self, frame: Frame, rows: Ints, nth: int, ends: Ints, real: Histories | None) -> None:
        """Check the newest event of these rows, where rows are checked, and write the next where there is room.

        real: the whole histories, where items of these are drawn or checked by.
        """
        from leaven.generators.sequence.event_timing import DRAWS, draw_times, points

        at, number = frame.starts[rows] + frame.given[rows] + nth, np.full(len(rows), nth * DRAWS)
        begins, u = at == frame.starts[rows], points(frame, rows, number)
        frame.items[at[begins]] = self.law.first(self.clock.sign * frame.times[at[begins]], u[begins])
        rows, at, number, u = rows[~begins], at[~begins], number[~begins], u[~begins]
        if not len(rows):
            return
        known = _known(frame, rows, at, self.frames.n_items)
        depth = min(max(self.config.top, self.config.rank or 0), known.n_items)
        listed = self.ranks.recommend(known, depth, allow_repeats=True)
        held = holds(known, listed.items)
        unused = None if real is None else Unused.of(real.take(rows), known)
        if unused is not None and self.config.rank is not None and nth > 0:
            fails = ~_faithful(unused, listed.items, held, self.config.rank, frame.items[at - 1])
            ends[rows[fails]] = at[fails] - 1
        going = at < ends[rows]
        draw_times(self.clock, frame, rows[going], at[going], number[going])
        now = self.clock.sign * frame.times[np.where(going, at, at - 1)]
        listed, held = by_id(listed, held)
        shares = self.law.shares(listed, held, now, self.config.temperature)
        items = self.law.drawn(listed, shares, u)
        if unused is not None:
            own = rng.uniform(rng.mix(frame.keys[rows]), _OWN + nth) < self.config.own
            fine = own[unused.row] & (self.law.born[unused.items] <= now[unused.row])
            mine = unused.drawn(listed.items, shares, u, fine)
            items = np.where(mine > 0, mine, items)
        frame.items[at[going]] = items[going]

    def save(self, folder: Path) -> None:
        """The recommender in a folder of its own, the rest in self.npz and self.json, each beside and renamed."""
        folder.mkdir(parents=True, exist_ok=True)
        self.ranks.save(folder / "recommender")
        clock = self.clock._asdict()
        parts: dict[str, Any] = {"first_law": self.frames.first_law}
        parts |= {name: getattr(self.law, name) for name in _OF_LAW}
        parts |= {f"clock.{name}": value for name, value in clock.items() if isinstance(value, np.ndarray)}
        config: Any = self.config.recommender
        told = {
            "config": {name: value for name, value in asdict(self.config).items() if name != "recommender"},
            "recommender": registry.kind_of("recommenders", config),
            "fields": asdict(config),
            "law": {"scale": self.law.scale, "keep_seen": self.law.keep_seen},
            "clock": {"limit": self.clock.limit, "sign": self.clock.sign},
            "frames": {name: getattr(self.frames, name) for name in ("backwards", "columns", "n_items")},
        }
        with (folder / "self.npz.part").open("wb") as file:
            np.savez(file, **parts)
        (folder / "self.npz.part").replace(folder / "self.npz")
        (folder / "self.json.part").write_text(json.dumps(told, indent=1))
        (folder / "self.json.part").replace(folder / "self.json")


def _prefixes(rows: Histories, keys: Keys, share_range: tuple[float, float]) -> Histories:
    """A drawn share of each row's first events, at least one."""
    low, high = share_range
    share = low + rng.uniform(rng.mix(keys), 1) * (high - low)
    lengths = np.minimum(np.maximum(np.rint(share * rows.lengths), 1), rows.lengths).astype(np.int64)
    return beginnings(rows, lengths)


def _known(frame: Frame, rows: Ints, at: Ints, n_items: int) -> Histories:
    """The events of these rows before `at`, all of them: what a row holds counts however long ago. Keys are those of
    the real rows that they continue.
    """
    whose = frame.keys if frame.like is None else frame.like.parents
    lengths = at - frame.starts[rows]
    starts = offsets(lengths)
    source = np.repeat(frame.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
    return Histories.real(frame.items[source], frame.times[source], starts, whose[rows], n_items)


def _faithful(unused: Unused, listed: Items, held: Bools, rank: int, newest: Items) -> Bools:
    """bool (rows,): whether one of the user's unused items is among the best `rank` that the row does not hold; where
    none is left, whether its newest event was one that the user took.
    """
    best = unused.best(listed, held)
    return np.where(np.isnan(best), unused.took(newest), best <= rank)
