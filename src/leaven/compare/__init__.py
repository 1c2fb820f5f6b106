"""Did it help? Paired, per user, over seeds."""

from leaven.compare.comparison import Comparison, as_facts, compare, with_groups
from leaven.compare.effect import HARMED, HELPED, NO_DIFFERENCE, TOO_LITTLE, Effect, Question
from leaven.compare.summary import headline, words
from leaven.compare.two_runs import RunComparison, compare_runs

__all__ = [
    "HARMED",
    "HELPED",
    "NO_DIFFERENCE",
    "TOO_LITTLE",
    "Comparison",
    "Effect",
    "Question",
    "RunComparison",
    "as_facts",
    "compare",
    "compare_runs",
    "headline",
    "with_groups",
    "words",
]
