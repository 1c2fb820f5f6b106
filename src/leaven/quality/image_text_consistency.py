"""Do the words of items, once a plan has changed them, still match the items' pictures?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import read
from leaven.metrics.synthetic import Known, Sample
from leaven.metrics.synthetic.image_text_match import Matcher
from leaven.quality.image_features import PictureSpace
from leaven.quality.image_rows import SIDE, Photos
from leaven.quality.null_reference import deals, figure
from leaven.quality.result import Figure
from leaven.registry import made

Ints = npt.NDArray[np.int64]

METRIC = "words_match"
_FEWEST = 80  # items with words and a picture: half teach what belongs together, the others are compared
_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class PicturedItems:
    """Items with words and a picture. items int64: places in the catalogue of those that nothing learned from; points
    float64 (items, width): where their pictures lie; others: the same of those that taught the matcher."""

    catalog: Catalog
    items: Ints
    points: npt.NDArray[np.float64]
    others: npt.NDArray[np.float64]
    matcher: Matcher
    key: int

    @classmethod
    def of(cls, catalog: Catalog | None, key: int) -> PicturedItems | str:
        """Half of the items, by lot, teach the encoder of pictures and what words belong to them; or why none can.

        Raises MissingExtra without torch or OpenCV.
        """
        if catalog is None or catalog.images is None or not catalog.words:
            return "needs a catalogue with words and pictures"
        told = words_of(catalog)
        there = [place for place, words in enumerate(told) if words and catalog.images[place]]
        if not there:
            return "needs items that have both words and a picture"
        order = rng.generator(rng.key(key, "pictured")).permutation(there)
        parts = [_photos(catalog, told, part) for part in np.array_split(order, 2)]
        (learned, teaching), (kept, asked) = parts
        if len(learned) + len(kept) < _FEWEST:
            found = f"there are {len(learned) + len(kept):,}"
            return f"needs {_FEWEST} items with words and a picture that can be read; {found}"
        space = PictureSpace.of(teaching, key, None)
        others = space.points(teaching)
        return cls(catalog, kept, space.points(asked), others, Matcher.fit(teaching.words, others, key), key)

    def figure(self, shown: Catalog, halves: int) -> Figure | str:
        """How well changed words match, beside the items' own words; only items that `shown` describes otherwise.

        shown: the same items, as an epoch of a plan describes them.
        """
        own, changed = words_of(self.catalog), words_of(shown)
        differ = np.array([own[item] != changed[item] for item in self.items.tolist()], bool)
        pool = self._sample(own, np.ones(len(self.items), bool))
        new = self._sample(changed, differ)
        known = Known(new, pool, new, (), _NOTHING, _NOTHING)
        return figure(METRIC, made("sample_metrics", METRIC), deals(new, pool, halves, self.key), new, pool, known, 0)

    def _sample(self, words: Sequence[str], which: npt.NDArray[np.bool_]) -> Sample:
        points = self.points[which]
        fits = self.matcher.fits([words[item] for item in self.items[which].tolist()], points, self.others)
        return Sample(points, points, points, {"match": fits})


def words_of(catalog: Catalog) -> list[str]:
    """All words of each item, column after column."""
    columns = list(catalog.words.values())
    return [" ".join(column[place] for column in columns if column[place]) for place in range(len(catalog))]


def _photos(catalog: Catalog, words: Sequence[str], places: Ints) -> tuple[Ints, Photos]:
    """(the places whose pictures can be read, these pictures)."""
    assert catalog.images is not None
    files = [catalog.folder / catalog.images[place] for place in places.tolist()]
    found = read(files, (SIDE, SIDE), (places + 1).tolist())
    kept = found.pictures.items.astype(np.int64) - 1
    code = catalog.category if catalog.category is not None else np.zeros(len(catalog) + 1, np.int32)
    labels = [catalog.categories[code[place + 1] - 1] if code[place + 1] else "" for place in kept.tolist()]
    sources = [Path(path) for path in found.paths]
    return kept, Photos(found.pictures.pixels, sources, labels, [words[place] for place in kept.tolist()])
