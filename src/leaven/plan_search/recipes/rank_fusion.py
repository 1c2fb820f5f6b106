"""Fusion of the recommender under trial with a rival that errs differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.plan_search.candidates import Candidate
from leaven.plan_search.recipe import RecipeContext
from leaven.recommenders.rank_fusion import RankFusion

N_PARTNERS = 2


@dataclass(frozen=True)
class FusionRecipe:
    """Merges the lists of the recommender under trial and of the next best rivals.

    A teacher at inference: the second model adds what the first one does not see. Its weight is chosen on validation
    users.
    """

    expects: ClassVar[str] = "two models with different errors rank better together"
    evidence: ClassVar[str] = "docs/evidence/fusion.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs a second recommender."""
        return "" if len(context.rivals) > 1 else "there is no second recommender"

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate for each of the next best rivals."""
        base = context.base
        partners = [rival for rival in context.rivals if rival.name != base.name][:N_PARTNERS]
        return [
            Candidate(
                f"fusion with {partner.name}",
                RankFusion(base.recommender, partner.recommender),
                recipe="fusion",
                reason=self.expects,
                evidence=self.evidence,
            )
            for partner in partners
        ]
