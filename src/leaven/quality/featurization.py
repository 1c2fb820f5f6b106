"""How is a row seen: as a place among others, by what a person could tell, as noise, beside all training rows?

Training rows fit the encoder; the fold fits what knows noise and what knows ordinary rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.metrics.synthetic import Sample, consistency, image_statistics, memorization, privacy_estimators
from leaven.metrics.synthetic.featurizers import HistoryEncoder, TableEncoder
from leaven.metrics.synthetic.image_text_match import Matcher
from leaven.metrics.synthetic.residual_models import Denoiser
from leaven.metrics.synthetic.text_featurizer import TextEncoder
from leaven.protocols import FittedRecommender
from leaven.quality.context import NOTHING, Beside
from leaven.quality.image_features import LOOKS, Kinds, PictureSpace
from leaven.quality.image_rows import Photos
from leaven.quality.table_rows import Table
from leaven.quality.text_rows import SIGNS, Texts

Points = npt.NDArray[np.float64]
Rows = Histories | Table | Texts | Photos

LEARNED_FROM = 20_000  # training rows that encoders see


@dataclass(frozen=True, eq=False)
class Eyes:
    """see: rows -> a sample. names: of the features. groups, popularity: of items, empty where there are none.
    constant: columns of a table that never vary. called, learned: of pictures, what a Fréchet distance is here, and how
    the space came to be in which it is taken."""

    see: Callable[[Any], Sample]
    names: Sequence[str]
    groups: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    popularity: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    constant: tuple[str, ...] = ()
    called: str = ""
    learned: str = ""


def opened(real: Rows, fold: Any, key: int, beside: Beside = NOTHING) -> Eyes:
    """What training rows and the fold teach, for the kind of these rows."""
    if isinstance(real, Histories):
        return _for_histories(real, fold, key, beside.recommender)
    if isinstance(real, Photos):
        return _for_pictures(real, fold, key, beside)
    return _for_tables(real, fold, key) if isinstance(real, Table) else _for_texts(real, fold, key)


def choice(rows: int, most: int, key: int) -> npt.NDArray[np.int64]:
    """int64 (at most `most`,): which of so many rows are looked at, ascending."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(rng.generator(key).permutation(rows)[:most])


def _for_histories(real: Histories, fold: Histories, key: int, recommender: FittedRecommender | None) -> Eyes:
    encoder = HistoryEncoder.fit(real.take(choice(len(real), LEARNED_FROM, rng.key(key, "encoder"))), key)
    training = encoder.points(real)
    taken = np.append(np.bincount(real.items, minlength=real.n_items + 2)[: real.n_items + 1], 0)
    meaning = _meaning(real, recommender)

    def see(rows: Histories) -> Sample:
        points, surprisal = encoder.points(rows), privacy_estimators.surprisals(fold, rows)
        facts = _place_facts(points, training) | _run_facts(rows, real) | meaning(rows)
        facts |= {
            "reference": -surprisal,
            "rarest": np.minimum.reduceat(taken[rows.items], rows.starts[:-1]).astype(np.float64),
            "backed_by_few": memorization.backed_by_few(rows, real),
        }
        noise = surprisal / np.maximum(rows.lengths - 1, 1)
        return Sample(points, encoder.features(rows)[0], noise[:, None], facts, rows)

    return Eyes(see, encoder.features(fold)[1], encoder.groups(), encoder.popularity)


def _meaning(
    real: Histories, recommender: FittedRecommender | None
) -> Callable[[Histories], dict[str, npt.NDArray[np.float64]]]:
    """What the catalogue and a recommender say of rows, as far as they are there."""
    catalog = real.catalog
    category = catalog.category if catalog is not None else None
    law = consistency.PriceLaw.of(real, category) if category is not None else None
    born = catalog.born if catalog is not None else None

    def of(rows: Histories) -> dict[str, npt.NDArray[np.float64]]:
        found = {}
        if category is not None:
            found["agreement"] = consistency.category_agreement(rows, category)
        if law is not None and "price" in rows.extra:
            found["odd_price"] = law.odd(rows)
        if born is not None:
            found["before_sale"] = consistency.before_sale(rows, born)
        if recommender is not None:
            found["next_rank"] = consistency.reciprocal_ranks(rows, recommender)
        return found

    return of


