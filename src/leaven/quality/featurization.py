"""Featurizers: embeddings, interpretable features, noise and per-row statistics of every kind of row.

Training rows fit the encoder; the fold fits the noise model and the attacker's model of ordinary rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
Counts = npt.NDArray[np.int64]
Rows = Histories | Table | Texts | Photos

MAX_ENCODER_ROWS = 20_000  # training rows in the fit of an encoder


@dataclass(frozen=True, eq=False)
class FeatureInfo:
    """Descriptions of the features of a featurizer, and of its items.

    names       of the features
    groups      int64 (n_items + 2,): group of each item; popularity int64 (n_items + 1,): its training events; else ()
    constant    columns of a table with a single value
    called      of images: the name of the Fréchet distance in this embedding; learned: how the embedding was fitted
    """

    names: Sequence[str]
    groups: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    popularity: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    constant: tuple[str, ...] = ()
    called: str = ""
    learned: str = ""


class Featurizer(Protocol):
    """Turns rows of one kind into a sample for the metrics."""

    @property
    def info(self) -> FeatureInfo: ...

    def featurize(self, rows: Any) -> Sample:
        """Return the sample of rows of the featurizer's kind, in their order."""
        ...


def opened(real: Rows, fold: Any, key: int, beside: Beside = NOTHING) -> Featurizer:
    """Return a featurizer fitted on training rows and the fold, for the kind of these rows."""
    if isinstance(real, Histories):
        return HistoryFeaturizer.fit(real, fold, key, beside.recommender)
    if isinstance(real, Photos):
        return ImageFeaturizer.fit(real, fold, key, beside)
    return TableFeaturizer.fit(real, fold, key) if isinstance(real, Table) else TextFeaturizer.fit(real, fold, key)


