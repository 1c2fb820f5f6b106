"""How would these rows go on, if only the last few items and the last gap counted?

The baseline that every deep generator must beat: an interpolated back-off chain over items
(`kernels/markov.py` names the source), and gaps drawn from a law given the last gap and the last item's category.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.contracts import Keys
from leaven.data.histories import FROM_NOISE, Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.kernels.births import first_days

if TYPE_CHECKING:
    from leaven.data.catalog import Catalog
    from leaven.kernels.fashion import Fashion
    from leaven.kernels.gaps import Clock
    from leaven.kernels.markov import Chain
    from leaven.kernels.walk import Shelf

Ints = npt.NDArray[np.int64]
MADE = 1
"""The origin of a generated row until the plan records its step."""

_LOOK = 2_000  # rows that the chance of a repeat is learned from


@dataclass(frozen=True)
class Markov:
    """New rows, or real rows continued, by a Markov chain with back-off and time gaps.

    order             how many last items count, 1 to 4
    where             alone: a new user; after: behind a real history; before: in front of one
    events_range      shortest and longest row of a new user (its length is drawn from the real ones)
    new_events_range  how many events are added behind or in front of a real history
    temperature       below 1 the likely followers are drawn more often than they were seen, above 1 less
    top_k, top_p      only the likeliest followers of a context: so many (0: all), or so much of the mass
    targets           which events of a continued row are training targets: `new`, `given`, or `all` but the
                      first; `fitting` takes the new ones behind a history, and those that were targets already
                      in front of one (a made item is then seen, never learned). Rows of new users: all
    keep              filters that its rows pass by default
    """

    order: int = 2
    where: Literal["alone", "after", "before"] = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    targets: Literal["fitting", "new", "given", "all"] = "fitting"
    keep: Sequence[str] = ("validity",)

    def __post_init__(self) -> None:
        checks = [
            ("order", 1 <= self.order <= 4, "1, 2, 3 or 4"),
            ("where", self.where in ("alone", "after", "before"), "alone, after or before"),
            ("events_range", 1 <= self.events_range[0] <= self.events_range[1], "two ascending lengths from 1"),
            ("new_events_range", 0 <= self.new_events_range[0] <= self.new_events_range[1], "ascending counts"),
            ("temperature", self.temperature > 0, "a number above 0"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "a share above 0, at most 1"),
            ("targets", self.targets in ("fitting", "new", "given", "all"), "fitting, new, given or all"),
            ("targets", (self.where, self.targets) != ("before", "new"), "given or all in front of a history"),
        ]
        for name, fine, wanted in checks:
            if not fine:
                raise SpecError(f"markov.{name}", wanted, repr(getattr(self, name)), "")

    def fit(self, train: Histories, key: int) -> FittedMarkov:
        """Count the rows. `key` chooses the rows that the chance of a repeat is learned from.

        Raises FitError where there is no event to learn from.
        """
        from leaven.kernels.fashion import fashion_of
        from leaven.kernels.gaps import clock_of, small_codes
        from leaven.kernels.markov import learned, sharpened

        if train.events == 0:
            raise FitError("markov", "at least one event to learn from", "none", "give it training rows")
        sign = -1 if self.where == "before" else 1
        rows = _mirrored(train) if sign < 0 else train
        fashion = fashion_of(rows.items, rows.times, train.n_items)
        chain = learned(rows.items, rows.times, rows.starts, fashion, train.n_items, self.order)
        category = train.catalog.category if train.catalog is not None else None
        codes = small_codes(category, train.items, train.n_items)
        clock = clock_of(rows.items, rows.times, rows.starts, codes, sign)
        shelf = _shelf_of(train, _keep_seen(chain, fashion, rows, key))
        drawn = sharpened(chain, self.temperature, self.top_k, self.top_p)
        columns = {name: column.dtype.str for name, column in train.extra.items()}
        return FittedMarkov(self, drawn, fashion, clock, shelf, _first_law(rows), columns, train.catalog)

    @staticmethod
    def load(folder: Path) -> FittedMarkov:
        """What `FittedMarkov.save` wrote, without the catalogue.

        Raises DataError where the folder holds no chain.
        """
        from leaven.kernels.fashion import Fashion
        from leaven.kernels.gaps import Clock
        from leaven.kernels.markov import Chain
        from leaven.kernels.walk import Shelf

        if not (folder / "markov.json").exists():
            raise DataError(str(folder), "a saved Markov generator", "no markov.json", "save one there first")
        told = json.loads((folder / "markov.json").read_text())
        fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in told["wish"].items()}
        with np.load(folder / "markov.npz") as held:
            parts = {name: held[name] for name in held.files}
        kinds: list[tuple[str, Any]] = [
            ("chain", Chain),
            ("fashion", Fashion),
            ("clock", Clock),
            ("shelf", Shelf),
        ]
        made = {n: kind(**_part(parts, n), **told[n]) for n, kind in kinds}
        return FittedMarkov(Markov(**fields), **made, first_law=parts["first_law"], columns=told["columns"])


@dataclass(frozen=True, eq=False)
class FittedMarkov:
    """A counted chain, its clock, and what was on sale when.

    first_law  int64 (rows, 2): first time and length of the real rows, ascending in time (of the chain's direction)
    columns    other columns of an event: name -> dtype
    """

    wish: Markov
    chain: Chain
    fashion: Fashion
    clock: Clock
    shelf: Shelf
    first_law: Ints
    columns: Mapping[str, str]
    catalog: Catalog | None = None

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key. With `like`, and `where` not alone: its rows continued, with their parents and weights.

        New items were on sale at their time, and nothing happens after the last training event (in front of a
        history: before the first). Raises DataError where there are not as many keys as rows.
        """
        keys = np.asarray(keys, np.uint64)
        if like is None or self.wish.where == "alone":
            return self._alone(keys)
        if len(like) != len(keys):
            raise DataError("markov.sample", f"{len(like)} keys, one a row", f"{len(keys)}", "")
        return self._continued(keys, like)

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): natural logarithm of each row's items given the times and the first item.

        `before` reads backwards: given the last item. Times set the fashion; days of sale, repeats and temperature
        do not enter. An item never seen has a small probability, never 0.
        """
        from leaven.kernels.markov import log_likelihoods

        read = _mirrored(rows) if self.clock.sign < 0 else rows
        found: npt.NDArray[np.float64] = log_likelihoods(self.chain, self.fashion, read.items, read.times, read.starts)
        return found

    def save(self, folder: Path) -> None:
        """Write markov.npz and markov.json, each beside and renamed."""
        folder.mkdir(parents=True, exist_ok=True)
        parts: dict[str, Any] = {"first_law": self.first_law}
        told: dict[str, Any] = {"wish": asdict(self.wish), "columns": dict(self.columns)}
        for name in ("chain", "fashion", "clock", "shelf"):
            fields = getattr(self, name)._asdict()
            parts |= {f"{name}.{n}": v for n, v in fields.items() if isinstance(v, np.ndarray)}
            told[name] = {n: v for n, v in fields.items() if not isinstance(v, np.ndarray)}
        with (folder / "markov.npz.part").open("wb") as file:
            np.savez(file, **parts)
        (folder / "markov.npz.part").replace(folder / "markov.npz")
        (folder / "markov.json.part").write_text(json.dumps(told, indent=1))
        (folder / "markov.json.part").replace(folder / "markov.json")

    def _alone(self, keys: Keys) -> Histories:
        keys_of = seeds.mix(keys)  # draws of its own: `walk` uses those of the key itself
        place = seeds.uniform(keys_of, 0) * len(self.first_law)
        at = place.astype(np.int64)
        first, following = self.first_law[at, 0], self.first_law[np.minimum(at + 1, len(self.first_law) - 1), 0]
        begun = first + ((place - at) * (following - first)).astype(np.int64)
        lengths = np.clip(self.first_law[at, 1], *self.wish.events_range)
        starts, items, times = self._walked(keys, lengths, np.zeros(len(keys), np.int64), begun)
        extra = {name: np.zeros(len(items), np.dtype(kind)) for name, kind in self.columns.items()}
        rows = Histories.real(items, times, starts, keys, self.chain.n_items)
        none, made = np.full(len(keys), FROM_NOISE, np.uint64), np.full(len(keys), MADE, np.int16)
        rows = replace(rows, parents=none, origin=made, extra=extra, catalog=self.catalog)
        return _mirrored(rows) if self.clock.sign < 0 else rows

    def _continued(self, keys: Keys, like: Histories) -> Histories:
        low, high = self.wish.new_events_range
        added = low + (seeds.uniform(seeds.mix(keys), 0) * (high - low + 1)).astype(np.int64)
        added = np.where(like.lengths == 0, np.maximum(added, 1), added)
        known = _mirrored(like) if self.clock.sign < 0 else like
        begun = np.full(len(keys), self.first_law[len(self.first_law) // 2, 0], np.int64)
        starts, items, times = self._walked(keys, known.lengths + added, known.lengths, begun, known)
        source = np.full(len(items), -1, np.int64)
        source[_places(starts[:-1], known.lengths)] = np.arange(known.events)
        made = known.rebuilt(starts, items, times, source)
        made = _mirrored(made) if self.clock.sign < 0 else made
        origin = np.full(len(keys), MADE, np.int16)
        return replace(made, keys=keys, origin=origin, targets=self._targets(like, added))

    def _walked(
        self, keys: Keys, lengths: Ints, given: Ints, begun: Ints, known: Histories | None = None
    ) -> tuple[Ints, npt.NDArray[np.int32], Ints]:
        from leaven.kernels.walk import walk

        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        items, times = np.zeros(starts[-1], np.int32), np.zeros(starts[-1], np.int64)
        times[starts[:-1][lengths > 0]] = begun[lengths > 0]
        if known is not None:
            places = _places(starts[:-1], known.lengths)
            items[places], times[places] = known.items, known.times
        walk(self.chain, self.fashion, self.clock, self.shelf, keys, starts, given.astype(np.int64), items, times)
        return starts, items, times

    def _targets(self, like: Histories, added: Ints) -> npt.NDArray[np.int32]:
        """int32 (rows,): how many of the last events of each continued row are targets."""
        every = np.maximum(like.lengths + added - 1, 0)
        ahead = self.wish.where == "before"
        chosen = {"fitting": "given" if ahead else "new"}.get(self.wish.targets, self.wish.targets)
        given = like.targets if ahead else like.targets + added  # the last ones, so the new ones are among them
        wanted: Ints = {"all": every, "new": added, "given": given.astype(np.int64)}[chosen]
        targets: npt.NDArray[np.int32] = np.minimum(wanted, every).astype(np.int32)
        return targets


def _part(parts: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key.partition(".")[2]: value for key, value in parts.items() if key.startswith(f"{name}.")}


def _places(first: Ints, lengths: Ints) -> Ints:
    """int64 (sum of lengths,): first[0], first[0] + 1, … for each row."""
    offsets = np.cumsum(lengths) - lengths
    places: Ints = np.arange(lengths.sum()) + np.repeat(first - offsets, lengths)
    return places


def _mirrored(rows: Histories) -> Histories:
    """Each row read backwards, its times negated, so that they ascend again."""
    starts = rows.starts - rows.starts[0]
    source = np.repeat(starts[:-1] + starts[1:] - 1, rows.lengths) - np.arange(rows.events)
    extra = {name: column[source] for name, column in rows.extra.items()}
    return replace(rows, starts=starts, items=rows.items[source], times=-rows.times[source], extra=extra)


def _first_law(train: Histories) -> Ints:
    """int64 (rows, 2): first time and length of each row that is not empty, ascending in time."""
    full = train.lengths > 0
    law = np.stack([train.times[train.starts[:-1][full]], train.lengths[full]], axis=1)
    return law[np.lexsort((law[:, 1], law[:, 0]))]


def _keep_seen(chain: Chain, fashion: Fashion, rows: Histories, key: int) -> float:
    """The chance to keep an item that the row already holds, so that repeats are as frequent as in the rows."""
    from leaven.kernels.markov import repeat_mass

    order = np.argsort(seeds.row_keys(seeds.key(key, "markov", "repeats"), rows.keys), kind="stable")
    look = rows.take(np.sort(order[:_LOOK]))
    real, expected = repeat_mass(chain, fashion, look.items, look.times, look.starts)
    if real >= 0.9 * expected or real >= 1.0:
        return 1.0
    return float(real * (1 - expected) / (expected * (1 - real)))


def _shelf_of(train: Histories, keep_seen: float) -> Shelf:
    """Items seen in training by their first day: what the catalogue states, or the first training event."""
    from leaven.kernels.walk import Shelf

    counts = np.bincount(train.items, minlength=train.n_items + 2)[1 : train.n_items + 1]
    stated = train.catalog.born if train.catalog is not None else None
    born = first_days(train.items, train.times, train.n_items, stated)
    known = np.flatnonzero(counts).astype(np.int32) + 1
    oldest = known[np.argsort(born[known], kind="stable")]
    mass = np.cumsum(counts[oldest - 1], dtype=np.float64)
    return Shelf(born, oldest, born[oldest], mass, float(keep_seen))
