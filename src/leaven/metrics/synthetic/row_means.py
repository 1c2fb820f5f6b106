"""Metrics that are the mean of one statistic per row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricTraits, ReferenceData, compute_finite_mean

_HISTORIES, _RUNS, _IMAGES = ("sequence",), ("sequence", "text"), ("image",)
_RowTraits = partial(MetricTraits, is_one_sample=True)
_RareTraits = partial(_RowTraits, is_near_zero=True)


@dataclass(frozen=True)
class RowMean:
    """The mean of one statistic over the rows that have it; NaN without any."""

    fact: str
    trait: MetricTraits

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """Return the mean, in the unit of the statistic."""
        return compute_finite_mean(new.row_statistics[self.fact])


def build_category_agreement() -> RowMean:
    """The share of events in a category that occurs earlier in the row.

    Of the events after the first with a known category.
    """
    needs = ("agreement", "a catalog with categories")
    return RowMean(
        "agreement", _RowTraits("consistency", "real", modalities=_HISTORIES, tolerance=0.05, required_statistic=needs)
    )


def build_odd_prices() -> RowMean:
    """The share of events priced outside the range of 99 % of the training events of their category.

    About 0.01 for training rows.
    """
    needs = ("odd_price", "a catalog with categories, and events with prices")
    return RowMean(
        "odd_price", _RareTraits("consistency", "low", modalities=_HISTORIES, tolerance=0.02, required_statistic=needs)
    )


def build_before_sale() -> RowMean:
    """The share of events before their item was on sale.

    Real rows may be above 0 if the first sale is that of a training row.
    """
    needs = ("before_sale", "a catalog with first days of sale")
    return RowMean(
        "before_sale",
        _RareTraits(
            "consistency", "low", modalities=_HISTORIES, needs_clock=True, tolerance=0.01, required_statistic=needs
        ),
    )


def build_next_rank() -> RowMean:
    """The rank of the last item of a row under a recommender fitted on real rows, given the items before it.

    0 to 1: mean reciprocal rank in the first hundred; above real rows too predictable, below incoherent.
    """
    needs = ("next_rank", "a recommender fitted on the real rows")
    return RowMean(
        "next_rank", _RowTraits("consistency", "real", modalities=_HISTORIES, tolerance=0.05, required_statistic=needs)
    )


def build_mislabeled() -> RowMean:
    """The share of images that lie nearer to another class than to their own label.

    By the mean of each class among the training images; real rows have the share of confused classes.
    """
    needs = ("misnamed", "labels of the images: one folder per class, or a label column")
    return RowMean(
        "misnamed", _RareTraits("consistency", "low", modalities=_IMAGES, tolerance=0.1, required_statistic=needs)
    )


def build_words_match() -> RowMean:
    """How often an image matches its text better than another image does: 0.5 is chance."""
    needs = ("match", "texts of the images")
    return RowMean(
        "match", _RowTraits("consistency", "high", modalities=_IMAGES, tolerance=0.05, required_statistic=needs)
    )


def build_copies() -> RowMean:
    """The share of rows that copy a whole training row.

    Histories from three events on; images that differ by no more than compression and size.
    """
    return RowMean("copied", _RareTraits("memorization", "low", tolerance=0.01))


def build_near_copies() -> RowMean:
    """The share of rows with one run, at least four fifths of the row, in a training row.

    Rows from four events on.
    """
    return RowMean("nearly", _RareTraits("memorization", "low", modalities=_RUNS, tolerance=0.02))


def build_longest_run() -> RowMean:
    """The mean length of the longest run of items that a row shares with a training row."""
    return RowMean("longest_run", _RowTraits("memorization", "low", modalities=_RUNS, is_relative=True, tolerance=0.25))


def build_authenticity() -> RowMean:
    """The share of rows that are no closer to a training row than its nearest other training row."""
    return RowMean("authentic", _RowTraits("memorization", "high", tolerance=0.1))


def build_novel_runs() -> RowMean:
    """The share of runs of items in no training row: real rows have many, copies none.

    Runs of two, of rows long enough.
    """
    return RowMean("novel", _RowTraits("diversity", "real", modalities=_RUNS, tolerance=0.1))


def build_rare_runs() -> RowMean:
    """The share of runs of three items of only one to four training users: such runs can identify a person.

    Of rows long enough.
    """
    return RowMean("backed_by_few", _RowTraits("privacy", "low", modalities=_HISTORIES, tolerance=0.05))
