"""What do an item's category, its labels and its price say?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, SpecError, nearest

Vectors = npt.NDArray[np.float32]
_FAR = 3.0  # standard deviations of the logarithm of the price: further ones say no more


@dataclass(frozen=True)
class Attributes:
    """Vectors of category, brand, labels and price.

    labels     text columns that hold several labels each ("soap|bath|gift"); brand is one label where it is a column
    separator  what stands between labels
    width      numbers of the labels' part; where labels are more, their strongest directions stay
    price      how much the price counts beside the labels, whose part has length 1; 0: not at all

    Rare labels count more than common ones, as words do. A price is the logarithm's distance from the mean of its
    category, in standard deviations; items without a price stand at that mean.
    """

    labels: tuple[str, ...] = ()
    separator: str = "|"
    width: int = 64
    price: float = 0.3
    modality: ClassVar[str] = "attributes"

    def __post_init__(self) -> None:
        if self.width < 1 or not self.separator or not self.price >= 0:
            got = f"{self.width}, {self.separator!r}, {self.price}"
            raise SpecError("attributes.width", "a width of 1 or more, a separator, a price of 0 or more", got, "")

    def knows(self, catalog: Catalog) -> bool:
        """Whether the catalogue has any of these attributes."""
        priced = catalog.price is not None and np.isfinite(catalog.price[1:]).any()
        coded = catalog.category is not None and (catalog.category[1:] > 0).any()
        return bool(priced or coded or any(any(catalog.words.get(name, ())) for name in (*self.labels, "brand")))

    def fit(self, catalog: Catalog, key: int = 0) -> Labelled:
        """Learns the labels, their directions, and prices by category; nothing is drawn.

        Raises DataError for a column of labels that the catalogue does not have, or where nothing is known of any item.
        """
        from leaven.encoders import tfidf_weights
        from leaven.encoders.svd import directions

        for name in self.labels:
            if name not in catalog.words:
                raise DataError("attributes.labels", "a text column", repr(name), nearest(name, catalog.words))
        if not self.knows(catalog):
            fix = "name category, price or columns of labels"
            raise DataError("attributes", "category, brand, labels or price of some item", "none", fix)
        places: dict[str, int] = {}
        table = tfidf_weights.counted(self.labels_of(catalog), places, grow=True)
        having = np.bincount(table.indices, minlength=table.shape[1])
        weight = np.log1p(len(catalog) / np.maximum(having, 1))
        weighed = tfidf_weights.unit(table.multiply(weight).tocsr())
        right = np.zeros((table.shape[1], 0))
        if places:
            right = directions(weighed.T.tocsr(), min(self.width, len(places), len(catalog)))[0]
        return Labelled(self, places, weight, right.astype(np.float32), _Prices.of(catalog) if self.price else None)

    def labels_of(self, catalog: Catalog) -> Iterator[list[str]]:
        """The labels of each item, told apart by their column."""
        columns = {name: catalog.words[name] for name in (*self.labels, "brand") if name in catalog.words}
        for item in range(1, len(catalog) + 1):
            found = []
            if catalog.category is not None and catalog.category[item]:
                found.append(f"category={catalog.categories[catalog.category[item] - 1]}")
            for name, cells in columns.items():
                parts = cells[item - 1].split(self.separator) if name in self.labels else [cells[item - 1]]
                found += [f"{name}={part.strip()}" for part in parts if part.strip()]
            yield found


@dataclass(frozen=True, eq=False)
class _Prices:
    """Mean and spread of the logarithm of the price: of all items, and the mean of each category."""

    mean: float
    spread: float
    of_category: Mapping[str, float]

    @classmethod
    def of(cls, catalog: Catalog) -> _Prices | None:
        """None where nothing has a price above 0."""
        if catalog.price is None or not (known := _known(catalog)).any():
            return None
        logs = np.log(catalog.price[1:][known])
        codes = catalog.category[1:][known] if catalog.category is not None else np.zeros(len(logs), np.int32)
        means = {catalog.categories[code - 1]: float(logs[codes == code].mean()) for code in np.unique(codes) if code}
        return cls(float(logs.mean()), float(logs.std()) or 1.0, means)

    def __call__(self, catalog: Catalog) -> Vectors:
        """float32 (items,): spreads above the mean of the category; 0 without a price."""
        found = np.zeros(len(catalog), np.float32)
        if catalog.price is None:
            return found
        known = _known(catalog)
        names = ["", *catalog.categories]
        codes = catalog.category[1:] if catalog.category is not None else np.zeros(len(catalog), np.int32)
        usual = np.array([self.of_category.get(name, self.mean) for name in names])[codes]
        above = (np.log(catalog.price[1:][known]) - usual[known]) / self.spread
        found[known] = np.clip(above, -_FAR, _FAR)
        return found


def _known(catalog: Catalog) -> npt.NDArray[np.bool_]:
    assert catalog.price is not None
    price = catalog.price[1:]
    return np.isfinite(price) & (np.nan_to_num(price) > 0)


@dataclass(frozen=True, eq=False)
class Labelled:
    """The fitted encoder: places and weights of labels, their directions, prices."""

    wish: Attributes
    places: Mapping[str, int]
    weight: npt.NDArray[np.float64]
    right: Vectors
    prices: _Prices | None

    @property
    def width(self) -> int:
        """Numbers of a vector: of the labels, and one of the price."""
        return int(self.right.shape[1]) + (self.prices is not None)

    def __call__(self, catalog: Catalog) -> Vectors:
        """float32 (items, width); zeros where nothing is known of an item."""
        from leaven.encoders import tfidf_weights

        counts = tfidf_weights.counted(self.wish.labels_of(catalog), dict(self.places), grow=False)
        vectors = tfidf_weights.unit_rows(counts.multiply(self.weight).tocsr() @ self.right)
        if self.prices is None:
            return vectors
        return np.column_stack([vectors, self.prices(catalog) * np.float32(self.wish.price)])