def _for_tables(real: Table, fold: Table, key: int) -> Eyes:
    encoder = TableEncoder.fit(real.take(choice(len(real), LEARNED_FROM, rng.key(key, "encoder"))).columns)
    training, ordinary = encoder.points(real.columns), encoder.points(fold.columns)
    denoiser, known = Denoiser.fit(ordinary), real.identities()

    def see(rows: Table) -> Sample:
        points = encoder.points(rows.columns)
        facts = _place_facts(points, training) | {
            "copied": np.isin(rows.identities(), known).astype(np.float64),
            "reference": privacy_estimators.log_density(ordinary, points),
        }
        return Sample(points, points, denoiser.residuals(points), facts)

    return Eyes(see, encoder.names, constant=encoder.constant)


def _for_texts(real: Texts, fold: Texts, key: int) -> Eyes:
    """Latent semantic axes for places, a Markov chain of words for what noise is and for the attack."""
    encoder = TextEncoder.fit(real.take(choice(len(real), LEARNED_FROM, rng.key(key, "encoder"))).words, key)
    training = encoder.points(real.words)

    def see(rows: Texts) -> Sample:
        points, surprisal = encoder.points(rows.words), privacy_estimators.surprisals(fold.words, rows.words)
        facts = _place_facts(points, training) | _run_facts(rows.words, real.words) | {"reference": -surprisal}
        noise = np.nan_to_num(surprisal) / np.maximum(rows.words.lengths - 1, 1)
        features = np.column_stack([encoder.features(rows.words)[0], rows.signs, points])
        return Sample(points, features, noise[:, None], facts, rows.words)

    axes = [f"topic {place + 1}" for place in range(training.shape[1])]
    return Eyes(see, [*encoder.features(fold.words)[1], *SIGNS, *axes])


def _for_pictures(real: Photos, fold: Photos, key: int, beside: Beside) -> Eyes:
    """A network for places, a denoiser of patches for what noise is, thumbnails for copies."""
    chosen = real.take(choice(len(real), LEARNED_FROM, rng.key(key, "encoder")))
    space = PictureSpace.of(chosen, key, beside.encoder)
    training = space.points(chosen)
    ordinary, small = space.points(fold), image_statistics.thumbnails(real.pixels)
    denoiser = image_statistics.PatchDenoiser.fit(fold.pixels, rng.generator(rng.key(key, "patches")))
    kinds = Kinds.of(chosen, training)
    matcher = Matcher.fit(chosen.words, training, key) if any(chosen.words) else None

    def see(rows: Photos) -> Sample:
        points, told = space.points(rows), image_statistics.signs(rows.pixels)
        facts = _place_facts(points, training) | {
            "copied": (image_statistics.copied_from(image_statistics.thumbnails(rows.pixels), small) >= 0).astype(
                np.float64
            ),
            "reference": privacy_estimators.log_density(ordinary, points),
        }
        if kinds is not None:
            facts["misnamed"] = kinds.misnamed(rows, points)
        if matcher is not None:
            facts["match"] = matcher.fits(rows.words, points, ordinary)
        features = np.column_stack([told, points[:, :LOOKS]])
        return Sample(points, features, denoiser.residuals(rows.pixels), facts)

    looks = [f"look {place + 1}" for place in range(min(LOOKS, training.shape[1]))]
    return Eyes(see, [*image_statistics.SIGNS, *looks], called=space.called, learned=space.learned)


def _run_facts(rows: Histories, real: Histories) -> dict[str, Points]:
    """What rows have in common with training rows, item by item or word by word."""
    return {
        "copied": memorization.exact_copies(rows, real).astype(np.float64),
        "nearly": memorization.near_copies(rows, real).astype(np.float64),
        "longest_run": memorization.longest_runs(rows, real).astype(np.float64),
        "novel": memorization.novel_share(rows, real, 2),
    }


def _place_facts(points: Points, training: Points) -> dict[str, Points]:
    distance, place = memorization.nearest(points, training)
    first = training[:, :3]
    above = (points[:, :3] > np.median(first, axis=0)).astype(np.int64)
    cell = above @ (1 << np.arange(above.shape[1]))
    facts = {
        "nearest": distance,
        "authentic": memorization.authentic(distance, place, training),
        "cell": cell,
        "place": place,
    }
    return {name: values.astype(np.float64) for name, values in facts.items()}
