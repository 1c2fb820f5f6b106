"""Simulated data with known distributions and generators with one known defect each, to test quality metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.modalities.image_rows import ImageRows
from leaven.modalities.tabular import TabularRows

GROUPS, PER_GROUP = 6, 50
FIRST_DAY = 1_600_000_000


@dataclass(frozen=True)
class HistoryLaw:
    """Histories of users who prefer two groups of items; popular items and the successor of the last item are likely.

    popularity_exponent    concentration of the popularity inside a group
    successor_probability  of the item after the last one
    random_share           share of uniformly random items
    groups                 number of groups that users may prefer
    """

    popularity_exponent: float = 2.0
    successor_probability: float = 0.5
    random_share: float = 0.05
    groups: int = GROUPS

    def rows(self, count: int, key: int) -> Histories:
        """Return `count` random rows."""
        generator = rng.make_generator(key)
        lengths = 4 + generator.geometric(0.15, count)
        tastes = np.stack([generator.permutation(self.groups)[:2] for _ in range(count)])
        items = np.zeros((count, lengths.max()), np.int64)
        for index in range(items.shape[1]):
            group = np.where(generator.random(count) < 0.7, tastes[:, 0], tastes[:, 1])
            drawn = group * PER_GROUP + (PER_GROUP * generator.random(count) ** self.popularity_exponent).astype(
                np.int64
            )
            if index:
                last = items[:, index - 1]
                following = last // PER_GROUP * PER_GROUP + (last % PER_GROUP + 1) % PER_GROUP
                drawn = np.where(generator.random(count) < self.successor_probability, following, drawn)
            uniform = generator.integers(0, GROUPS * PER_GROUP, count)
            items[:, index] = np.where(generator.random(count) < self.random_share, uniform, drawn)
        is_event = np.arange(items.shape[1]) < lengths[:, None]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        gaps = np.exp(generator.normal(9.0, 1.5, items.shape)).astype(np.int64)
        first_times = FIRST_DAY + generator.integers(0, 10_000_000, count)
        times = first_times[:, None] + np.cumsum(gaps, axis=1)
        keys = generator.integers(1, 1 << 63, count).astype(np.uint64)
        rows = Histories.from_arrays(items[is_event] + 1, times[is_event], starts, keys, GROUPS * PER_GROUP)
        price = 10.0 * 2.0 ** (items[is_event] // PER_GROUP) * np.exp(generator.normal(0.0, 0.2, rows.n_events))
        return replace(rows, extra={"price": price}, catalog=CATALOG)


CATALOG = Catalog(
    ids=[f"i{item}" for item in range(1, GROUPS * PER_GROUP + 1)],
    category=np.concatenate([[0], 1 + np.arange(GROUPS * PER_GROUP) // PER_GROUP]).astype(np.int32),
    categories=[f"group {group + 1}" for group in range(GROUPS)],
    first_sale_times=np.full(GROUPS * PER_GROUP + 1, FIRST_DAY, np.int64),
)
"""Catalog in which groups are categories and every item is on sale from the first day."""


@dataclass(frozen=True)
class TextLaw:
    """Texts with the words of random histories: two topics per text, frequent words and frequent word pairs."""

    words: HistoryLaw = field(default_factory=HistoryLaw)

    def rows(self, count: int, key: int) -> list[str]:
        """Return `count` random texts."""
        return write_texts(self.words.rows(count, key))


def write_texts(rows: Histories) -> list[str]:
    """Return one text per history with one word per item."""
    return [" ".join(f"w{item}" for item in rows.row_items(row).tolist()) for row in range(len(rows))]


@dataclass(frozen=True)
class TableLaw:
    """Tables of five modes in three latent factors, mixed into columns, with noise whose scale differs between rows.

    noise  scale of the noise; normal  normal instead of Laplace noise of the same variance; modes  number of modes
    """

    noise: float = 1.0
    normal: bool = False
    modes: int = 5
    columns: int = 8

    def rows(self, count: int, key: int) -> TabularRows:
        """Return `count` random rows."""
        law = rng.make_generator(rng.derive_key(3, "law"))
        centers, mixing = 3.0 * law.standard_normal((5, 3)), law.standard_normal((3, self.columns))
        generator = rng.make_generator(key)
        mode = generator.integers(0, self.modes, count)
        structure = (centers[mode] + 0.7 * generator.standard_normal((count, 3))) @ mixing
        shape = (count, self.columns)
        drawn = generator.standard_normal(shape) * np.sqrt(2.0) if self.normal else generator.laplace(size=shape)
        size = self.noise * np.exp(0.4 * generator.standard_normal((count, 1)))
        values = structure + size * drawn
        columns: dict[str, Any] = {f"x{index}": values[:, index] for index in range(self.columns)}
        columns["shop"] = np.array(["north", "south", "east", "west", "web"])[mode]
        return TabularRows(columns)


@dataclass(frozen=True)
class ImageLaw:
    """Images of discs, squares, stripes and crosses at random positions, each shape with its color, with noise.

    noise  scale of the noise in levels of 255; kinds  number of shapes
    """

    noise: float = 6.0
    kinds: int = 4
    side: int = 24

    def rows(self, count: int, key: int) -> ImageRows:
        """Return `count` random images with labels and captions."""
        generator = rng.make_generator(key)
        kind = generator.integers(0, self.kinds, count)
        down, across = np.mgrid[0 : self.side, 0 : self.side][:, None]  # (1, side, side)
        x, y = (generator.uniform(0.35, 0.65, (count, 1, 1)) * self.side for _ in range(2))
        size = generator.uniform(0.15, 0.3, (count, 1, 1)) * self.side
        dx, dy = np.abs(across - x), np.abs(down - y)
        forms = [dx**2 + dy**2 < size**2, np.maximum(dx, dy) < size, dy < size / 2, np.minimum(dx, dy) < size / 3]
        inside = np.choose(kind[:, None, None], forms)[..., None]
        slope = generator.uniform(-3, 3, (count, 1, 1, 1)) * across[..., None]
        ground = generator.uniform(120, 220, (count, 1, 1, 3)) + slope
        color = COLORS[kind][:, None, None, :] + generator.normal(0, 15, (count, 1, 1, 3))
        pixels = np.where(inside, color, ground) + self.noise * generator.laplace(size=(count, self.side, self.side, 3))
        labels = [FORMS[index] for index in kind.tolist()]
        wide = (size.ravel() > 0.22 * self.side).astype(int).tolist()
        captions = [f"a {SIZES[index]} {form} shape" for form, index in zip(labels, wide, strict=True)]
        return ImageRows.from_pixels(np.clip(pixels, 0, 255).astype(np.uint8), labels, captions)


COLORS = np.array([[200.0, 40, 40], [40, 160, 60], [40, 60, 190], [200, 170, 30]])
FORMS, SIZES = ("disc", "square", "stripe", "cross"), ("small", "large")


def shuffle_items(rows: Histories, key: int) -> Histories:
    """Return histories with shuffled items; times are unchanged."""
    order = np.lexsort((rng.make_generator(key).random(rows.n_events), rows.event_rows()))
    return Histories.from_arrays(rows.items[order], rows.times, rows.starts, rows.row_ids, rows.n_items)


def stretch_gaps(rows: Histories, key: int) -> Histories:
    """Return histories with all gaps five times as long."""
    first = np.repeat(rows.times[rows.starts[:-1]], rows.lengths)
    return Histories.from_arrays(rows.items, first + 5 * (rows.times - first), rows.starts, rows.row_ids, rows.n_items)


def truncate_rows(rows: Histories, key: int) -> Histories:
    """Return the first half of each history."""
    lengths = np.maximum(rows.lengths // 2, 1)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    source = np.arange(starts[-1]) + np.repeat(rows.starts[:-1] - starts[:-1], lengths)
    return Histories.from_arrays(rows.items[source], rows.times[source], starts, rows.row_ids, rows.n_items)


def repeat_items(rows: Histories, key: int) -> Histories:
    """Return histories in which every second event has the item of the previous event."""
    index = np.arange(rows.n_events) - np.repeat(rows.starts[:-1], rows.lengths)
    source = np.arange(rows.n_events) - index % 2
    return Histories.from_arrays(rows.items[source], rows.times, rows.starts, rows.row_ids, rows.n_items)


def permute_prices(rows: Histories, key: int) -> Histories:
    """Return histories with the prices permuted over all events."""
    price = rows.extra["price"]
    return replace(rows, extra={"price": price[rng.make_generator(key).permutation(len(price))]})


def shift_before_sale(rows: Histories, key: int) -> Histories:
    """Return histories with every tenth row moved before the first sale."""
    early = np.repeat(np.arange(len(rows)) % 10 == 0, rows.lengths)
    return replace(rows, times=rows.times - np.where(early, 30_000_000, 0))


def shuffle_words(texts: list[str], key: int) -> list[str]:
    """Return texts with shuffled words."""
    generator = rng.make_generator(key)
    return [" ".join(generator.permutation(text.split()).tolist()) for text in texts]


def permute_columns(rows: TabularRows, key: int) -> TabularRows:
    """Return tables with each column permuted independently: correct marginals, no dependence."""
    generator = rng.make_generator(key)
    return TabularRows({name: column[generator.permutation(len(rows))] for name, column in rows.columns.items()})


def shift_numbers(rows: TabularRows, key: int) -> TabularRows:
    """Return tables with 0.5 added to every number."""
    return TabularRows({n: c + 0.5 if c.dtype.kind == "f" else c for n, c in rows.columns.items()})


def shrink_numbers(rows: TabularRows, key: int) -> TabularRows:
    """Return tables with every number moved halfway to the mean of its column."""
    return TabularRows({n: (c + c.mean()) / 2 if c.dtype.kind == "f" else c for n, c in rows.columns.items()})


def darken_images(rows: ImageRows, key: int) -> ImageRows:
    """Return images with 80 % of their brightness."""
    return ImageRows.from_pixels((rows.pixels * 0.8).astype(np.uint8), rows.labels, rows.captions)


def permute_labels(rows: ImageRows, key: int) -> ImageRows:
    """Return images in which every third one has the label of another."""
    return replace(rows, labels=permute_every_third(rows.labels, key))


def permute_captions(rows: ImageRows, key: int) -> ImageRows:
    """Return images in which every third one has the caption of another."""
    return replace(rows, captions=permute_every_third(rows.captions, key))


def permute_every_third(names: Sequence[str], key: int) -> list[str]:
    """Return names with every third replaced by a random one of them."""
    order = rng.make_generator(key).permutation(len(names))
    return [names[order[index]] if index % 3 == 0 else name for index, name in enumerate(names)]


Law = HistoryLaw | TableLaw | TextLaw | ImageLaw
DefectiveGenerator = Callable[[Any, int, int], Any]
"""(training rows, count, key) -> synthetic rows."""


def sample_law(law: Law) -> DefectiveGenerator:
    """Return a generator that samples a law."""
    return lambda train, count, key: law.rows(count, key)


def apply_defect(law: Law, change: Callable[[Any, int], Any]) -> DefectiveGenerator:
    """Return a generator that samples a law and changes the rows."""
    return lambda train, count, key: change(law.rows(count, key), rng.derive_key(key, "change"))


def copy_rows(train: Any, count: int, key: int) -> Any:
    """Return training rows in their order, repeated up to `count`."""
    if isinstance(train, list):
        return [train[index % len(train)] for index in range(count)]
    return train.take(np.arange(count) % len(train))


HISTORIES: dict[str, DefectiveGenerator] = {
    "none": sample_law(HistoryLaw()),
    "too smooth": sample_law(HistoryLaw(popularity_exponent=3.5, successor_probability=0.75, random_share=0.0)),
    "too noisy": sample_law(HistoryLaw(random_share=0.4)),
    "modes missing": sample_law(HistoryLaw(groups=3)),
    "copier": copy_rows,
    "order shuffled": apply_defect(HistoryLaw(), shuffle_items),
    "clock slow": apply_defect(HistoryLaw(), stretch_gaps),
    "cut short": apply_defect(HistoryLaw(), truncate_rows),
    "stuttering": apply_defect(HistoryLaw(), repeat_items),
    "prices of others": apply_defect(HistoryLaw(), permute_prices),
    "sold too early": apply_defect(HistoryLaw(), shift_before_sale),
}
"""Defect -> generator of histories with it."""

TABLES: dict[str, DefectiveGenerator] = {
    "none": sample_law(TableLaw()),
    "too smooth": sample_law(TableLaw(noise=0.5)),
    "too noisy": sample_law(TableLaw(noise=1.5)),
    "noise of another shape": sample_law(TableLaw(normal=True)),
    "modes missing": sample_law(TableLaw(modes=3)),
    "copier": copy_rows,
    "columns shuffled": apply_defect(TableLaw(), permute_columns),
    "shifted": apply_defect(TableLaw(), shift_numbers),
    "shrunken": apply_defect(TableLaw(), shrink_numbers),
}
"""Defect -> generator of tables with it."""

TEXTS: dict[str, DefectiveGenerator] = {
    "none": sample_law(TextLaw()),
    "too smooth": sample_law(
        TextLaw(HistoryLaw(popularity_exponent=3.5, successor_probability=0.75, random_share=0.0))
    ),
    "too noisy": sample_law(TextLaw(HistoryLaw(random_share=0.4))),
    "modes missing": sample_law(TextLaw(HistoryLaw(groups=3))),
    "copier": copy_rows,
    "order shuffled": apply_defect(TextLaw(), shuffle_words),
}
"""Defect -> generator of texts with it."""

IMAGES: dict[str, DefectiveGenerator] = {
    "none": sample_law(ImageLaw()),
    "too smooth": sample_law(ImageLaw(noise=3.0)),
    "too noisy": sample_law(ImageLaw(noise=9.0)),
    "modes missing": sample_law(ImageLaw(kinds=2)),
    "copier": copy_rows,
    "too dark": apply_defect(ImageLaw(), darken_images),
    "kinds mixed up": apply_defect(ImageLaw(), permute_labels),
    "words of others": apply_defect(ImageLaw(), permute_captions),
}
"""Defect -> generator of images with it."""

LAWS: dict[str, tuple[Law, dict[str, DefectiveGenerator]]] = {
    "sequence": (HistoryLaw(), HISTORIES),
    "tabular": (TableLaw(), TABLES),
    "text": (TextLaw(), TEXTS),
    "image": (ImageLaw(), IMAGES),
}
"""Modality -> law of its real rows, and its defects."""
RNG_NAMES = {"sequence": "histories", "tabular": "table", "text": "text", "image": "image"}
"""Modality -> name in the keys of its random draws; frozen, so that published figures stay."""
