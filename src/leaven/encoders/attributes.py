"""Item vectors from category, brand, labels and price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.encoders.tfidf import compute_directions, count_terms, normalize_rows, normalize_sparse_rows
from leaven.errors import DataError, SpecError, suggest_name

Vectors = npt.NDArray[np.float32]
_MAX_PRICE_SCORE = 3.0  # standard deviations of the log price; values beyond are clipped


@dataclass(frozen=True)
class Attributes:
    """Vectors of category, brand, labels and price.

    label_columns  text columns with several labels each ("soap|bath|gift"); a column "brand" is one label
    separator      between labels
    width          of the label vector; more labels are reduced to their strongest singular directions
    price_weight   of the price next to the label vector, which has norm 1; 0: off

    Rare labels have a higher weight (inverse document frequency). A price is the deviation of its logarithm from the
    mean of its category, in standard deviations; a missing price counts as that mean.
    """

    label_columns: tuple[str, ...] = ()
    separator: str = "|"
    width: int = 64
    price_weight: float = 0.3
    modality: ClassVar[str] = "attributes"

    def __post_init__(self) -> None:
        if self.width < 1 or not self.separator or not self.price_weight >= 0:
            got = f"{self.width}, {self.separator!r}, {self.price_weight}"
            raise SpecError("attributes.width", "a width of 1 or more, a separator, a price of 0 or more", got, "")

    def can_encode(self, catalog: Catalog) -> bool:
        """Returns whether the catalog has any of these attributes."""
        priced = catalog.price is not None and np.isfinite(catalog.price[1:]).any()
        coded = catalog.category is not None and (catalog.category[1:] > 0).any()
        return bool(priced or coded or any(any(catalog.texts.get(name, ())) for name in (*self.label_columns, "brand")))

    def fit(self, catalog: Catalog, key: int = 0) -> FittedAttributes:
        """Fits label weights, label directions and price statistics by category; nothing is random.

        Raises DataError for an unknown label column, or if no item has any attribute.
        """
        for name in self.label_columns:
            if name not in catalog.texts:
                raise DataError(
                    "attributes.label_columns", "a text column", repr(name), suggest_name(name, catalog.texts)
                )
        if not self.can_encode(catalog):
            fix = "name category, price or columns of labels"
            raise DataError("attributes", "category, brand, labels or price of some item", "none", fix)
        label_index: dict[str, int] = {}
        table = count_terms(self.iterate_labels(catalog), label_index, grow=True)
        n_items = np.bincount(table.indices, minlength=table.shape[1])
        weight = np.log1p(len(catalog) / np.maximum(n_items, 1))
        weighted = normalize_sparse_rows(table.multiply(weight).tocsr())
        right = np.zeros((table.shape[1], 0))
        if label_index:
            right = compute_directions(weighted.T.tocsr(), min(self.width, len(label_index), len(catalog)))[0]
        prices = _PriceScores.fit_catalog(catalog) if self.price_weight else None
        return FittedAttributes(self, label_index, weight, right.astype(np.float32), prices)

    def iterate_labels(self, catalog: Catalog) -> Iterator[list[str]]:
        """Yields the labels of each item, prefixed by their column."""
        columns = {name: catalog.texts[name] for name in (*self.label_columns, "brand") if name in catalog.texts}
        for item in range(1, len(catalog) + 1):
            labels = []
            if catalog.category is not None and catalog.category[item]:
                labels.append(f"category={catalog.categories[catalog.category[item] - 1]}")
            for name, cells in columns.items():
                parts = cells[item - 1].split(self.separator) if name in self.label_columns else [cells[item - 1]]
                labels += [f"{name}={part.strip()}" for part in parts if part.strip()]
            yield labels


@dataclass(frozen=True, eq=False)
class _PriceScores:
    """Mean and standard deviation of log prices, and the mean of each category."""

    mean: float
    std: float
    category_means: Mapping[str, float]

    @classmethod
    def fit_catalog(cls, catalog: Catalog) -> _PriceScores | None:
        """Fits the statistics; None if no item has a price above 0."""
        if catalog.price is None or not (has_price := _find_priced(catalog)).any():
            return None
        logs = np.log(catalog.price[1:][has_price])
        codes = catalog.category[1:][has_price] if catalog.category is not None else np.zeros(len(logs), np.int32)
        means = {catalog.categories[code - 1]: float(logs[codes == code].mean()) for code in np.unique(codes) if code}
        return cls(float(logs.mean()), float(logs.std()) or 1.0, means)

    def __call__(self, catalog: Catalog) -> Vectors:
        """Returns standard deviations above the category mean, float32 (items,); 0 without a price."""
        scores = np.zeros(len(catalog), np.float32)
        if catalog.price is None:
            return scores
        has_price = _find_priced(catalog)
        names = ["", *catalog.categories]
        codes = catalog.category[1:] if catalog.category is not None else np.zeros(len(catalog), np.int32)
        means = np.array([self.category_means.get(name, self.mean) for name in names])[codes]
        deviation = (np.log(catalog.price[1:][has_price]) - means[has_price]) / self.std
        scores[has_price] = np.clip(deviation, -_MAX_PRICE_SCORE, _MAX_PRICE_SCORE)
        return scores


def _find_priced(catalog: Catalog) -> npt.NDArray[np.bool_]:
    assert catalog.price is not None
    price = catalog.price[1:]
    return np.isfinite(price) & (np.nan_to_num(price) > 0)


@dataclass(frozen=True, eq=False)
class FittedAttributes:
    """Fitted encoder: columns, weights and directions of labels, and price statistics."""

    config: Attributes
    label_index: Mapping[str, int]
    label_weights: npt.NDArray[np.float64]
    directions: Vectors
    prices: _PriceScores | None

    @property
    def width(self) -> int:
        """Width of a vector: of the labels, plus 1 for the price."""
        return int(self.directions.shape[1]) + (self.prices is not None)

    def __call__(self, catalog: Catalog) -> Vectors:
        """Returns item vectors, float32 (items, width); zeros for items without attributes."""
        counts = count_terms(self.config.iterate_labels(catalog), dict(self.label_index), grow=False)
        vectors = normalize_rows(counts.multiply(self.label_weights).tocsr() @ self.directions)
        if self.prices is None:
            return vectors
        return np.column_stack([vectors, self.prices(catalog) * np.float32(self.config.price_weight)])
