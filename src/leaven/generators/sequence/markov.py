"""How would these rows go on, if only the last few items and the last gap counted?

The baseline that every deep generator must beat: an interpolated back-off chain over items
(`kernels/markov.py` names the source), and gaps drawn from a law given the last gap and the last item's category.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError, FitError
from leaven.generators.sequence.sequence_scaffold import Frames, Targets, Where, check, mirrored
from leaven.kernels.first_seen import first_days
from leaven.protocols import Keys

if TYPE_CHECKING:
    from leaven.kernels.inter_event_times import Clock
    from leaven.kernels.markov import Chain
    from leaven.kernels.markov_sampling import Shelf
    from leaven.kernels.time_popularity import Fashion

_LOOK = 2_000  # rows that the chance of a repeat is learned from


@dataclass(frozen=True)
class Markov:
    """New rows, or real rows continued, by a Markov chain with back-off and time gaps.

    order             how many last items count, 1 to 4
    where, events_range, new_events_range, targets    as `frame.Layout` says
    temperature       below 1 the likely followers are drawn more often than they were seen, above 1 less
    top_k, top_p      only the likeliest followers of a context: so many (0: all), or so much of the mass
    keep              filters that its rows pass by default
    """

    order: int = 2
    where: Where = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    targets: Targets = "fitting"
    keep: Sequence[str] = ("validity",)

    def __post_init__(self) -> None:
        own = [
            ("order", 1 <= self.order <= 4, "1, 2, 3 or 4"),
            ("temperature", self.temperature > 0, "a number above 0"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "a share above 0, at most 1"),
        ]
        check("markov", self, own)

    def fit(self, train: Histories, key: int) -> FittedMarkov:
        """Count the rows. `key` chooses the rows that the chance of a repeat is learned from.

        Raises FitError where there is no event to learn from.
        """
        from leaven.arrays.parallel import together
        from leaven.kernels.inter_event_times import clock_of, small_codes
        from leaven.kernels.markov import counted, sharpened, trusted
        from leaven.kernels.time_popularity import fashion_of

        if train.events == 0:
            raise FitError("markov", "at least one event to learn from", "none", "give it training rows")
        backwards = self.where == "before"
        rows = mirrored(train) if backwards else train

        def of_times() -> tuple[Frames, Fashion, Clock, Shelf]:
            category = train.catalog.category if train.catalog is not None else None
            codes = small_codes(category, train.items, train.n_items)
            clock = clock_of(rows.items, rows.times, rows.starts, codes, -1 if backwards else 1)
            fashion = fashion_of(rows.items, rows.times, train.n_items)
            return Frames.of(train, self), fashion, clock, _shelf_of(train)

        chain, (frames, fashion, clock, shelf) = together(
            lambda: counted(rows.items, rows.starts, train.n_items, self.order), of_times
        )
        chain = trusted(chain, rows.items, rows.times, rows.starts, fashion)
        shelf = shelf._replace(keep_seen=_keep_seen(chain, fashion, rows, key))
        drawn = sharpened(chain, self.temperature, self.top_k, self.top_p)
        return FittedMarkov(self, drawn, fashion, clock, shelf, frames)

    @staticmethod
    def load(folder: Path) -> FittedMarkov:
        """What `FittedMarkov.save` wrote, without the catalogue.

        Raises DataError where the folder holds no chain, or one of another version.
        """
        from leaven.kernels.inter_event_times import Clock
        from leaven.kernels.markov import Chain
        from leaven.kernels.markov_sampling import Shelf
        from leaven.kernels.time_popularity import Fashion

        if not (folder / "markov.json").exists():
            raise DataError(str(folder), "a saved Markov generator", "no markov.json", "save one there first")
        told = json.loads((folder / "markov.json").read_text())
        fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in told["config"].items()}
        with np.load(folder / "markov.npz") as held:
            parts = {name: held[name] for name in held.files}
        kinds: list[tuple[str, Any]] = [
            ("chain", Chain),
            ("fashion", Fashion),
            ("clock", Clock),
            ("shelf", Shelf),
        ]
        try:
            made = {n: kind(**_part(parts, n), **told[n]) for n, kind in kinds}
        except TypeError as error:
            wanted = "a Markov generator of this version"
            raise DataError(str(folder), wanted, f"other fields: {error}", "fit it again and save it") from error
        return FittedMarkov(Markov(**fields), **made, frames=Frames(first_law=parts["first_law"], **told["frames"]))


@dataclass(frozen=True, eq=False)
class FittedMarkov:
    """A counted chain, its clock, and what was on sale when."""

    config: Markov
    chain: Chain
    fashion: Fashion
    clock: Clock
    shelf: Shelf
    frames: Frames

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key. With `like`, and `where` not alone: its rows continued, with their parents and weights.

        New items were on sale at their time, and nothing happens after the last training event (in front of a
        history: before the first). Raises DataError where there are not as many keys as rows.
        """
        from leaven.kernels.markov_sampling import walk

        frame = self.frames.begin(self.config, keys, like)
        laws = (self.chain, self.fashion, self.clock, self.shelf)
        walk(*laws, frame.keys, frame.starts, frame.given, frame.items, frame.times)
        return self.frames.finish(self.config, frame)

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): natural logarithm of each row's items given the times and the first item.

        `before` reads backwards: given the last item. Times set the fashion; days of sale, repeats and temperature
        do not enter. An item never seen has a small probability, never 0.
        """
        from leaven.kernels.markov import log_likelihoods

        read = mirrored(rows) if self.frames.backwards else rows
        found: npt.NDArray[np.float64] = log_likelihoods(self.chain, self.fashion, read.items, read.times, read.starts)
        return found

    def save(self, folder: Path) -> None:
        """Write markov.npz and markov.json, each beside and renamed."""
        folder.mkdir(parents=True, exist_ok=True)
        parts: dict[str, Any] = {"first_law": self.frames.first_law}
        of_frames = {name: getattr(self.frames, name) for name in ("backwards", "columns", "n_items")}
        told: dict[str, Any] = {"config": asdict(self.config), "frames": of_frames}
        for name in ("chain", "fashion", "clock", "shelf"):
            fields = getattr(self, name)._asdict()
            parts |= {f"{name}.{n}": v for n, v in fields.items() if isinstance(v, np.ndarray)}
            told[name] = {n: v for n, v in fields.items() if not isinstance(v, np.ndarray)}
        with (folder / "markov.npz.part").open("wb") as file:
            np.savez(file, **parts)
        (folder / "markov.npz.part").replace(folder / "markov.npz")
        (folder / "markov.json.part").write_text(json.dumps(told, indent=1))
        (folder / "markov.json.part").replace(folder / "markov.json")


def _part(parts: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key.partition(".")[2]: value for key, value in parts.items() if key.startswith(f"{name}.")}


def _keep_seen(chain: Chain, fashion: Fashion, rows: Histories, key: int) -> float:
    """The chance to keep an item that the row already holds, so that repeats are as frequent as in the rows."""
    from leaven.kernels.markov import repeat_mass

    order = np.argsort(rng.row_keys(rng.key(key, "markov", "repeats"), rows.keys), kind="stable")
    look = rows.take(np.sort(order[:_LOOK]))
    real, expected = repeat_mass(chain, fashion, look.items, look.times, look.starts)
    if real >= 0.9 * expected or real >= 1.0:
        return 1.0
    return float(real * (1 - expected) / (expected * (1 - real)))


def _shelf_of(train: Histories) -> Shelf:
    """Items seen in training by first day: what the catalogue states, or the first training event; all of them kept."""
    from leaven.kernels.markov_sampling import Shelf

    counts = np.bincount(train.items, minlength=train.n_items + 2)[1 : train.n_items + 1]
    stated = train.catalog.born if train.catalog is not None else None
    born = first_days(train.items, train.times, train.n_items, stated)
    known = np.flatnonzero(counts).astype(np.int32) + 1
    oldest = known[np.argsort(born[known], kind="stable")]
    mass = np.cumsum(counts[oldest - 1], dtype=np.float64)
    return Shelf(born, oldest, born[oldest], mass, keep_seen=1.0)
