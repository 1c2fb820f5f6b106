"""Recent popularity as a prior, for logs whose tastes drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from leaven.plan_search.candidates import Candidate, NumberRange
from leaven.plan_search.recipe import RecipeContext
from leaven.recommenders.popularity import Popularity
from leaven.recommenders.rank_fusion import RankFusion

MIN_DRIFT = 0.1


@dataclass(frozen=True)
class RecentPopularityRecipe:
    """Merges the list of the recommender under trial with what is popular now. The half-life is tuned."""

    expects: ClassVar[str] = "what sells now is ranked higher"
    evidence: ClassVar[str] = "docs/evidence/drift.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a clock, and popularity that changes."""
        profile = context.profile
        if not profile.has_clock:
            return "the log has no clock"
        if profile.popularity_drift < MIN_DRIFT:
            return f"popularity hardly changes (drift {profile.popularity_drift:.2f})"
        return ""

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate with a half-life of a tenth of the log."""

        def build(settings: Mapping[str, float]) -> Candidate:
            days = settings["half_life_days"]
            recommender = RankFusion(context.base.recommender, Popularity(half_life_days=days))
            space = {"half_life_days": NumberRange(1.0, max(context.profile.days, 2.0), is_log=True)}
            name = f"recent popularity, half-life {days:.3g} days"
            return Candidate(
                name,
                recommender,
                space=space,
                build=build,
                recipe="recent_popularity",
                reason=self.expects,
                evidence=self.evidence,
            )

        return [build({"half_life_days": max(1.0, context.profile.days / 10)})]
