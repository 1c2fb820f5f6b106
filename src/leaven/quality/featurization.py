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
from leaven.metrics.synthetic import FeaturizedRows, consistency, image_statistics, membership_inference, memorization
from leaven.metrics.synthetic.featurizers import HistoryEncoder, TabularEncoder, TextEncoder
from leaven.metrics.synthetic.image_statistics import ImageTextMatcher
from leaven.metrics.synthetic.indd import LinearDenoiser
from leaven.protocols import FittedRecommender
from leaven.quality.context import NO_CONTEXT, EvaluationContext
from leaven.quality.image_features import LOOKS, ImageClasses, ImageSpace
from leaven.quality.image_rows import ImageRows
from leaven.quality.table_rows import TabularRows
from leaven.quality.text_rows import CHARACTER_FEATURES, TextRows

Points = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Rows = Histories | TabularRows | TextRows | ImageRows

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

    def featurize(self, rows: Any) -> FeaturizedRows:
        """Return the sample of rows of the featurizer's kind, in their order."""
        ...


def fit_featurizer(real: Rows, fold: Any, key: int, context: EvaluationContext = NO_CONTEXT) -> Featurizer:
    """Return a featurizer fitted on training rows and the fold, for the kind of these rows."""
    if isinstance(real, Histories):
        return HistoryFeaturizer.fit(real, fold, key, context.recommender)
    if isinstance(real, ImageRows):
        return ImageFeaturizer.fit(real, fold, key, context)
    return (
        TableFeaturizer.fit(real, fold, key) if isinstance(real, TabularRows) else TextFeaturizer.fit(real, fold, key)
    )


