"""What is true of each new row by itself, and how often? One figure a row was found before; a metric is its mean."""

from __future__ import annotations

from dataclasses import dataclass

from leaven.metrics.synthetic.protocol import Known, Sample, Trait, mean_where_there

_HISTORIES, _RUNS, _PICTURES = ("histories",), ("histories", "text"), ("image",)


@dataclass(frozen=True)
class MeanOf:
    """The mean of one fact over the rows that have it; NaN where none has."""

    fact: str
    trait: Trait

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """In units of the fact."""
        return mean_where_there(new.facts[self.fact])


def category_agreement() -> MeanOf:
    """The share of events that stay in a category which the row had before.

    Of the events after the first whose category is known.
    """
    needs = ("agreement", "a catalogue with categories")
    return MeanOf("agreement", Trait("consistent", "real", of=_HISTORIES, alone=True, bearable=0.05, needs=needs))


def odd_prices() -> MeanOf:
    """The share of events that cost what 99 % of the training events of their category do not cost.

    About 0.01 for training rows.
    """
    needs = ("odd_price", "a catalogue with categories, and events that carry their price")
    trait = Trait("consistent", "low", of=_HISTORIES, alone=True, rare=True, bearable=0.02, needs=needs)
    return MeanOf("odd_price", trait)


def before_sale() -> MeanOf:
    """The share of events that happen before their item was on sale.

    Real rows may be above 0 where the first sale is that of a training row.
    """
    needs = ("before_sale", "a catalogue that says when items were first sold")
    trait = Trait("consistent", "low", of=_HISTORIES, alone=True, rare=True, clock=True, bearable=0.01, needs=needs)
    return MeanOf("before_sale", trait)


def next_rank() -> MeanOf:
    """How high a recommender that learned from real rows ranks the last item of a row, given those before it.

    0 to 1: mean reciprocal rank in the first hundred; above real rows too predictable, below no sense.
    """
    needs = ("next_rank", "a recommender that learned from the real rows")
    return MeanOf("next_rank", Trait("consistent", "real", of=_HISTORIES, alone=True, bearable=0.05, needs=needs))


def misnamed() -> MeanOf:
    """The share of pictures that lie nearest to others than those of what they are said to show.

    By the mean of each kind among the training pictures; real rows have the share of kinds that are taken for others.
    """
    needs = ("misnamed", "labels of the pictures: folders of kinds, or the column that says what each shows")
    trait = Trait("consistent", "low", of=_PICTURES, alone=True, rare=True, bearable=0.1, needs=needs)
    return MeanOf("misnamed", trait)


def words_match() -> MeanOf:
    """How often a picture fits its words better than another picture does: 0.5 is chance."""
    needs = ("match", "words of the pictures")
    return MeanOf("match", Trait("consistent", "high", of=_PICTURES, alone=True, bearable=0.05, needs=needs))


def copies() -> MeanOf:
    """The share of rows that repeat a whole training row.

    Histories from three events on; of pictures those that differ by no more than compression and size.
    """
    return MeanOf("copied", Trait("not copied", "low", alone=True, rare=True, bearable=0.01))


def near_copies() -> MeanOf:
    """The share of rows of which one run, at least four fifths of the row, stands in a training row.

    Rows from four events on.
    """
    return MeanOf("nearly", Trait("not copied", "low", of=_RUNS, alone=True, rare=True, bearable=0.02))


def longest_run() -> MeanOf:
    """How many items in a row the rows have in common with one training row, on average."""
    return MeanOf("longest_run", Trait("not copied", "low", of=_RUNS, alone=True, ratio=True, bearable=0.25))


def authenticity() -> MeanOf:
    """The share of rows that do not sit closer to a training row than any other training row does."""
    return MeanOf("authentic", Trait("not copied", "high", alone=True, bearable=0.1))


def novel_runs() -> MeanOf:
    """The share of runs of items that no training row holds: real rows have many, copies none.

    Of the rows that are long enough, runs of two.
    """
    return MeanOf("novel", Trait("varied", "real", of=_RUNS, alone=True, bearable=0.1))


def rare_runs() -> MeanOf:
    """The share of runs of three items that only one to four training users have: what could name a person.

    Of the rows that are long enough.
    """
    return MeanOf("backed_by_few", Trait("private", "low", of=_HISTORIES, alone=True, bearable=0.05))
