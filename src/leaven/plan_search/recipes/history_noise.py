"""Changes of histories in every epoch, for networks that memorize; generated rows of low weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.augmentation import Plan, Step
from leaven.plan_search.candidates import Candidate, NumberRange
from leaven.plan_search.recipe import RecipeContext, propose
from leaven.registry import create_config
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop

MIN_MEDIAN_LENGTH = 4
MAX_USERS_FOR_ROWS = 50_000


def _explain_unsuitable(context: RecipeContext) -> str:
    if not context.is_trained_in_steps:
        return "the recommender under trial takes no optimizer steps"
    if context.profile.median_length < MIN_MEDIAN_LENGTH:
        return f"histories are too short (median {context.profile.median_length:.0f} events)"
    return ""


@dataclass(frozen=True)
class SubsetDropRecipe:
    """Drops events of histories at random, anew in every epoch. The probability is tuned."""

    expects: ClassVar[str] = "fewer memorized histories"
    evidence: ClassVar[str] = "docs/results.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a trained network, and histories of some length."""
        return _explain_unsuitable(context)

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, which changes half of the histories."""
        base = context.base.recommender
        return [
            propose(
                self,
                "subset drop of {p:.0%} of the histories",
                lambda one: (base, Plan([Step(Drop(), mode="in_place", when="each_epoch", p=one["p"])])),
                {"p": 0.5},
                {"p": NumberRange(0.1, 1.0)},
            )
        ]


@dataclass(frozen=True)
class LightCropRecipe:
    """Shows a part of some histories, anew in every epoch. The probability is tuned."""

    expects: ClassVar[str] = "shorter contexts are learned too"
    evidence: ClassVar[str] = "docs/results.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a trained network, and histories of some length."""
        return _explain_unsuitable(context)

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, which changes a fifth of the histories."""
        base = context.base.recommender
        return [
            propose(
                self,
                "crop of {p:.0%} of the histories",
                lambda one: (base, Plan([Step(Crop(), mode="in_place", when="each_epoch", p=one["p"])])),
                {"p": 0.2},
                {"p": NumberRange(0.05, 0.6)},
            )
        ]


@dataclass(frozen=True)
class FilteredGeneratorRecipe:
    """Appends Markov rows of low weight that pass the default filters. The weight is tuned."""

    expects: ClassVar[str] = "transitions of rare items are seen more often"
    evidence: ClassVar[str] = "docs/results.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a log that is small enough for generated rows to matter."""
        is_small = context.profile.users < MAX_USERS_FOR_ROWS
        return "" if is_small else "the log is large: generated rows repeat what it holds"

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, with a quarter of the weight of real rows."""
        base = context.base.recommender
        return [
            propose(
                self,
                "Markov rows of weight {weight:.2f}",
                lambda one: (base, Plan([Step(create_config("generators", "markov"), weight=one["weight"])])),
                {"weight": 0.25},
                {"weight": NumberRange(0.02, 1.0, is_log=True)},
            )
        ]
