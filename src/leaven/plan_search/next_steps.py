"""What to do after a search."""

from __future__ import annotations

import math

from leaven.plan_search.search_result import SearchResult
from leaven.stats.effect import HARMED, NOT_ENOUGH_DATA, format_percent


def suggest_next_steps(result: SearchResult) -> list[str]:
    """Commands and data that lead on from the verdict, most useful first."""
    profile, steps = result.profile, []
    if result.has_helped:
        steps += [
            "leaven run best.toml repeats it; leaven export expanded.parquet hands the rows to your own stack",
            "leaven serve answers requests from the trained recommender",
        ]
        return steps
    verdict = result.confirmation.lift.verdict if result.confirmation else NOT_ENOUGH_DATA
    if verdict == HARMED:
        steps.append("leaven sweep best.toml --vary … shows at which dose the plan begins to harm")
    if math.isfinite(result.smallest_lift):
        needed = profile.test_users * (result.smallest_lift / 0.02) ** 2
        if needed > profile.test_users:
            steps.append(
                f"a lift of 2 % needs about {needed:,.0f} test users; this log has {profile.test_users:,}, which show "
                f"{format_percent(result.smallest_lift, signed=False)} and more: use more days, or split.targets = "
                "'all'"
            )
    if not profile.has_text and profile.new_target_share > 0.02:
        steps.append(
            f"{profile.new_target_share:.0%} of the targets are items without a sale in training: a table of items "
            "with texts lets content rank them"
        )
    if not profile.kinds:
        steps.append("views, carts or favourites as further event kinds would add information")
    return steps
