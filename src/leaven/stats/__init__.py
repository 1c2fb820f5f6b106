"""Paired comparisons of variants: per user, over seeds, with training noise."""

from leaven.stats.effect import HARMED, HELPED, NO_DIFFERENCE, NOT_ENOUGH_DATA, ComparisonConfig, Effect
from leaven.stats.ranking_comparison import (
    Comparison,
    add_segments,
    build_facts,
    compare_variants,
    find_small_groupings,
    pool_small_groups,
)
from leaven.stats.run_diff import RunComparison, compare_runs
from leaven.stats.verdict import build_headline, build_summary

__all__ = [
    "HARMED",
    "HELPED",
    "NOT_ENOUGH_DATA",
    "NO_DIFFERENCE",
    "Comparison",
    "ComparisonConfig",
    "Effect",
    "RunComparison",
    "add_segments",
    "build_facts",
    "build_headline",
    "build_summary",
    "compare_runs",
    "compare_variants",
    "find_small_groupings",
    "pool_small_groups",
]
