"""The contract of recipes: plans and settings that help under known conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from leaven.augmentation import Plan
from leaven.errors import SpecError
from leaven.plan_search.candidates import Candidate, NumberRange
from leaven.plan_search.search_profile import SearchProfile
from leaven.protocols import Recommender
from leaven.registry import create_config, find_kind, list_kinds


@dataclass(frozen=True)
class RecipeContext:
    """What a recipe builds on.

    profile  of the log
    base     the recommender under trial without augmentation: the best cheap rival, or the user's choice
    rivals   all cheap rivals that could be trained, best first
    is_trained_in_steps  whether the recommender under trial takes optimizer steps
    """

    profile: SearchProfile
    base: Candidate
    rivals: Sequence[Candidate]
    is_trained_in_steps: bool = False


class Recipe(Protocol):
    """Proposes candidates for a log.

    expects   what it is expected to change, one sentence
    evidence  page of the documentation with measurements on real logs; "" for none
    """

    expects: ClassVar[str]
    evidence: ClassVar[str]

    def explain_unsuitable(self, context: RecipeContext) -> str:
        """Why it does not apply to this log; "" where it does."""
        ...

    def build_candidates(self, context: RecipeContext) -> list[Candidate]:
        """Its candidates, named after its kind."""
        ...


@dataclass(frozen=True)
class RecipeChoice:
    """candidates: of all recipes that apply; left_out: kind of a recipe -> why it was left out."""

    candidates: Sequence[Candidate]
    left_out: dict[str, str]


def choose_recipes(context: RecipeContext, kinds: Sequence[str] = ()) -> RecipeChoice:
    """Candidates of the recipes that apply. kinds: recipes to consider; none: all that are registered.

    Raises SpecError for an unknown kind.
    """
    candidates: list[Candidate] = []
    left_out: dict[str, str] = {}
    for kind in kinds or list_kinds("recipes"):
        try:
            recipe: Any = create_config("recipes", kind)
            reason = recipe.explain_unsuitable(context)
            proposed = [] if reason else recipe.build_candidates(context)
        except SpecError:
            raise
        except Exception as error:  # a recipe of a plug-in, or of an extra that is not installed
            reason, proposed = f"{type(error).__name__}: {error}".splitlines()[0], []
        candidates += proposed
        if reason or not proposed:
            left_out[kind] = reason or "no candidate for this recommender"
    return RecipeChoice(candidates, left_out)


def propose(
    recipe: Recipe,
    label: str,
    make: Callable[[Mapping[str, float]], tuple[Recommender, Plan]],
    start: Mapping[str, float],
    space: Mapping[str, NumberRange],
) -> Candidate:
    """A candidate whose numeric settings a search tunes.

    label  its name, with the settings as format fields: "half-life {half_life_days:.3g} days"
    make   settings -> recommender and plan
    start  the settings of the first candidate
    """

    def build(settings: Mapping[str, float]) -> Candidate:
        recommender, plan = make(settings)
        name, kind = label.format(**settings), find_kind("recipes", recipe)
        return Candidate(name, recommender, plan, kind, recipe.expects, recipe.evidence, space, build)

    return build(start)