def choose_rows(rows: int, most: int, key: int) -> Counts:
    """Return the indices of a random subset of at most `most` rows, int64, ascending."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(rng.make_generator(key).permutation(rows)[:most])


@dataclass(frozen=True, eq=False)
class HistoryFeaturizer:
    """Histories: co-occurrence embeddings, a Markov chain for noise and attack, the catalog and a recommender."""

    info: FeatureInfo
    encoder: HistoryEncoder
    real: Histories
    fold: Histories
    training: Points
    prices: consistency.PriceRanges | None
    recommender: FittedRecommender | None

    @classmethod
    def fit(cls, real: Histories, fold: Histories, key: int, recommender: FittedRecommender | None) -> Featurizer:
        """Return the featurizer of training histories and a fold."""
        encoder = HistoryEncoder.fit(
            real.take(choose_rows(len(real), MAX_ENCODER_ROWS, rng.derive_key(key, "encoder"))), key
        )
        info = FeatureInfo(encoder.compute_features(fold)[1], encoder.group_items(), encoder.popularity)
        category = real.catalog.category if real.catalog is not None else None
        prices = consistency.PriceRanges.fit(real, category) if category is not None else None
        return cls(info, encoder, real, fold, encoder.embed(real), prices, recommender)

    def featurize(self, rows: Histories) -> FeaturizedRows:
        """Return the sample of these histories."""
        points, surprisal = self.encoder.embed(rows), membership_inference.compute_surprisals(self.fold, rows)
        facts = _compare_points(points, self.training) | _compare_runs(rows, self.real) | self._check_consistency(rows)
        events = np.append(np.bincount(self.real.items, minlength=rows.n_items + 2)[: rows.n_items + 1], 0)
        facts |= {
            "reference": -surprisal,
            "rarest": np.minimum.reduceat(events[rows.items], rows.starts[:-1]).astype(np.float64),
            "backed_by_few": memorization.compute_rare_run_share(rows, self.real),
        }
        noise = surprisal / np.maximum(rows.lengths - 1, 1)
        return FeaturizedRows(points, self.encoder.compute_features(rows)[0], noise[:, None], facts, rows)

    def _check_consistency(self, rows: Histories) -> dict[str, Points]:
        """Return the statistics that the catalog and the recommender allow."""
        catalog, found = self.real.catalog, dict[str, Points]()
        if catalog is not None and catalog.category is not None:
            found["agreement"] = consistency.compute_category_agreement(rows, catalog.category)
        if self.prices is not None and "price" in rows.extra:
            found["odd_price"] = self.prices.compute_outlier_share(rows)
        if catalog is not None and catalog.first_sale_times is not None:
            found["before_sale"] = consistency.compute_before_sale_share(rows, catalog.first_sale_times)
        if self.recommender is not None:
            found["next_rank"] = consistency.compute_reciprocal_ranks(rows, self.recommender)
        return found


@dataclass(frozen=True, eq=False)
class TableFeaturizer:
    """Tables: standardized columns, a linear denoiser for noise, nearest neighbors for the attack."""

    info: FeatureInfo
    encoder: TabularEncoder
    training: Points
    ordinary: Points
    denoiser: LinearDenoiser
    known: npt.NDArray[np.uint64]

    @classmethod
    def fit(cls, real: TabularRows, fold: TabularRows, key: int) -> Featurizer:
        """Return the featurizer of a training table and a fold."""
        encoder = TabularEncoder.fit(
            real.take(choose_rows(len(real), MAX_ENCODER_ROWS, rng.derive_key(key, "encoder"))).columns
        )
        ordinary = encoder.embed(fold.columns)
        info = FeatureInfo(encoder.feature_names, constant=encoder.constant_columns)
        return cls(info, encoder, encoder.embed(real.columns), ordinary, LinearDenoiser.fit(ordinary), real.hash_rows())

    def featurize(self, rows: TabularRows) -> FeaturizedRows:
        """Return the sample of these rows."""
        points = self.encoder.embed(rows.columns)
        facts = _compare_points(points, self.training) | {
            "copied": np.isin(rows.hash_rows(), self.known).astype(np.float64),
            "reference": membership_inference.estimate_log_density(self.ordinary, points),
        }
        return FeaturizedRows(points, points, self.denoiser.residuals(points), facts)


@dataclass(frozen=True, eq=False)
class TextFeaturizer:
    """Texts: latent semantic axes, a Markov chain of tokens for noise and attack."""

    info: FeatureInfo
    encoder: TextEncoder
    real: Histories
    fold: Histories
    training: Points

    @classmethod
    def fit(cls, real: TextRows, fold: TextRows, key: int) -> Featurizer:
        """Return the featurizer of training texts and a fold."""
        encoder = TextEncoder.fit(
            real.take(choose_rows(len(real), MAX_ENCODER_ROWS, rng.derive_key(key, "encoder"))).tokens, key
        )
        training = encoder.embed(real.tokens)
        axes = [f"topic {axis + 1}" for axis in range(training.shape[1])]
        info = FeatureInfo([*encoder.compute_features(fold.tokens)[1], *CHARACTER_FEATURES, *axes])
        return cls(info, encoder, real.tokens, fold.tokens, training)

    def featurize(self, rows: TextRows) -> FeaturizedRows:
        """Return the sample of these texts."""
        points, surprisal = (
            self.encoder.embed(rows.tokens),
            membership_inference.compute_surprisals(self.fold, rows.tokens),
        )
        facts = _compare_points(points, self.training) | _compare_runs(rows.tokens, self.real)
        facts |= {"reference": -surprisal}
        noise = np.nan_to_num(surprisal) / np.maximum(rows.tokens.lengths - 1, 1)
        features = np.column_stack([self.encoder.compute_features(rows.tokens)[0], rows.character_shares, points])
        return FeaturizedRows(points, features, noise[:, None], facts, rows.tokens)


@dataclass(frozen=True, eq=False)
class ImageFeaturizer:
    """Images: a network's embeddings, a patch denoiser for noise, thumbnails for copies."""

    info: FeatureInfo
    space: ImageSpace
    training: Points
    ordinary: Points
    thumbnails: Points
    denoiser: image_statistics.PatchDenoiser
    kinds: ImageClasses | None
    matcher: ImageTextMatcher | None

    @classmethod
    def fit(cls, real: ImageRows, fold: ImageRows, key: int, context: EvaluationContext) -> Featurizer:
        """Return the featurizer of training images and a fold. Raises MissingExtra without torch."""
        chosen = real.take(choose_rows(len(real), MAX_ENCODER_ROWS, rng.derive_key(key, "encoder")))
        space = ImageSpace.fit(chosen, key, context.encoder)
        training = space.embed(chosen)
        axes = [f"look {axis + 1}" for axis in range(min(LOOKS, training.shape[1]))]
        return cls(
            info=FeatureInfo([*image_statistics.STATISTIC_NAMES, *axes], called=space.called, learned=space.learned),
            space=space,
            training=training,
            ordinary=space.embed(fold),
            thumbnails=image_statistics.build_thumbnails(real.pixels),
            denoiser=image_statistics.PatchDenoiser.fit(
                fold.pixels, rng.make_generator(rng.derive_key(key, "patches"))
            ),
            kinds=ImageClasses.fit(chosen, training),
            matcher=ImageTextMatcher.fit(chosen.captions, training, key) if any(chosen.captions) else None,
        )

    def featurize(self, rows: ImageRows) -> FeaturizedRows:
        """Return the sample of these images."""
        points, statistics = self.space.embed(rows), image_statistics.compute_image_statistics(rows.pixels)
        source = image_statistics.find_copied_thumbnails(
            image_statistics.build_thumbnails(rows.pixels), self.thumbnails
        )
        facts = _compare_points(points, self.training) | {
            "copied": (source >= 0).astype(np.float64),
            "reference": membership_inference.estimate_log_density(self.ordinary, points),
        }
        if self.kinds is not None:
            facts["misnamed"] = self.kinds.is_mislabeled(rows, points)
        if self.matcher is not None:
            facts["match"] = self.matcher.score_matches(rows.captions, points, self.ordinary)
        features = np.column_stack([statistics, points[:, :LOOKS]])
        return FeaturizedRows(points, features, self.denoiser.residuals(rows.pixels), facts)


def _compare_runs(rows: Histories, real: Histories) -> dict[str, Points]:
    """Return what rows share with training rows, item by item or token by token."""
    return {
        "copied": memorization.is_exact_copy(rows, real).astype(np.float64),
        "nearly": memorization.is_near_copy(rows, real).astype(np.float64),
        "longest_run": memorization.measure_longest_runs(rows, real).astype(np.float64),
        "novel": memorization.compute_novel_share(rows, real, 2),
    }


def _compare_points(points: Points, training: Points) -> dict[str, Points]:
    """Return the nearest training row of each row, its distance, and the cell of the space (octant of three axes)."""
    distance, index = memorization.find_nearest(points, training)
    first = training[:, :3]
    above = (points[:, :3] > np.median(first, axis=0)).astype(np.int64)
    facts = {
        "nearest": distance,
        "authentic": memorization.is_authentic(distance, index, training),
        "cell": above @ (1 << np.arange(above.shape[1])),
        "place": index,
    }
    return {name: values.astype(np.float64) for name, values in facts.items()}
