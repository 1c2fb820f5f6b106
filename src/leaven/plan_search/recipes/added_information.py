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
from leaven.recommenders.selected_kinds import SelectedKinds

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
    """Reads other kinds of events, such as carts next to purchases, and leaves out kinds that are noise.

    A recommender with weights by kind gets a tuned weight of the other kinds, and a tuned bonus for own events.
    """

    expects: ClassVar[str] = "carts carry information on purchases; accidental views do not"
    evidence: ClassVar[str] = "docs/evidence/behaviours.md"

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Needs several kinds of events, one of them the target."""
        profile = context.profile
        if len(profile.kinds) < 2:
            return "all events are of one kind"
        if not profile.target_kind:
            return f"no kind is the target: --target-kind, one of {', '.join(profile.kinds)}"
        return ""

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """The target kind alone, all kinds without one other, and all kinds with weights where the base has them."""
        base, profile = context.base.recommender, context.profile
        target = profile.kinds.index(profile.target_kind)
        if "kind_weights" in {one.name for one in fields(base)}:  # type: ignore[arg-type]
            return [self._propose_weights(base, target, len(profile.kinds))]
        others = [code for code in range(len(profile.kinds)) if code != target]
        subsets = [(target,), *((target, *(code for code in others if code != left)) for left in others)]
        return [
            Candidate(
                "only " + " and ".join(profile.kinds[code] for code in sorted(kinds)),
                SelectedKinds(base, kinds),
                recipe="behaviors",
                reason=self.expects,
                evidence=self.evidence,
            )
            for kinds in dict.fromkeys(subsets)
        ]

    def _propose_weights(self, base: Recommender, target: int, n_kinds: int) -> Candidate:
        """All kinds, with a tuned weight of those that are no target, and a tuned bonus for the user's own events."""

        def make(settings: Mapping[str, float]) -> tuple[Recommender, Plan]:
            weights = [settings["other_weight"]] * n_kinds
            weights[target] = 1.0
            changed = {"kind_weights": tuple(weights), "own_bonus": settings["own_bonus"]}
            return replace(base, **changed), Plan()  # type: ignore[type-var]

        return propose(
            self,
            "other events of weight {other_weight:.2f}, own bonus {own_bonus:.2f}",
            make,
            {"other_weight": 1.0, "own_bonus": 0.1},
            {"other_weight": NumberRange(0.1, 2.0, is_log=True), "own_bonus": NumberRange(0.02, 1.0, is_log=True)},
        )
