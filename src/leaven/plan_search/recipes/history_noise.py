"""Changes of histories in every epoch, for networks that memorize: subset-drop and crop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from leaven.augmentation import Plan, Step
from leaven.plan_search.candidates import Candidate, NumberRange
from leaven.plan_search.recipe import RecipeContext
from leaven.registry import create_config
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop


def _explain_unsuitable(context: RecipeContext) -> str:
    if not context.is_trained_in_steps:
        return "the recommender under trial takes no optimizer steps"
    if context.profile.median_length < 4:
        return f"histories are too short (median {context.profile.median_length:.0f} events)"
    return ""


@dataclass(frozen=True)
class SubsetDropRecipe:
    """Drops events of every history at random, anew in every epoch. The probability is tuned."""

    expects: ClassVar[str] = "fewer memorized histories"
    evidence: ClassVar[str] = "docs/results-summary.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a trained network, and histories of some length."""
        return _explain_unsuitable(context)

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, at half of all histories."""

        def build(settings: Mapping[str, float]) -> Candidate:
            p = settings["p"]
            step = Step(Drop(), mode="in_place", when="each_epoch", p=p)
            return Candidate(
                f"subset drop, p {p:.2f}",
                context.base.recommender,
                Plan([step]),
                "subset_drop",
                self.expects,
                self.evidence,
                {"p": NumberRange(0.1, 1.0)},
                build,
            )

        return [build({"p": 0.5})]


@dataclass(frozen=True)
class LightCropRecipe:
    """Shows a part of some histories, anew in every epoch."""

    expects: ClassVar[str] = "shorter contexts are learned too"
    evidence: ClassVar[str] = "docs/results-summary.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a trained network, and histories of some length."""
        return _explain_unsuitable(context)

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, at a fifth of all histories."""

        def build(settings: Mapping[str, float]) -> Candidate:
            p = settings["p"]
            step = Step(Crop(), mode="in_place", when="each_epoch", p=p)
            return Candidate(
                f"crop, p {p:.2f}",
                context.base.recommender,
                Plan([step]),
                "light_crop",
                self.expects,
                self.evidence,
                {"p": NumberRange(0.05, 0.6)},
                build,
            )

        return [build({"p": 0.2})]


@dataclass(frozen=True)
class FilteredGeneratorRecipe:
    """Appends Markov rows of low weight that pass the default filters."""

    expects: ClassVar[str] = "transitions of rare items are seen more often"
    evidence: ClassVar[str] = "docs/results-summary.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a log that is small enough for generated rows to matter."""
        return "" if context.profile.users < 50_000 else "the log is large: generated rows repeat what it holds"

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, with a quarter of the weight of real rows."""

        def build(settings: Mapping[str, float]) -> Candidate:
            weight = settings["weight"]
            step = Step(create_config("generators", "markov"), weight=weight)
            return Candidate(
                f"markov rows, weight {weight:.2f}",
                context.base.recommender,
                Plan([step]),
                "filtered_generator",
                self.expects,
                self.evidence,
                {"weight": NumberRange(0.02, 1.0, is_log=True)},
                build,
            )

        return [build({"weight": 0.25})]
