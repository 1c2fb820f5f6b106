"""Which rows are known to be wrong, and how? Worlds whose law is known, and generators with one defect each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.quality.image_rows import ImageRows
from leaven.quality.table_rows import TabularRows

GROUPS, PER_GROUP = 6, 50
FIRST_DAY = 1_600_000_000


@dataclass(frozen=True)
class HistoryLaw:
    """Each user loves two groups of items, popular ones more, and often takes the next item of a group after one.

    loves  how steeply popularity falls inside a group; follows  chance of the next item; odd  share of items at random
    groups  how many groups users may love
    """

    loves: float = 2.0
    follows: float = 0.5
    odd: float = 0.05
    groups: int = GROUPS

    def rows(self, count: int, key: int) -> Histories:
        """Fresh rows of this law."""
        chance = rng.make_generator(key)
        lengths = 4 + chance.geometric(0.15, count)
        tastes = np.stack([chance.permutation(self.groups)[:2] for _ in range(count)])
        items = np.zeros((count, lengths.max()), np.int64)
        for place in range(items.shape[1]):
            group = np.where(chance.random(count) < 0.7, tastes[:, 0], tastes[:, 1])
            drawn = group * PER_GROUP + (PER_GROUP * chance.random(count) ** self.loves).astype(np.int64)
            if place:
                last = items[:, place - 1]
                following = last // PER_GROUP * PER_GROUP + (last % PER_GROUP + 1) % PER_GROUP
                drawn = np.where(chance.random(count) < self.follows, following, drawn)
            anything = chance.integers(0, GROUPS * PER_GROUP, count)
            items[:, place] = np.where(chance.random(count) < self.odd, anything, drawn)
        there = np.arange(items.shape[1]) < lengths[:, None]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        gaps = np.exp(chance.normal(9.0, 1.5, items.shape)).astype(np.int64)
        begun = FIRST_DAY + chance.integers(0, 10_000_000, count)
        times = begun[:, None] + np.cumsum(gaps, axis=1)
        keys = chance.integers(1, 1 << 63, count).astype(np.uint64)
        rows = Histories.from_arrays(items[there] + 1, times[there], starts, keys, GROUPS * PER_GROUP)
        paid = 10.0 * 2.0 ** (items[there] // PER_GROUP) * np.exp(chance.normal(0.0, 0.2, rows.n_events))
        return replace(rows, extra={"price": paid}, catalog=CATALOG)


CATALOG = Catalog(
    ids=[f"i{item}" for item in range(1, GROUPS * PER_GROUP + 1)],
    category=np.concatenate([[0], 1 + np.arange(GROUPS * PER_GROUP) // PER_GROUP]).astype(np.int32),
    categories=[f"group {group + 1}" for group in range(GROUPS)],
    first_sale_times=np.full(GROUPS * PER_GROUP + 1, FIRST_DAY, np.int64),
)
"""Groups are categories, and all is on sale from the first day on."""


@dataclass(frozen=True)
class TextLaw:
    """Texts whose words follow a law of histories: two topics a text, frequent words, words that follow others."""

    words: HistoryLaw = field(default_factory=HistoryLaw)

    def rows(self, count: int, key: int) -> list[str]:
        """Fresh texts of this law."""
        return texts_of(self.words.rows(count, key))


def texts_of(rows: Histories) -> list[str]:
    """One text a history, one word an item."""
    return [" ".join(f"w{item}" for item in rows.row_items(row).tolist()) for row in range(len(rows))]


@dataclass(frozen=True)
class TableLaw:
    """Five modes in three hidden factors, mixed into columns, with noise whose size differs from row to row.

    noise  its size; normal  whether it is normal instead of Laplace, with the same variance; modes  how many are met
    """

    noise: float = 1.0
    normal: bool = False
    modes: int = 5
    columns: int = 8

    def rows(self, count: int, key: int) -> TabularRows:
        """Fresh rows of this law."""
        law = rng.make_generator(rng.derive_key(3, "law"))
        centres, mixing = 3.0 * law.standard_normal((5, 3)), law.standard_normal((3, self.columns))
        chance = rng.make_generator(key)
        mode = chance.integers(0, self.modes, count)
        structure = (centres[mode] + 0.7 * chance.standard_normal((count, 3))) @ mixing
        shape = (count, self.columns)
        drawn = chance.standard_normal(shape) * np.sqrt(2.0) if self.normal else chance.laplace(size=shape)
        size = self.noise * np.exp(0.4 * chance.standard_normal((count, 1)))
        found = structure + size * drawn
        columns: dict[str, Any] = {f"x{place}": found[:, place] for place in range(self.columns)}
        columns["shop"] = np.array(["north", "south", "east", "west", "web"])[mode]
        return TabularRows(columns)


@dataclass(frozen=True)
class PictureLaw:
    """Discs, squares, stripes and crosses of their own colours anywhere on a sloping ground, with noise.

    noise  its size, in levels of 255; kinds  how many are met
    """

    noise: float = 6.0
    kinds: int = 4
    side: int = 24

    def rows(self, count: int, key: int) -> ImageRows:
        """Fresh pictures of this law, with what they show and words about it."""
        chance = rng.make_generator(key)
        kind = chance.integers(0, self.kinds, count)
        down, across = np.mgrid[0 : self.side, 0 : self.side][:, None]  # (1, side, side)
        x, y = (chance.uniform(0.35, 0.65, (count, 1, 1)) * self.side for _ in range(2))
        size = chance.uniform(0.15, 0.3, (count, 1, 1)) * self.side
        dx, dy = np.abs(across - x), np.abs(down - y)
        forms = [dx**2 + dy**2 < size**2, np.maximum(dx, dy) < size, dy < size / 2, np.minimum(dx, dy) < size / 3]
        inside = np.choose(kind[:, None, None], forms)[..., None]
        slope = chance.uniform(-3, 3, (count, 1, 1, 1)) * across[..., None]
        ground = chance.uniform(120, 220, (count, 1, 1, 3)) + slope
        colour = COLOURS[kind][:, None, None, :] + chance.normal(0, 15, (count, 1, 1, 3))
        found = np.where(inside, colour, ground) + self.noise * chance.laplace(size=(count, self.side, self.side, 3))
        shown = [FORMS[place] for place in kind.tolist()]
        wide = (size.ravel() > 0.22 * self.side).astype(int).tolist()
        said = [f"a {SIZES[place]} {form} shape" for form, place in zip(shown, wide, strict=True)]
        return ImageRows.from_pixels(np.clip(found, 0, 255).astype(np.uint8), shown, said)


COLOURS = np.array([[200.0, 40, 40], [40, 160, 60], [40, 60, 190], [200, 170, 30]])
FORMS, SIZES = ("disc", "square", "stripe", "cross"), ("small", "large")


def shuffled(rows: Histories, key: int) -> Histories:
    """The items of each row in another order; times stay."""
    order = np.lexsort((rng.make_generator(key).random(rows.n_events), rows.event_rows()))
    return Histories.from_arrays(rows.items[order], rows.times, rows.starts, rows.row_ids, rows.n_items)


def slowed(rows: Histories, key: int) -> Histories:
    """All gaps five times as long."""
    first = np.repeat(rows.times[rows.starts[:-1]], rows.lengths)
    return Histories.from_arrays(rows.items, first + 5 * (rows.times - first), rows.starts, rows.row_ids, rows.n_items)


def cut(rows: Histories, key: int) -> Histories:
    """The first half of each row."""
    kept = np.maximum(rows.lengths // 2, 1)
    starts = np.concatenate([[0], np.cumsum(kept)])
    source = np.arange(starts[-1]) + np.repeat(rows.starts[:-1] - starts[:-1], kept)
    return Histories.from_arrays(rows.items[source], rows.times[source], starts, rows.row_ids, rows.n_items)


def stuttering(rows: Histories, key: int) -> Histories:
    """Every second event has the item of the one before."""
    place = np.arange(rows.n_events) - np.repeat(rows.starts[:-1], rows.lengths)
    source = np.arange(rows.n_events) - place % 2
    return Histories.from_arrays(rows.items[source], rows.times, rows.starts, rows.row_ids, rows.n_items)


def mispriced(rows: Histories, key: int) -> Histories:
    """Every event has the price of another."""
    price = rows.extra["price"]
    return replace(rows, extra={"price": price[rng.make_generator(key).permutation(len(price))]})


def too_early(rows: Histories, key: int) -> Histories:
    """Every tenth row happens before anything was on sale."""
    early = np.repeat(np.arange(len(rows)) % 10 == 0, rows.lengths)
    return replace(rows, times=rows.times - np.where(early, 30_000_000, 0))


def words_shuffled(texts: list[str], key: int) -> list[str]:
    """The words of each text in another order."""
    chance = rng.make_generator(key)
    return [" ".join(chance.permutation(text.split()).tolist()) for text in texts]


def columns_shuffled(rows: TabularRows, key: int) -> TabularRows:
    """Every column in an order of its own: right one by one, wrong together."""
    chance = rng.make_generator(key)
    return TabularRows({name: column[chance.permutation(len(rows))] for name, column in rows.columns.items()})


def shifted(rows: TabularRows, key: int) -> TabularRows:
    """Every number half a unit too high."""
    return TabularRows({n: c + 0.5 if c.dtype.kind == "f" else c for n, c in rows.columns.items()})


def shrunken(rows: TabularRows, key: int) -> TabularRows:
    """Every number half as far from its mean."""
    return TabularRows({n: (c + c.mean()) / 2 if c.dtype.kind == "f" else c for n, c in rows.columns.items()})


def darkened(rows: ImageRows, key: int) -> ImageRows:
    """Every picture at four fifths of its light."""
    return ImageRows.from_pixels((rows.pixels * 0.8).astype(np.uint8), rows.labels, rows.captions)


def misnamed(rows: ImageRows, key: int) -> ImageRows:
    """Every third picture is said to show what another does."""
    return replace(rows, labels=_others(rows.labels, key))


def misdescribed(rows: ImageRows, key: int) -> ImageRows:
    """Every third picture has the words of another."""
    return replace(rows, captions=_others(rows.captions, key))


def _others(names: Sequence[str], key: int) -> list[str]:
    order = rng.make_generator(key).permutation(len(names))
    return [names[order[place]] if place % 3 == 0 else name for place, name in enumerate(names)]


Law = HistoryLaw | TableLaw | TextLaw | PictureLaw
Made = Callable[[Any, int, int], Any]
"""(training rows, how many, key) -> new rows."""


def _of(law: Law) -> Made:
    return lambda train, count, key: law.rows(count, key)


def _after(law: Law, change: Callable[[Any, int], Any]) -> Made:
    return lambda train, count, key: change(law.rows(count, key), rng.derive_key(key, "change"))


def _copied(train: Any, count: int, key: int) -> Any:
    if isinstance(train, list):
        return [train[place % len(train)] for place in range(count)]
    return train.take(np.arange(count) % len(train))


HISTORIES: dict[str, Made] = {
    "none": _of(HistoryLaw()),
    "too smooth": _of(HistoryLaw(loves=3.5, follows=0.75, odd=0.0)),
    "too noisy": _of(HistoryLaw(odd=0.4)),
    "modes missing": _of(HistoryLaw(groups=3)),
    "copier": _copied,
    "order shuffled": _after(HistoryLaw(), shuffled),
    "clock slow": _after(HistoryLaw(), slowed),
    "cut short": _after(HistoryLaw(), cut),
    "stuttering": _after(HistoryLaw(), stuttering),
    "prices of others": _after(HistoryLaw(), mispriced),
    "sold too early": _after(HistoryLaw(), too_early),
}
"""defect -> a generator of histories that has it."""

TABLES: dict[str, Made] = {
    "none": _of(TableLaw()),
    "too smooth": _of(TableLaw(noise=0.5)),
    "too noisy": _of(TableLaw(noise=1.5)),
    "noise of another shape": _of(TableLaw(normal=True)),
    "modes missing": _of(TableLaw(modes=3)),
    "copier": _copied,
    "columns shuffled": _after(TableLaw(), columns_shuffled),
    "shifted": _after(TableLaw(), shifted),
    "shrunken": _after(TableLaw(), shrunken),
}
"""defect -> a generator of tables that has it."""

TEXTS: dict[str, Made] = {
    "none": _of(TextLaw()),
    "too smooth": _of(TextLaw(HistoryLaw(loves=3.5, follows=0.75, odd=0.0))),
    "too noisy": _of(TextLaw(HistoryLaw(odd=0.4))),
    "modes missing": _of(TextLaw(HistoryLaw(groups=3))),
    "copier": _copied,
    "order shuffled": _after(TextLaw(), words_shuffled),
}
"""defect -> a generator of texts that has it."""

PICTURES: dict[str, Made] = {
    "none": _of(PictureLaw()),
    "too smooth": _of(PictureLaw(noise=3.0)),
    "too noisy": _of(PictureLaw(noise=9.0)),
    "modes missing": _of(PictureLaw(kinds=2)),
    "copier": _copied,
    "too dark": _after(PictureLaw(), darkened),
    "kinds mixed up": _after(PictureLaw(), misnamed),
    "words of others": _after(PictureLaw(), misdescribed),
}
"""defect -> a generator of pictures that has it."""

LAWS: dict[str, tuple[Law, dict[str, Made]]] = {
    "histories": (HistoryLaw(), HISTORIES),
    "table": (TableLaw(), TABLES),
    "text": (TextLaw(), TEXTS),
    "image": (PictureLaw(), PICTURES),
}
