"""Search of the plan that helps on a log: recipes, a paired race, one confirmation on test users."""

from leaven.config import SearchConfig
from leaven.plan_search.candidates import Candidate, NumberRange, Rung, Score
from leaven.plan_search.race import Race, RaceConfig, RaceResult, Standing
from leaven.plan_search.recipe import Recipe, RecipeContext
from leaven.plan_search.run_search import run_search, search_split
from leaven.plan_search.search_profile import SearchProfile
from leaven.plan_search.search_result import SearchResult

__all__ = [
    "Candidate",
    "NumberRange",
    "Race",
    "RaceConfig",
    "RaceResult",
    "Recipe",
    "RecipeContext",
    "Rung",
    "Score",
    "SearchConfig",
    "SearchProfile",
    "SearchResult",
    "Standing",
    "run_search",
    "search_split",
]
