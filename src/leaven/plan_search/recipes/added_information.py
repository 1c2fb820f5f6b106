"""Information that purchases do not hold: texts of rare and new items, and other kinds of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from leaven.augmentation import Plan
from leaven.plan_search.candidates import Candidate, NumberRange
from leaven.plan_search.recipe import RecipeContext, propose
from leaven.protocols import Recommender
from leaven.recommenders.content_fusion import ContentFusion

MIN_NEW_TARGETS = 0.005


@dataclass(frozen=True)
class ColdItemsRecipe:
    """Adds texts and recent popularity to the scores, on one scale; validation users choose the weights."""

    expects: ClassVar[str] = "new and rare items are ranked by their texts, and what sells now is ranked higher"
    evidence: ClassVar[str] = "docs/evidence/cold_items.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs texts, and targets that are rare in training."""
        profile = context.profile
        if not profile.has_text:
            return "the catalog has no texts"
        if profile.new_target_share < MIN_NEW_TARGETS:
            return f"only {profile.new_target_share:.1%} of the targets are new items"
        return ""

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate: texts and recent popularity."""
        return [
            Candidate(
                "texts and recent popularity",
                ContentFusion(context.base.recommender),
                recipe="cold_items",
                reason=self.expects,
                evidence=self.evidence,
            )
        ]


@dataclass(frozen=True)
class BehaviorsRecipe:
    """Reads other kinds of events, such as views and carts, with a bonus for the user's own ones. Both are tuned."""

    expects: ClassVar[str] = "views and carts say what a user considers"
    evidence: ClassVar[str] = "docs/evidence/behaviours.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs several kinds of events, one of them the target, and a recommender that reads kinds."""
        profile = context.profile
        if len(profile.kinds) < 2:
            return "all events are of one kind"
        if not profile.target_kind:
            return f"no kind is the target: [split] target_kind = one of {', '.join(profile.kinds)}"
        known = {one.name for one in fields(context.base.recommender)}  # type: ignore[arg-type]
        return "" if "kind_weights" in known else f"{context.base.name} does not read kinds of events"

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """One candidate, with the same weight for all kinds."""
        base, profile = context.base.recommender, context.profile
        target = profile.kinds.index(profile.target_kind)

        def make(settings: Mapping[str, float]) -> tuple[Recommender, Plan]:
            weights = [settings["other_weight"]] * len(profile.kinds)
            weights[target] = 1.0
            changed = {"kind_weights": tuple(weights), "own_bonus": settings["own_bonus"]}
            return replace(base, **changed), Plan()  # type: ignore[type-var]

        return [
            propose(
                self,
                "other events of weight {other_weight:.2f}, own bonus {own_bonus:.2f}",
                make,
                {"other_weight": 1.0, "own_bonus": 0.1},
                {"other_weight": NumberRange(0.1, 2.0, is_log=True), "own_bonus": NumberRange(0.02, 1.0, is_log=True)},
            )
        ]
