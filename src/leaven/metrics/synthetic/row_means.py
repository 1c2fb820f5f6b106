"""Metrics that are the mean of one statistic per row."""

from __future__ import annotations

from dataclasses import dataclass

from leaven.metrics.synthetic.protocol import Known, Sample, Trait, mean_where_there

_HISTORIES, _RUNS, _IMAGES = ("histories",), ("histories", "text"), ("image",)


@dataclass(frozen=True)
class RowMean:
    """The mean of one statistic over the rows that have it; NaN without any."""

    fact: str
    trait: Trait

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """Return the mean, in the unit of the statistic."""
        return mean_where_there(new.facts[self.fact])


def category_agreement() -> RowMean:
    """The share of events in a category that occurs earlier in the row.

    Of the events after the first with a known category.
    """
    needs = ("agreement", "a catalog with categories")
    return RowMean("agreement", Trait("consistent", "real", of=_HISTORIES, alone=True, bearable=0.05, needs=needs))


def odd_prices() -> RowMean:
    """The share of events priced outside the range of 99 % of the training events of their category.

    About 0.01 for training rows.
    """
    needs = ("odd_price", "a catalog with categories, and events with prices")
    trait = Trait("consistent", "low", of=_HISTORIES, alone=True, rare=True, bearable=0.02, needs=needs)
    return RowMean("odd_price", trait)


def before_sale() -> RowMean:
    """The share of events before their item was on sale.

    Real rows may be above 0 if the first sale is that of a training row.
    """
    needs = ("before_sale", "a catalog with first days of sale")
    trait = Trait("consistent", "low", of=_HISTORIES, alone=True, rare=True, clock=True, bearable=0.01, needs=needs)
    return RowMean("before_sale", trait)


def next_rank() -> RowMean:
    """The rank of the last item of a row under a recommender fitted on real rows, given the items before it.

    0 to 1: mean reciprocal rank in the first hundred; above real rows too predictable, below incoherent.
    """
    needs = ("next_rank", "a recommender fitted on the real rows")
    return RowMean("next_rank", Trait("consistent", "real", of=_HISTORIES, alone=True, bearable=0.05, needs=needs))


def misnamed() -> RowMean:
    """The share of images that lie nearer to another class than to their own label.

    By the mean of each class among the training images; real rows have the share of confused classes.
    """
    needs = ("misnamed", "labels of the images: one folder per class, or a label column")
    trait = Trait("consistent", "low", of=_IMAGES, alone=True, rare=True, bearable=0.1, needs=needs)
    return RowMean("misnamed", trait)


def words_match() -> RowMean:
    """How often an image matches its text better than another image does: 0.5 is chance."""
    needs = ("match", "texts of the images")
    return RowMean("match", Trait("consistent", "high", of=_IMAGES, alone=True, bearable=0.05, needs=needs))


def copies() -> RowMean:
    """The share of rows that copy a whole training row.

    Histories from three events on; images that differ by no more than compression and size.
    """
    return RowMean("copied", Trait("not copied", "low", alone=True, rare=True, bearable=0.01))


def near_copies() -> RowMean:
    """The share of rows with one run, at least four fifths of the row, in a training row.

    Rows from four events on.
    """
    return RowMean("nearly", Trait("not copied", "low", of=_RUNS, alone=True, rare=True, bearable=0.02))


def longest_run() -> RowMean:
    """The mean length of the longest run of items that a row shares with a training row."""
    return RowMean("longest_run", Trait("not copied", "low", of=_RUNS, alone=True, ratio=True, bearable=0.25))


def authenticity() -> RowMean:
    """The share of rows that are no closer to a training row than its nearest other training row."""
    return RowMean("authentic", Trait("not copied", "high", alone=True, bearable=0.1))


def novel_runs() -> RowMean:
    """The share of runs of items in no training row: real rows have many, copies none.

    Runs of two, of rows long enough.
    """
    return RowMean("novel", Trait("varied", "real", of=_RUNS, alone=True, bearable=0.1))


def rare_runs() -> RowMean:
    """The share of runs of three items of only one to four training users: such runs can identify a person.

    Of rows long enough.
    """
    return RowMean("backed_by_few", Trait("private", "low", of=_HISTORIES, alone=True, bearable=0.05))
