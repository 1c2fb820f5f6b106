"""Distributions of properties among training, held-out and new rows, and new rows with their nearest neighbors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.datasets.images import encode_data_uri, resize_image
from leaven.metrics.synthetic import FeaturizedRows
from leaven.metrics.synthetic.featurizers import compute_log_gaps
from leaven.metrics.synthetic.image_statistics import STATISTIC_NAMES
from leaven.quality.featurization import Rows
from leaven.quality.image_rows import ImageRows
from leaven.quality.loading import QualityInputs, has_clock
from leaven.quality.quality_facts import Distribution, NeighborPair
from leaven.quality.reference_fit import ComparedRows, ReferenceFit
from leaven.quality.table_rows import TabularRows
from leaven.quality.text_rows import TextRows

SIDES = ("training", "held out", "new")
Values = npt.NDArray[Any]

_BINS = 20
_MAX_CATEGORIES = 8  # maximum categories shown
_MAX_COLUMNS = 6  # maximum table columns shown
_N_PAIRS = 2  # rows of each sort shown with their neighbors
_MAX_TOKENS = 24  # maximum items or tokens shown of a row
_IMAGE_SIZE = (96, 96)  # size of a shown image in pixels
_SHOWN_STATISTICS = ("brightness", "contrast", "colorfulness", "sharpness")
_COUNT_EDGES = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)
_WAIT_EDGES = (
    ("same second", 0),
    ("minute", 60),
    ("hour", 3600),
    ("day", 86_400),
    ("week", 604_800),
    ("month", 2_678_400),
)
_RANK_EDGES = (("top 1 %", 0.01), ("to 5 %", 0.05), ("to 20 %", 0.2), ("to 50 %", 0.5), ("the rest", 1.0))


def describe_distributions(
    inputs: QualityInputs, studied: ReferenceFit, sides: ComparedRows
) -> tuple[Distribution, ...]:
    """Return the shares of the three sides for each property of the rows."""
    rows = (*studied.sampled, sides.chosen)
    if isinstance(inputs.real, Histories):
        found = _describe_histories([one for one in rows if isinstance(one, Histories)], studied)
    elif isinstance(inputs.real, TabularRows):
        found = _describe_tables(
            [one for one in rows if isinstance(one, TabularRows)], studied.featurizer.info.constant
        )
    elif isinstance(inputs.real, ImageRows):
        seen = (studied.members, studied.pool, sides.new)
        found = _describe_images([one for one in rows if isinstance(one, ImageRows)], seen)
    else:
        found = [
            _bin_counts("Words of a text", "words", [one.tokens.lengths for one in rows if isinstance(one, TextRows)])
        ]
    samples = (studied.members, studied.pool, sides.new)
    if samples[0].residuals.shape[1] == 1:
        name, unit = "Surprisal of an event", "nats per event, under a chain of other real rows"
        name = name if isinstance(inputs.real, Histories) else "Surprisal of a word"
        found.append(_bin_values(name, unit, [one.residuals[:, 0] for one in samples]))
    nearest = _bin_values(
        "Distance to the nearest training row", "distance", [one.row_statistics["nearest"] for one in samples[1:]]
    )
    if nearest is not None:
        found.append(replace(nearest, shares=dict(zip(SIDES[1:], nearest.shares.values(), strict=True))))
    return tuple(one for one in found if one is not None)


def _describe_histories(rows: Sequence[Histories], studied: ReferenceFit) -> list[Distribution | None]:
    """Return the histograms of histories."""
    found = [_bin_counts("Events of a history", "events", [one.lengths for one in rows])]
    if all(has_clock(one) for one in rows):
        found.append(
            _build_histogram(
                "Time to the next event",
                "at most",
                [_classify_waits(one) for one in rows],
                [*_list_names(_WAIT_EDGES), "longer"],
            )
        )
        hours = [str(hour) for hour in range(24)]
        found.append(_build_histogram("Hour of the day", "hour, UTC", [one.times // 3600 % 24 for one in rows], hours))
    ranks = _classify_ranks(studied.featurizer.info.popularity)
    names = [*_list_names(_RANK_EDGES), "not in training"]
    found.append(
        _build_histogram("Popularity of the items", "rank in training", [ranks[one.items] for one in rows], names)
    )
    catalog = rows[0].catalog
    if catalog is not None and catalog.category is not None and len(catalog.categories):
        codes = np.append(catalog.category, 0)
        named = [np.array(["unknown", *catalog.categories])[codes[one.items]] for one in rows]
        found.append(_count_categories("Categories", "category", named))
    return found


def _list_names(pairs: Sequence[tuple[str, float]]) -> list[str]:
    return [name for name, _ in pairs]


def _classify_waits(rows: Histories) -> Values:
    """Return the class of each time between events."""
    return np.searchsorted([np.log1p(most) for _, most in _WAIT_EDGES], compute_log_gaps(rows) - 1e-9)


def _classify_ranks(popularity: npt.NDArray[np.int64]) -> Values:
    """Return the class of each item by its rank in training, int64 (n_items + 2,)."""
    order = np.argsort(-popularity[1:], kind="stable")
    rank = np.empty(len(order))
    rank[order] = (np.arange(len(order)) + 1) / max(int((popularity > 0).sum()), 1)
    classes = np.searchsorted([most for _, most in _RANK_EDGES], rank)
    classes = np.where(popularity[1:] > 0, np.minimum(classes, len(_RANK_EDGES) - 1), len(_RANK_EDGES))
    return np.concatenate([[len(_RANK_EDGES)], classes, [len(_RANK_EDGES)]])


def _describe_tables(rows: Sequence[TabularRows], constant: Sequence[str]) -> list[Distribution | None]:
    """Return one histogram per column."""
    found = []
    for name in [name for name in rows[0].columns if name not in constant][:_MAX_COLUMNS]:
        values = [one.columns[name] for one in rows]
        found.append(
            _bin_values(name, name, values) if values[0].dtype.kind == "f" else _count_categories(name, name, values)
        )
    return found


def _describe_images(rows: Sequence[ImageRows], samples: Sequence[FeaturizedRows]) -> list[Distribution | None]:
    """Return the histograms of images."""
    columns = [STATISTIC_NAMES.index(name) for name in _SHOWN_STATISTICS]
    found = [
        _bin_values(name.capitalize(), "levels of 255", [one.features[:, column] for one in samples])
        for name, column in zip(_SHOWN_STATISTICS, columns, strict=True)
    ]
    noise = [one.residuals[:, one.residuals.shape[1] // 2] for one in samples]
    found.append(_bin_values("Residual of the denoiser", "1: as for other real images", noise))
    if any(rows[0].labels):
        found.append(_count_categories("Label", "label", [np.array(one.labels) for one in rows]))
    return found


def _bin_counts(title: str, unit: str, values: Sequence[Values]) -> Distribution | None:
    """Return a histogram of counts in classes of growing width."""
    names = [f"{low}" if high == low + 1 else f"{low}–{high - 1}" for low, high in pairwise(_COUNT_EDGES)]
    places = [np.searchsorted(_COUNT_EDGES, np.maximum(one, 1), side="right") - 1 for one in values]
    return _build_histogram(title, unit, places, [*names, f"{_COUNT_EDGES[-1]} and more"])


def _bin_values(title: str, unit: str, values: Sequence[Values]) -> Distribution | None:
    """Return a histogram with bins of equal width between the 1 % and 99 % quantiles."""
    there = [one[np.isfinite(one)] for one in values]
    if not all(len(one) for one in there):
        return None
    low, high = np.quantile(np.concatenate(there), (0.01, 0.99))
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    places = [np.clip(np.searchsorted(edges, one, side="right") - 1, 0, _BINS - 1) for one in there]
    found = _build_histogram(title, unit, places, [f"{edge:.3g}" for edge in edges[:-1]], cut=False)
    return found and replace(found, edges=tuple(float(f"{edge:.6g}") for edge in edges[:-1]))


def _count_categories(title: str, unit: str, values: Sequence[Values]) -> Distribution | None:
    """Return a histogram of the most frequent categories of the first side."""
    names, counts = np.unique(values[0], return_counts=True)
    shown = [str(name) for name in names[np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]]]
    place = {name: at for at, name in enumerate(shown)}
    codes = [np.array([place.get(str(value), len(shown)) for value in one]) for one in values]
    return _build_histogram(title, unit, codes, [*shown, "others"])


def _build_histogram(
    title: str, unit: str, places: Sequence[Values], names: Sequence[str], cut: bool = True
) -> Distribution | None:
    """Return the share of each class per side; empty classes at the end are left out."""
    counts = [np.bincount(one.astype(np.int64), minlength=len(names)).astype(np.float64) for one in places]
    if not all(one.sum() for one in counts):
        return None
    last = max(int(np.flatnonzero(one)[-1]) for one in counts) + 1 if cut else len(names)
    sides = zip(SIDES, counts, strict=False)
    shares = {side: tuple(round(float(c), 5) for c in one[:last] / one.sum()) for side, one in sides}
    return Distribution(title, unit, tuple(names[:last]), shares)


def pair_with_nearest(inputs: QualityInputs, sides: ComparedRows) -> tuple[NeighborPair, ...]:
    """Return new rows nearest to, at median distance from and farthest from a training row, each with that row."""
    distance = sides.new.row_statistics["nearest"]
    order, middle = np.argsort(distance, kind="stable"), len(distance) // 2
    picked = {
        "nearest": order[:_N_PAIRS],
        "middle": order[middle : middle + _N_PAIRS],
        "farthest": order[::-1][:_N_PAIRS],
    }
    format_row, seen = _choose_formatter(inputs.real), set[int]()
    pairs = []
    for rank, rows in picked.items():
        for row in (int(one) for one in rows if int(one) not in seen):
            seen.add(row)
            source = int(sides.new.row_statistics["place"][row])
            real_row = format_row(inputs.real, source)
            new_row = format_row(sides.chosen, row)
            shared = set(real_row)
            pairs.append(
                NeighborPair(
                    rank,
                    round(float(distance[row]), 4),
                    tuple(new_row),
                    tuple(real_row),
                    tuple(index for index, name in enumerate(new_row) if name in shared),
                    _show_images(inputs.real, sides.chosen, source, row),
                )
            )
    return tuple(pairs)


def _show_images(real: Rows, new: Rows, place: int, row: int) -> tuple[str, ...]:
    """Return the two images of a pair; nothing for other kinds of rows."""
    if not (isinstance(real, ImageRows) and isinstance(new, ImageRows)):
        return ()
    both = (new.load_original(row), real.load_original(place))
    return tuple(encode_data_uri(resize_image(one, _IMAGE_SIZE, "contain")) for one in both)


def _choose_formatter(real: Rows) -> Callable[[Any, int], list[str]]:
    """Return a function that formats a row: the names of its items, its cells, its words."""
    if isinstance(real, TabularRows):
        names = list(real.columns)
        return lambda rows, row: [f"{name} {_format_cell(rows.columns[name][row])}" for name in names[:_MAX_TOKENS]]
    if isinstance(real, TextRows):
        return lambda rows, row: rows.texts[row].split()[:_MAX_TOKENS]
    if isinstance(real, ImageRows):
        return _format_image
    catalog = real.catalog
    if catalog is None:
        return lambda rows, row: [f"item {item}" for item in rows.row_items(row)[-_MAX_TOKENS:].tolist()]
    return lambda rows, row: [catalog.item_name(item) for item in rows.row_items(row)[-_MAX_TOKENS:].tolist()]


def _format_image(rows: ImageRows, row: int) -> list[str]:
    """Return label, description and file of an image."""
    parts = [rows.labels[row], rows.captions[row], rows.get_name(row).rpartition("/")[2]]
    return [one for one in parts if one]


def _format_cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
