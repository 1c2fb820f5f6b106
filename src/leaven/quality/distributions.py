"""What can a person see: how are properties spread among training, held-out and new rows, and who is near to whom?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.datasets.images import png_address, resized
from leaven.metrics.synthetic import Sample
from leaven.metrics.synthetic.featurizers import gaps
from leaven.metrics.synthetic.image_statistics import SIGNS
from leaven.quality.featurization import Rows
from leaven.quality.image_rows import Photos
from leaven.quality.loading import Inputs, has_clock
from leaven.quality.reference_fit import Sides, Studied
from leaven.quality.table_rows import Table
from leaven.quality.text_rows import Texts

SIDES = ("training", "held out", "new")
Values = npt.NDArray[Any]

_BINS = 20
_NAMED = 8  # most frequent categories that are shown
_COLUMNS = 6  # columns of a table that are shown
_PAIRS = 2  # rows of each sort beside their neighbours
_LONGEST = 24  # items or words of a row that are shown, the last ones
_PICTURE = (96, 96)  # pixels of a picture that is shown
_SHOWN_SIGNS = ("brightness", "contrast", "colorfulness", "sharpness")
_EVENTS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)
_WAITS = (("same second", 0), ("minute", 60), ("hour", 3600), ("day", 86_400), ("week", 604_800), ("month", 2_678_400))
_RANKS = (("top 1 %", 0.01), ("to 5 %", 0.05), ("to 20 %", 0.2), ("to 50 %", 0.5), ("the rest", 1.0))


def looks(inputs: Inputs, studied: Studied, sides: Sides) -> dict[str, Any]:
    """distributions: of each property the shares of the three sides; neighbours: new rows beside their nearest one."""
    rows = (*studied.sampled, sides.chosen)
    if isinstance(inputs.real, Histories):
        found = _of_histories([one for one in rows if isinstance(one, Histories)], studied)
    elif isinstance(inputs.real, Table):
        found = _of_tables([one for one in rows if isinstance(one, Table)], studied.eyes.constant)
    elif isinstance(inputs.real, Photos):
        seen = (studied.members, studied.pool, sides.new)
        found = _of_pictures([one for one in rows if isinstance(one, Photos)], seen)
    else:
        found = [_counts("Words of a text", "words", [one.words.lengths for one in rows if isinstance(one, Texts)])]
    samples = (studied.members, studied.pool, sides.new)
    if samples[0].noise.shape[1] == 1:
        name, unit = "How surprising an event is", "nats an event, to a chain of other real rows"
        name = name if isinstance(inputs.real, Histories) else "How surprising a word is"
        found.append(_bins(name, unit, [one.noise[:, 0] for one in samples]))
    nearest = _bins("How far the nearest training row is", "distance", [one.facts["nearest"] for one in samples[1:]])
    found.append(nearest | {"sides": dict(zip(SIDES[1:], nearest["sides"].values(), strict=True))})
    return {"distributions": [one for one in found if one], "neighbours": _neighbours(inputs, sides)}


def _of_histories(rows: Sequence[Histories], studied: Studied) -> list[dict[str, Any]]:
    found = [_counts("Events of a history", "events", [one.lengths for one in rows])]
    if all(has_clock(one) for one in rows):
        found.append(
            _classes("Time to the next event", "at most", [_waits(one) for one in rows], [*_names(_WAITS), "longer"])
        )
        hours = [str(hour) for hour in range(24)]
        found.append(_classes("Hour of the day", "hour, UTC", [one.times // 3600 % 24 for one in rows], hours))
    ranks = _rank_class(studied.eyes.popularity)
    names = [*_names(_RANKS), "not in training"]
    found.append(_classes("Popularity of the items", "rank in training", [ranks[one.items] for one in rows], names))
    catalog = rows[0].catalog
    if catalog is not None and catalog.category is not None and len(catalog.categories):
        codes = np.append(catalog.category, 0)
        named = [np.array(["unknown", *catalog.categories])[codes[one.items]] for one in rows]
        found.append(_frequent("Categories", "category", named))
    return found


def _names(pairs: Sequence[tuple[str, float]]) -> list[str]:
    return [name for name, _ in pairs]


def _waits(rows: Histories) -> Values:
    return np.searchsorted([np.log1p(most) for _, most in _WAITS], gaps(rows) - 1e-9)


def _rank_class(popularity: npt.NDArray[np.int64]) -> Values:
    """int64 (n_items + 2,): class of each item by its rank in training."""
    order = np.argsort(-popularity[1:], kind="stable")
    rank = np.empty(len(order))
    rank[order] = (np.arange(len(order)) + 1) / max(int((popularity > 0).sum()), 1)
    classes = np.searchsorted([most for _, most in _RANKS], rank)
    classes = np.where(popularity[1:] > 0, np.minimum(classes, len(_RANKS) - 1), len(_RANKS))
    return np.concatenate([[len(_RANKS)], classes, [len(_RANKS)]])


def _of_tables(rows: Sequence[Table], constant: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for name in [name for name in rows[0].columns if name not in constant][:_COLUMNS]:
        values = [one.columns[name] for one in rows]
        found.append(_bins(name, name, values) if values[0].dtype.kind == "f" else _frequent(name, name, values))
    return found


def _of_pictures(rows: Sequence[Photos], samples: Sequence[Sample]) -> list[dict[str, Any]]:
    columns = [SIGNS.index(name) for name in _SHOWN_SIGNS]
    found = [
        _bins(name.capitalize(), "levels of 255", [one.features[:, column] for one in samples])
        for name, column in zip(_SHOWN_SIGNS, columns, strict=True)
    ]
    noise = [one.noise[:, one.noise.shape[1] // 2] for one in samples]
    found.append(_bins("What a denoiser takes away", "1: as much as from other real pictures", noise))
    if any(rows[0].labels):
        found.append(_frequent("What they show", "label", [np.array(one.labels) for one in rows]))
    return found


def _counts(title: str, unit: str, values: Sequence[Values]) -> dict[str, Any]:
    """Whole numbers in classes that grow."""
    names = [f"{low}" if high == low + 1 else f"{low}–{high - 1}" for low, high in pairwise(_EVENTS)]
    places = [np.searchsorted(_EVENTS, np.maximum(one, 1), side="right") - 1 for one in values]
    return _classes(title, unit, places, [*names, f"{_EVENTS[-1]} and more"])


def _bins(title: str, unit: str, values: Sequence[Values]) -> dict[str, Any]:
    """Numbers in bins of equal width between the first and the last of a hundred."""
    there = [one[np.isfinite(one)] for one in values]
    if not all(len(one) for one in there):
        return {}
    low, high = np.quantile(np.concatenate(there), (0.01, 0.99))
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    places = [np.clip(np.searchsorted(edges, one, side="right") - 1, 0, _BINS - 1) for one in there]
    found = _classes(title, unit, places, [f"{edge:.3g}" for edge in edges[:-1]], cut=False)
    return found | {"numbers": [float(f"{edge:.6g}") for edge in edges[:-1]]}


def _frequent(title: str, unit: str, values: Sequence[Values]) -> dict[str, Any]:
    names, counts = np.unique(values[0], return_counts=True)
    kept = [str(name) for name in names[np.argsort(-counts, kind="stable")[:_NAMED]]]
    place = {name: at for at, name in enumerate(kept)}
    codes = [np.array([place.get(str(value), len(kept)) for value in one]) for one in values]
    return _classes(title, unit, codes, [*kept, "others"])


def _classes(title: str, unit: str, places: Sequence[Values], names: Sequence[str], cut: bool = True) -> dict[str, Any]:
    """Shares of each class; empty classes at the end are left out."""
    counts = [np.bincount(one.astype(np.int64), minlength=len(names)).astype(np.float64) for one in places]
    if not all(one.sum() for one in counts):
        return {}
    last = max(int(np.flatnonzero(one)[-1]) for one in counts) + 1 if cut else len(names)
    sides = zip(SIDES, counts, strict=False)
    shares = {side: [round(float(c), 5) for c in one[:last] / one.sum()] for side, one in sides}
    return {"title": title, "unit": unit, "names": list(names[:last]), "sides": shares}


def _neighbours(inputs: Inputs, sides: Sides) -> list[dict[str, Any]]:
    """New rows of three sorts: nearest to a training row, in the middle, farthest; each beside that training row."""
    distance = sides.new.facts["nearest"]
    order, middle = np.argsort(distance, kind="stable"), len(distance) // 2
    picked = {"nearest": order[:_PAIRS], "middle": order[middle : middle + _PAIRS], "farthest": order[::-1][:_PAIRS]}
    told, seen = _teller(inputs.real), set[int]()
    pairs = []
    for sort, rows in picked.items():
        for row in (int(one) for one in rows if int(one) not in seen):
            seen.add(row)
            theirs = told(inputs.real, int(sides.new.facts["place"][row]))
            mine = told(sides.chosen, row)
            shared = set(theirs)
            pairs.append({
                "sort": sort,
                "distance": round(float(distance[row]), 4),
                "new": mine,
                "real": theirs,
                "shared": [place for place, name in enumerate(mine) if name in shared],
            } | _seen(inputs.real, sides.chosen, int(sides.new.facts["place"][row]), row))  # fmt: skip
    return pairs


def _seen(real: Rows, new: Rows, place: int, row: int) -> dict[str, Any]:
    """Of pictures the two themselves."""
    if not (isinstance(real, Photos) and isinstance(new, Photos)):
        return {}
    both = (new.whole(row), real.whole(place))
    return {"pictures": [png_address(resized(one, _PICTURE, "contain")) for one in both]}


def _teller(real: Rows) -> Callable[[Any, int], list[str]]:
    """How a row is said: the names of its items, its cells, its words."""
    if isinstance(real, Table):
        names = list(real.columns)
        return lambda rows, row: [f"{name} {_cell(rows.columns[name][row])}" for name in names[:_LONGEST]]
    if isinstance(real, Texts):
        return lambda rows, row: rows.lines[row].split()[:_LONGEST]
    if isinstance(real, Photos):
        return _told_of_picture
    catalog = real.catalog
    if catalog is None:
        return lambda rows, row: [f"item {item}" for item in rows.row(row)[-_LONGEST:].tolist()]
    return lambda rows, row: [catalog.name(item) for item in rows.row(row)[-_LONGEST:].tolist()]


def _told_of_picture(rows: Photos, row: int) -> list[str]:
    """What it shows, what is said of it, its file."""
    told = [rows.labels[row], rows.words[row], rows.name(row).rpartition("/")[2]]
    return [one for one in told if one]


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
