"""Measures age-weighted rows and a prior of recent popularity; `python -m bench.evidence drift` writes the page.

The half-life is chosen by the mean relative gain over several validation dates: one date misleads where tastes drift.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.paired_tables import DRAWS, format_variants
from bench.real_logs import RealLog, load_beauty_by_time, load_retail_by_time, locate_data
from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import FittedRecommender, TrainingContext
from leaven.recommenders.popularity import Popularity
from leaven.recommenders.rank_fusion import RankFusion
from leaven.recommenders.recent_popularity import RecentPopularity
from leaven.recommenders.sparse_linear import SparseLinear
from leaven.splits.log_splits import TimeSplit, split

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "drift.md"
HALF_LIVES: tuple[float | None, ...] = (None, 730.0, 365.0, 180.0, 90.0, 45.0, 20.0)
PRIORS: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.4)
SHARES = (0.1, 0.2, 0.3)
"""Shares of the training events after the validation dates that precede the last one."""
Values = npt.NDArray[np.float64]


def list_dates(log: RealLog) -> list[tuple[Histories, HeldOut]]:
    """Return (training rows, validation users) of several dates; the last is that of the split."""
    earlier = [split(log.train, TimeSplit(valid_share=0.1, test_share=share, control_share=0.0), 1) for share in SHARES]
    return [(log.train, log.valid), *((parts.train, parts.valid) for parts in earlier)]


def evaluate(fitted: FittedRecommender, part: HeldOut, train: Histories) -> Values:
    """Return NDCG@10 of each user."""
    return Ndcg(10)(fitted.recommend(part.histories, 10), part, train)


def measure_log(log: RealLog) -> list[str]:
    """Return the section of one log."""
    dates = list_dates(log)
    context = TrainingContext(key=1)
    table = np.array(
        [
            [
                float(evaluate(SparseLinear(half_life_days=days).fit(train, context), valid, train).mean())
                for train, valid in dates
            ]
            for days in HALF_LIVES
        ]
    )
    gains = (table / table[0] - 1).mean(axis=1)
    chosen, single = HALF_LIVES[int(gains.argmax())], HALF_LIVES[int(table[:, 0].argmax())]
    fused = np.array(
        [
            [
                float(evaluate(build_prior(chosen, prior).fit(train, context), valid, train).mean())
                for train, valid in dates
            ]
            for prior in PRIORS
        ]
    )
    prior = PRIORS[int((fused / fused[0] - 1).mean(axis=1).argmax())]
    variants: dict[str, Any] = {
        "popularity": Popularity(),
        "recent_popularity": RecentPopularity(),
        "sparse_linear, all rows alike": SparseLinear(),
        f"half-life {format_days(chosen)}, chosen on {len(dates)} dates": SparseLinear(half_life_days=chosen),
        f"half-life {format_days(single)}, chosen on the last date": SparseLinear(half_life_days=single),
        f"the first, fused with recent popularity, weight {prior:g}": build_prior(chosen, prior),
    }
    values = {name: evaluate(one.fit(log.train, context), log.test, log.train)[None] for name, one in variants.items()}
    lines = [f"## {log.name}", "", *format_variants(values, ("sparse_linear, all rows alike",)), ""]
    heads = " | ".join(["last date", *(f"{share:.0%} of the training events later" for share in SHARES)])
    lines += [f"| half-life | {heads} | mean gain |", "|---|---|" + "---|" * len(dates)]
    for days, row, gain in zip(HALF_LIVES, table, gains, strict=True):
        lines.append(f"| {format_days(days)} | {' | '.join(f'{value:.4f}' for value in row)} | {gain:+.1%} |")
    return [*lines, ""]


def build_prior(half_life_days: float | None, weight: float) -> RankFusion:
    """Return the linear model fused with recent popularity."""
    return RankFusion(SparseLinear(half_life_days=half_life_days), RecentPopularity(), second_weight=weight)


def format_days(days: float | None) -> str:
    """Return a half-life as text."""
    return "none" if days is None else f"{days:g} days"


def main() -> None:
    """Write docs/evidence/drift.md and print it."""
    if not (locate_data() / "beauty").exists():
        print(f"skipped: {locate_data() / 'beauty'} is missing (LEAVEN_DATA)")
        return
    loads: tuple[Callable[[], RealLog], ...] = (load_beauty_by_time, load_retail_by_time)
    lines = [
        "# Drift: age-weighted rows and recent popularity",
        "",
        "`half_life_days` halves the weight of a training row for each such span before the end of the data;",
        "`rank_fusion` with `recent_popularity` adds a prior. Both are chosen on validation users, by the mean",
        "relative gain over several dates; the choice of the last date alone is shown next to it. NDCG@10 on test;",
        f"differences are paired per user, intervals resample users ({DRAWS:,} draws).",
        "",
        "Written by `python -m bench.evidence drift`.",
        "",
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    for load in loads:
        lines += measure_log(load())
        PAGE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