def choice(rows: int, most: int, key: int) -> Counts:
    """Return the indices of a random subset of at most `most` rows, int64, ascending."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(rng.generator(key).permutation(rows)[:most])


@dataclass(frozen=True, eq=False)
class HistoryFeaturizer:
    """Histories: co-occurrence embeddings, a Markov chain for noise and attack, the catalog and a recommender."""

    info: FeatureInfo
    encoder: HistoryEncoder
    real: Histories
    fold: Histories
    training: Points
    prices: consistency.PriceLaw | None
    recommender: FittedRecommender | None

    @classmethod
    def fit(cls, real: Histories, fold: Histories, key: int, recommender: FittedRecommender | None) -> Featurizer:
        """Return the featurizer of training histories and a fold."""
        encoder = HistoryEncoder.fit(real.take(choice(len(real), MAX_ENCODER_ROWS, rng.key(key, "encoder"))), key)
        info = FeatureInfo(encoder.features(fold)[1], encoder.groups(), encoder.popularity)
        category = real.catalog.category if real.catalog is not None else None
        prices = consistency.PriceLaw.of(real, category) if category is not None else None
        return cls(info, encoder, real, fold, encoder.points(real), prices, recommender)

    def featurize(self, rows: Histories) -> Sample:
        """Return the sample of these histories."""
        points, surprisal = self.encoder.points(rows), privacy_estimators.surprisals(self.fold, rows)
        facts = _compare_points(points, self.training) | _compare_runs(rows, self.real) | self._check_consistency(rows)
        events = np.append(np.bincount(self.real.items, minlength=rows.n_items + 2)[: rows.n_items + 1], 0)
        facts |= {
            "reference": -surprisal,
            "rarest": np.minimum.reduceat(events[rows.items], rows.starts[:-1]).astype(np.float64),
            "backed_by_few": memorization.backed_by_few(rows, self.real),
        }
        noise = surprisal / np.maximum(rows.lengths - 1, 1)
        return Sample(points, self.encoder.features(rows)[0], noise[:, None], facts, rows)

    def _check_consistency(self, rows: Histories) -> dict[str, Points]:
        """Return the statistics that the catalog and the recommender allow."""
        catalog, found = self.real.catalog, dict[str, Points]()
        if catalog is not None and catalog.category is not None:
            found["agreement"] = consistency.category_agreement(rows, catalog.category)
        if self.prices is not None and "price" in rows.extra:
            found["odd_price"] = self.prices.odd(rows)
        if catalog is not None and catalog.born is not None:
            found["before_sale"] = consistency.before_sale(rows, catalog.born)
        if self.recommender is not None:
            found["next_rank"] = consistency.reciprocal_ranks(rows, self.recommender)
        return found


@dataclass(frozen=True, eq=False)
class TableFeaturizer:
    """Tables: standardized columns, a linear denoiser for noise, nearest neighbors for the attack."""

    info: FeatureInfo
    encoder: TableEncoder
    training: Points
    ordinary: Points
    denoiser: Denoiser
    known: npt.NDArray[np.uint64]

    @classmethod
    def fit(cls, real: Table, fold: Table, key: int) -> Featurizer:
        """Return the featurizer of a training table and a fold."""
        encoder = TableEncoder.fit(real.take(choice(len(real), MAX_ENCODER_ROWS, rng.key(key, "encoder"))).columns)
        ordinary = encoder.points(fold.columns)
        info = FeatureInfo(encoder.names, constant=encoder.constant)
        return cls(info, encoder, encoder.points(real.columns), ordinary, Denoiser.fit(ordinary), real.identities())

    def featurize(self, rows: Table) -> Sample:
        """Return the sample of these rows."""
        points = self.encoder.points(rows.columns)
        facts = _compare_points(points, self.training) | {
            "copied": np.isin(rows.identities(), self.known).astype(np.float64),
            "reference": privacy_estimators.log_density(self.ordinary, points),
        }
        return Sample(points, points, self.denoiser.residuals(points), facts)


@dataclass(frozen=True, eq=False)
class TextFeaturizer:
    """Texts: latent semantic axes, a Markov chain of tokens for noise and attack."""

    info: FeatureInfo
    encoder: TextEncoder
    real: Histories
    fold: Histories
    training: Points

    @classmethod
    def fit(cls, real: Texts, fold: Texts, key: int) -> Featurizer:
        """Return the featurizer of training texts and a fold."""
        encoder = TextEncoder.fit(real.take(choice(len(real), MAX_ENCODER_ROWS, rng.key(key, "encoder"))).words, key)
        training = encoder.points(real.words)
        axes = [f"topic {axis + 1}" for axis in range(training.shape[1])]
        info = FeatureInfo([*encoder.features(fold.words)[1], *SIGNS, *axes])
        return cls(info, encoder, real.words, fold.words, training)

    def featurize(self, rows: Texts) -> Sample:
        """Return the sample of these texts."""
        points, surprisal = self.encoder.points(rows.words), privacy_estimators.surprisals(self.fold, rows.words)
        facts = _compare_points(points, self.training) | _compare_runs(rows.words, self.real)
        facts |= {"reference": -surprisal}
        noise = np.nan_to_num(surprisal) / np.maximum(rows.words.lengths - 1, 1)
        features = np.column_stack([self.encoder.features(rows.words)[0], rows.signs, points])
        return Sample(points, features, noise[:, None], facts, rows.words)


@dataclass(frozen=True, eq=False)
class ImageFeaturizer:
    """Images: a network's embeddings, a patch denoiser for noise, thumbnails for copies."""

    info: FeatureInfo
    space: PictureSpace
    training: Points
    ordinary: Points
    thumbnails: Points
    denoiser: image_statistics.PatchDenoiser
    kinds: Kinds | None
    matcher: Matcher | None

    @classmethod
    def fit(cls, real: Photos, fold: Photos, key: int, beside: Beside) -> Featurizer:
        """Return the featurizer of training images and a fold. Raises MissingExtra without torch."""
        chosen = real.take(choice(len(real), MAX_ENCODER_ROWS, rng.key(key, "encoder")))
        space = PictureSpace.of(chosen, key, beside.encoder)
        training = space.points(chosen)
        axes = [f"look {axis + 1}" for axis in range(min(LOOKS, training.shape[1]))]
        return cls(
            info=FeatureInfo([*image_statistics.SIGNS, *axes], called=space.called, learned=space.learned),
            space=space,
            training=training,
            ordinary=space.points(fold),
            thumbnails=image_statistics.thumbnails(real.pixels),
            denoiser=image_statistics.PatchDenoiser.fit(fold.pixels, rng.generator(rng.key(key, "patches"))),
            kinds=Kinds.of(chosen, training),
            matcher=Matcher.fit(chosen.words, training, key) if any(chosen.words) else None,
        )

    def featurize(self, rows: Photos) -> Sample:
        """Return the sample of these images."""
        points, statistics = self.space.points(rows), image_statistics.signs(rows.pixels)
        source = image_statistics.copied_from(image_statistics.thumbnails(rows.pixels), self.thumbnails)
        facts = _compare_points(points, self.training) | {
            "copied": (source >= 0).astype(np.float64),
            "reference": privacy_estimators.log_density(self.ordinary, points),
        }
        if self.kinds is not None:
            facts["misnamed"] = self.kinds.misnamed(rows, points)
        if self.matcher is not None:
            facts["match"] = self.matcher.fits(rows.words, points, self.ordinary)
        features = np.column_stack([statistics, points[:, :LOOKS]])
        return Sample(points, features, self.denoiser.residuals(rows.pixels), facts)


def _compare_runs(rows: Histories, real: Histories) -> dict[str, Points]:
    """Return what rows share with training rows, item by item or token by token."""
    return {
        "copied": memorization.exact_copies(rows, real).astype(np.float64),
        "nearly": memorization.near_copies(rows, real).astype(np.float64),
        "longest_run": memorization.longest_runs(rows, real).astype(np.float64),
        "novel": memorization.novel_share(rows, real, 2),
    }


def _compare_points(points: Points, training: Points) -> dict[str, Points]:
    """Return the nearest training row of each row, its distance, and the cell of the space (octant of three axes)."""
    distance, index = memorization.nearest(points, training)
    first = training[:, :3]
    above = (points[:, :3] > np.median(first, axis=0)).astype(np.int64)
    facts = {
        "nearest": distance,
        "authentic": memorization.authentic(distance, index, training),
        "cell": above @ (1 << np.arange(above.shape[1])),
        "place": index,
    }
    return {name: values.astype(np.float64) for name, values in facts.items()}
