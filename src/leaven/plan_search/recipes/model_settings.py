"""Settings that add or remove information in cheap models: recent popularity, age of rows, input dropout."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import ClassVar

from leaven.augmentation import Plan
from leaven.plan_search.candidates import Candidate, NumberRange
from leaven.plan_search.recipe import RecipeContext, propose
from leaven.recommenders.popularity import Popularity
from leaven.recommenders.rank_fusion import RankFusion

MIN_DRIFT = 0.1


def _explain_unsuitable(context: RecipeContext) -> str:
    profile = context.profile
    if not profile.has_clock:
        return "the log has no clock"
    if profile.popularity_drift < MIN_DRIFT:
        return f"popularity hardly changes (drift {profile.popularity_drift:.2f})"
    return ""


@dataclass(frozen=True)
class RecentPopularityRecipe:
    """Merges the list of the recommender under trial with what is popular now. The half-life is tuned."""

    expects: ClassVar[str] = "what sells now is ranked higher"
    evidence: ClassVar[str] = "docs/evidence/drift.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a clock, and popularity that changes."""
        return _explain_unsuitable(context)

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, with a half-life of a tenth of the log."""
        base, days = context.base.recommender, context.profile.days
        return [
            propose(
                self,
                "recent popularity with a half-life of {half_life_days:.3g} days",
                lambda one: (RankFusion(base, Popularity(one["half_life_days"])), Plan()),
                {"half_life_days": max(1.0, days / 10)},
                {"half_life_days": NumberRange(1.0, max(days, 2.0), is_log=True)},
            )
        ]


@dataclass(frozen=True)
class AgeWeightsRecipe:
    """Lets old training rows count less. The half-life is tuned over more than one validation date."""

    expects: ClassVar[str] = "tastes of the past mislead less"
    evidence: ClassVar[str] = "docs/evidence/drift.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a clock, drift, and a recommender whose rows can be weighted by age."""
        known = {one.name for one in fields(context.base.recommender)}  # type: ignore[arg-type]
        if "half_life_days" not in known:
            return f"{context.base.name} has no weights by age"
        return _explain_unsuitable(context)

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, with a half-life of half the log."""
        base, days = context.base.recommender, context.profile.days
        return [
            propose(
                self,
                "rows that halve their weight in {half_life_days:.3g} days",
                lambda one: (replace(base, half_life_days=one["half_life_days"]), Plan()),  # type: ignore[type-var]
                {"half_life_days": max(1.0, days / 2)},
                {"half_life_days": NumberRange(max(1.0, days / 30), max(4 * days, 2.0), is_log=True)},
            )
        ]


@dataclass(frozen=True)
class InputDropoutRecipe:
    """Drops input events in expectation, in the closed form of a linear model (EDLAE). The share is tuned."""

    expects: ClassVar[str] = "frequent items explain themselves less and others more"
    evidence: ClassVar[str] = "docs/evidence/rivals.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a linear model with dropout in closed form."""
        known = {one.name for one in fields(context.base.recommender)}  # type: ignore[arg-type]
        is_linear = {"dropout", "regularization"} <= known and not context.is_trained_in_steps
        return "" if is_linear else f"{context.base.name} has no dropout in closed form"

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, which drops a third of the events."""
        base = context.base.recommender
        return [
            propose(
                self,
                "input dropout of {dropout:.0%}",
                lambda one: (replace(base, dropout=one["dropout"]), Plan()),  # type: ignore[type-var]
                {"dropout": 0.33},
                {"dropout": NumberRange(0.05, 0.9)},
            )
        ]
