"""Paired comparisons of variants: per user, over seeds, with training noise."""

from leaven.stats.effect import HARMED, HELPED, NO_DIFFERENCE, TOO_LITTLE, Effect, Question
from leaven.stats.ranking_comparison import Comparison, as_facts, compare, with_groups
from leaven.stats.run_diff import RunComparison, compare_runs
from leaven.stats.verdict import headline, words

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
