"""How would these rows go on, if users took what the recommender shows them?

The recommender itself as generator (RSIR, arXiv 2602.15659, sec. 3): fitted on the training rows, asked for a list, one
item of it drawn, asked again. Without the check of rank fidelity, which its rows pass by default, self-made data drifts
off within a few rounds. The first item of a new user is drawn as the real ones', and times come from the Markov chain's
law of gaps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import registry, seeds
from leaven.contracts import FittedRecommender, Keys, Ranked, Recommender, Training
from leaven.data.histories import Histories
from leaven.errors import DataError, FitError
from leaven.generators.frame import Frame, Frames, Targets, Where, check, mirrored
from leaven.kernels.births import first_days
from leaven.progress import Tell, quiet

if TYPE_CHECKING:
    from leaven.kernels.gaps import Clock

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BATCH = 4_096  # rows asked about together
_LOOK = 2_000  # rows that say how scores become probabilities


@dataclass(frozen=True)
class SelfGenerated:
    """Real rows continued, or new ones, by drawing from what a recommender ranks first.

    recommender   who ranks, fitted on the training rows; None: the transformer. Its scores become probabilities as
                  real next items suit best
    top           how many of its first items are drawn from
    temperature   below 1 the first ones are drawn more often than that says, above 1 less
    prefix_range  share of a real history's events that is kept and continued, `after` only; below 1, as in RSIR, some
                  real items are left that rank fidelity checks by: with whole histories it has nothing to check
    steps         optimiser steps of the recommender; None: what it finds right
    where, events_range, new_events_range, targets, keep as of `autoregressive`
    """

    recommender: Recommender | None = None
    top: int = 50
    temperature: float = 1.0
    prefix_range: tuple[float, float] = (1.0, 1.0)
    steps: int | None = None
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
            ("steps", self.steps is None or self.steps >= 1, "1 or more"),
        ]
        check("self", self, own)

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> FittedSelf:
        """Fit the recommender; learn how its scores become probabilities, and the law of times.

        Raises FitError where there is no event, and what the recommender raises.
        """
        from leaven.kernels.gaps import clock_of, small_codes

        if train.events == 0:
            raise FitError("self", "at least one event to learn from", "none", "give it training rows")
        frames = Frames.of(train, self)
        rows = mirrored(train) if frames.backwards else train
        wish: Recommender = self.recommender or registry.made("recommenders", "transformer")
        ranks = wish.fit(rows, Training(key=seeds.key(key, "recommender"), steps=self.steps, tell=tell))
        category = train.catalog.category if train.catalog is not None else None
        codes = small_codes(category, train.items, train.n_items)
        clock = clock_of(rows.items, rows.times, rows.starts, codes, -1 if frames.backwards else 1)
        stated = train.catalog.born if train.catalog is not None else None
        born = first_days(train.items, train.times, train.n_items, stated)
        law = Law(*_calibrated(ranks, rows, self.top, key), born, *_begins(rows))
        return FittedSelf(replace(self, recommender=wish), ranks, clock, law, frames)

    @staticmethod
    def load(folder: Path) -> FittedSelf:
        """What `FittedSelf.save` wrote, without the catalogue.

        Raises DataError where the folder holds no such generator.
        """
        from leaven.kernels.gaps import Clock

        if not (folder / "self.json").exists():
            raise DataError(str(folder), "a saved generator of kind self", "no self.json", "save one there first")
        told = json.loads((folder / "self.json").read_text())
        with np.load(folder / "self.npz") as held:
            parts = {name: held[name] for name in held.files}
        arrays: dict[str, Any] = {name.partition(".")[2]: parts[name] for name in parts if name.startswith("clock.")}
        fields = {name: tuple(v) if isinstance(v, list) else v for name, v in told["wish"].items()}
        kind = registry.found("recommenders", told["recommender"], str(folder))
        wish = SelfGenerated(**fields | {"recommender": kind(**told["fields"])})
        law = Law(**told["law"], **{name: parts[name] for name in ("born", "begin_times", "begin_items")})
        frames = Frames(first_law=parts["first_law"], **told["frames"])
        return FittedSelf(wish, kind.load(folder / "recommender"), Clock(**arrays, **told["clock"]), law, frames)


@dataclass(frozen=True, eq=False)
class Law:
    """How scores become chances.

    scale        what a score is divided by before the softmax
    keep_seen    how much less likely an item becomes that the row already holds
    born         int64 (items + 2,): first second of sale of each item
    begin_times  int64 (rows,), ascending, begin_items int32 (rows,): the first event of each real row
    """

    scale: float
    keep_seen: float
    born: Ints
    begin_times: Ints
    begin_items: npt.NDArray[np.int32]

    def shares(self, listed: Ranked, held: npt.NDArray[np.bool_], now: Ints, temperature: float) -> Floats:
        """float64 (rows, top): what each listed item is worth; held bool (rows, top); now int64 (rows,).

        What is not on sale is worth nothing, unless nothing else is; what the row holds `keep_seen` times as much.
        """
        there = listed.items > 0
        logits = np.where(there, listed.scores, -np.inf).astype(np.float64) / (self.scale * temperature)
        plain = np.exp(logits - logits.max(axis=1, keepdims=True))
        on_sale = plain * (self.born[listed.items] <= now[:, None])
        found: Floats = on_sale * np.where(held, self.keep_seen, 1.0)
        for other in (on_sale, plain):
            found = np.where(found.sum(axis=1, keepdims=True) > 0, found, other)
        return found


@dataclass(frozen=True, eq=False)
class FittedSelf:
    """A recommender at work as a generator. Rows are as alike from batch to batch as its scores are."""

    wish: SelfGenerated
    ranks: FittedRecommender
    clock: Clock
    law: Law
    frames: Frames

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key. With `like`, and `where` not alone: its rows, or their first parts, continued, with their
        parents and weights.

        New items were on sale at their time, and nothing happens after the last training event (in front of a
        history: before the first). Raises DataError where there are not as many keys as rows.
        """
        from leaven.generators.timing import DRAWS, draw_times, points

        keys = np.asarray(keys, np.uint64)
        if like is not None and self.wish.prefix_range[0] < 1 and len(like) == len(keys):
            like = _prefixes(like, keys, self.wish.prefix_range)
        frame = self.frames.begin(self.wish, keys, like)
        at = frame.starts[:-1] + frame.given
        while len(rows := np.flatnonzero(at < frame.starts[1:])):
            number = (at[rows] - frame.starts[rows] - frame.given[rows]) * DRAWS
            draw_times(self.clock, frame, rows, at[rows], number)
            for first in range(0, len(rows), _BATCH):
                part = slice(first, first + _BATCH)
                self._draw(frame, rows[part], at[rows[part]], points(frame, rows[part], number[part]))
            at = at + 1
        return self.frames.finish(self.wish, frame)

    def _draw(self, frame: Frame, rows: Ints, at: Ints, u: Floats) -> None:
        """Items of these events, given all before them."""
        now, begins = self.clock.sign * frame.times[at], at == frame.starts[rows]
        if begins.any():
            frame.items[at[begins]] = self._first(frame.times[at[begins]], u[begins])
        rows, at, u, now = rows[~begins], at[~begins], u[~begins], now[~begins]
        if not len(rows):
            return
        known = _known(frame, rows, at, len(self.law.born) - 2)
        listed = by_id(self.ranks.recommend(known, self.wish.top, allow_repeats=True))
        shares = self.law.shares(listed, _held(known, listed.items), now, self.wish.temperature)
        passed = shares.cumsum(axis=1)
        place = (passed <= (u * passed[:, -1])[:, None]).sum(axis=1)
        last = shares.shape[1] - 1 - (shares[:, ::-1] > 0).argmax(axis=1)
        frame.items[at] = listed.items[np.arange(len(at)), np.minimum(place, last)]

    def _first(self, now: Ints, u: Floats) -> npt.NDArray[np.int32]:
        """The first item of one of the real rows that began not long before."""
        end = np.maximum(np.searchsorted(self.law.begin_times, now, side="right"), 1)
        begin = np.maximum(end - max(len(self.law.begin_times) // 20, 200), 0)
        found: npt.NDArray[np.int32] = self.law.begin_items[begin + (u * (end - begin)).astype(np.int64)]
        return found

    def save(self, folder: Path) -> None:
        """The recommender in a folder of its own, the rest in self.npz and self.json, each beside and renamed."""
        folder.mkdir(parents=True, exist_ok=True)
        self.ranks.save(folder / "recommender")
        clock = self.clock._asdict()
        parts: dict[str, Any] = {"first_law": self.frames.first_law, "born": self.law.born}
        parts |= {name: getattr(self.law, name) for name in ("begin_times", "begin_items")}
        parts |= {f"clock.{name}": value for name, value in clock.items() if isinstance(value, np.ndarray)}
        wish: Any = self.wish.recommender
        told = {
            "wish": {name: value for name, value in asdict(self.wish).items() if name != "recommender"},
            "recommender": registry.kind_of("recommenders", wish),
            "fields": asdict(wish),
            "law": {"scale": self.law.scale, "keep_seen": self.law.keep_seen},
            "clock": {"limit": self.clock.limit, "sign": self.clock.sign},
            "frames": {name: getattr(self.frames, name) for name in ("backwards", "columns", "n_items")},
        }
        with (folder / "self.npz.part").open("wb") as file:
            np.savez(file, **parts)
        (folder / "self.npz.part").replace(folder / "self.npz")
        (folder / "self.json.part").write_text(json.dumps(told, indent=1))
        (folder / "self.json.part").replace(folder / "self.json")


def by_id(listed: Ranked) -> Ranked:
    """Each row's list in the order of ids: ranks of nearly equal scores may differ between batches."""
    order = np.argsort(listed.items, axis=1, kind="stable")
    return Ranked(np.take_along_axis(listed.items, order, 1), np.take_along_axis(listed.scores, order, 1))


def _begins(rows: Histories) -> tuple[Ints, npt.NDArray[np.int32]]:
    """(times ascending, items) of the first events."""
    first = rows.starts[:-1][(rows.lengths > 0)]
    order = np.lexsort((rows.items[first], rows.times[first]))
    return rows.times[first][order], rows.items[first][order]


def _calibrated(ranks: FittedRecommender, rows: Histories, top: int, key: int) -> tuple[float, float]:
    """(scale, keep_seen) that suit the last items of some real rows best, each given those before it."""
    long = np.flatnonzero(rows.lengths >= 2)
    if not len(long):
        return 1.0, 1.0
    order = np.argsort(seeds.row_keys(seeds.key(key, "scale"), rows.keys[long]), kind="stable")
    look = rows.take(np.sort(long[order[:_LOOK]]))
    known, last = _cut(look, look.lengths - 1), look.items[look.starts[1:] - 1]
    listed = ranks.recommend(known, top, allow_repeats=True)
    hit = listed.items == last[:, None]
    asked = hit.any(axis=1)
    if not asked.any():
        return 1.0, 1.0
    hit, there = hit[asked], listed.items[asked] > 0
    scores = np.where(there, listed.scores[asked], -np.inf).astype(np.float64)
    scales = (float(np.std(scores[there])) or 1.0) * np.geomspace(0.02, 20, 80)
    shares = [_softmax(scores / scale) for scale in scales]
    best = int(np.argmax([np.log(share[hit] + 1e-12).sum() for share in shares]))
    held = _held(known, listed.items)[asked]
    expected, real = float((shares[best] * held).sum(axis=1).mean()), float((hit & held).any(axis=1).mean())
    usual = real >= 0.9 * expected or real >= 1.0
    return float(scales[best]), 1.0 if usual else real * (1 - expected) / (expected * (1 - real))


def _softmax(logits: Floats) -> Floats:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = shares / shares.sum(axis=1, keepdims=True)
    return found


def _cut(rows: Histories, lengths: Ints) -> Histories:
    """The first events of each row."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    source = np.repeat(rows.starts[:-1] - starts[:-1], lengths) + np.arange(starts[-1])
    return rows.rebuilt(starts, rows.items[source], rows.times[source], source)


def _prefixes(rows: Histories, keys: Keys, share_range: tuple[float, float]) -> Histories:
    """A drawn share of each row's first events, at least one."""
    low, high = share_range
    share = low + seeds.uniform(seeds.mix(keys), 1) * (high - low)
    lengths = np.minimum(np.maximum(np.rint(share * rows.lengths), 1), rows.lengths).astype(np.int64)
    return _cut(rows, lengths)


def _known(frame: Frame, rows: Ints, at: Ints, n_items: int) -> Histories:
    """The events of these rows before `at`, all of them: what a row holds counts however long ago."""
    lengths = at - frame.starts[rows]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    source = np.repeat(frame.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
    return Histories.real(frame.items[source], frame.times[source], starts, frame.keys[rows], n_items)


def _held(known: Histories, items: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """bool (rows, top): whether the row holds the item."""
    width = known.n_items + 2
    have = known.row_of_event() * width + known.items
    asked = np.arange(len(items))[:, None] * width + items
    return np.isin(asked, have)
