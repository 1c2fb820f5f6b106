"""Do new rows still mean what rows of this catalogue mean? (`metrics/consistency.py`)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.metrics.samples.sample import Known, Sample, Trait, mean_where_there

_CATEGORIES = ("agreement", "a catalogue with categories")


@dataclass(frozen=True)
class CategoryAgreement:
    """The share of events that stay in a category which the row had before."""

    trait: ClassVar[Trait] = Trait(
        "consistent", "real", of=("histories",), alone=True, bearable=0.05, needs=_CATEGORIES
    )

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1: mean over the rows; events after the first whose category is known."""
        return mean_where_there(new.facts["agreement"])


@dataclass(frozen=True)
class OddPrices:
    """The share of events that cost what 99 % of the training events of their category do not cost."""

    trait: ClassVar[Trait] = Trait(
        "consistent",
        "low",
        of=("histories",),
        alone=True,
        rare=True,
        bearable=0.02,
        needs=("odd_price", "a catalogue with categories, and events that carry their price"),
    )

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1: mean over the rows; about 0.01 for training rows."""
        return mean_where_there(new.facts["odd_price"])


@dataclass(frozen=True)
class BeforeSale:
    """The share of events that happen before their item was on sale."""

    trait: ClassVar[Trait] = Trait(
        "consistent",
        "low",
        of=("histories",),
        alone=True,
        rare=True,
        clock=True,
        bearable=0.01,
        needs=("before_sale", "a catalogue that says when items were first sold"),
    )

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1: mean over the rows; real rows may be above 0 where the first sale is that of a training row."""
        return mean_where_there(new.facts["before_sale"])


@dataclass(frozen=True)
class NextRank:
    """How high a recommender that learned from real rows ranks the last item of a row, given those before it."""

    trait: ClassVar[Trait] = Trait(
        "consistent",
        "real",
        of=("histories",),
        alone=True,
        bearable=0.05,
        needs=("next_rank", "a recommender that learned from the real rows"),
    )

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1: mean reciprocal rank in the first hundred; above real rows too predictable, below no sense."""
        return mean_where_there(new.facts["next_rank"])
