"""Measures age-weighted rows, training windows and recent popularity; `python -m bench.evidence drift`.

Every setting is chosen by its mean relative gain over several backtests: one date misleads where tastes drift.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.backtests import Backtest, evaluate, list_backtests, select_events
from bench.paired_tables import DRAWS, format_variants
from bench.real_logs import RealLog, is_data_missing, load_beauty_by_time, load_retail_by_time
from leaven.datasets.histories import HeldOut, Histories
from leaven.encoders.tfidf import TfIdf
from leaven.protocols import Recommender
from leaven.recommenders.content_fusion import ContentFusion
from leaven.recommenders.popularity import Popularity, RecentPopularity
from leaven.recommenders.rank_fusion import RankFusion
from leaven.recommenders.sparse_linear import SparseLinear
from leaven.recommenders.time_linear import TimeLinear

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "drift.md"
BASES: Mapping[str, SparseLinear | TimeLinear] = {"sparse_linear": SparseLinear(), "time_linear": TimeLinear()}
DAYS = (365.0, 180.0, 90.0)
PRIORS = (0.3,)
SCORE_PRIORS = (0.5, 1.5)
PRIOR_DAYS = (7.0, 30.0)
_DAY = 86_400
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A recommender and the span of training events that it reads; None: all."""

    name: str
    config: Recommender
    window_days: float | None = None

    def evaluate(self, train: Histories, users: HeldOut) -> Values:
        """Return NDCG@10 of each user."""
        if self.window_days is not None:
            train = select_events(train, train.times > train.times.max() - self.window_days * _DAY)
        return evaluate(self.config, train, users)


@dataclass(frozen=True, eq=False)
class Search:
    """Mean NDCG@10 of each setting on each backtest, float64 (settings, backtests); the first setting is the rival."""

    settings: list[Setting]
    table: Values

    @property
    def gains(self) -> Values:
        """Mean relative gain of each setting over the first one."""
        return np.asarray((self.table / self.table[0] - 1).mean(axis=1))

    def choose(self) -> Setting:
        """Return the setting of the highest mean gain; the first among equals."""
        return self.settings[int(self.gains.argmax())]

    def choose_by_latest(self) -> Setting:
        """Return the best setting of the latest backtest alone."""
        return self.settings[int(self.table[:, 0].argmax())]

    def format_rows(self, first: int = 0) -> Iterator[str]:
        """Yield a table row for each setting from the given one on."""
        for setting, row, gain in list(zip(self.settings, self.table, self.gains, strict=True))[first:]:
            yield f"| {setting.name} | {' | '.join(f'{value:.4f}' for value in row)} | {gain:+.1%} |"


def search(settings: list[Setting], backtests: list[Backtest], first_row: Values | None = None) -> Search:
    """Return the means of all settings on all backtests; first_row: those of the first setting, where known."""
    means = [] if first_row is None else [first_row]
    for one in settings[len(means) :]:
        means.append(np.array([one.evaluate(date.train, date.users).mean() for date in backtests]))
    return Search(settings, np.array(means))


def list_families(base: str, span_days: float) -> dict[str, list[Setting]]:
    """Return the settings of each family; spans longer than the log are left out."""
    config = BASES[base]
    days = [one for one in DAYS if one < span_days]
    return {
        "age-weighted rows": [
            Setting(f"{base}, half-life of rows {one:g} days", replace(config, half_life_days=one)) for one in days
        ],
        "training window": [Setting(f"{base}, events of the last {one:g} days", config, one) for one in days],
        "recent popularity": [
            Setting(
                f"{base} + {weight:g} rank of recent popularity, half-life {one:g} days",
                RankFusion(config, RecentPopularity(one), second_weight=weight),
            )
            for one in PRIOR_DAYS
            for weight in PRIORS
        ],
        "recent popularity, added to scores": [
            Setting(
                f"{base} + {weight:g} log recent popularity, half-life {one:g} days", add_prior(config, weight, one)
            )
            for one in PRIOR_DAYS[1:]
            for weight in SCORE_PRIORS
        ],
    }


def add_prior(config: Recommender, weight: float, half_life_days: float) -> ContentFusion:
    """Return the recommender with recent popularity added to its scores; texts have no weight."""
    weights = {"content_weight": 0.0, "neighbor_weight": 0.0, "rarity_power": 0.0, "recent_weight": weight}
    words = TfIdf(character_ngrams=(0, 0))
    return replace(ContentFusion(config, words, half_life_days=half_life_days), **weights)


def measure_log(log: RealLog) -> list[str]:
    """Return the section of one log."""
    start = time.process_time()
    backtests = list_backtests(log)
    span = float(log.train.times.max() - log.train.times.min()) / _DAY
    rivals = search([Setting(name, config) for name, config in BASES.items()], backtests)
    base = rivals.choose()
    row = rivals.table[rivals.settings.index(base)]
    found = {family: search([base, *one], backtests, row) for family, one in list_families(base.name, span).items()}
    rankers = {"popularity": Popularity(), "recent_popularity": RecentPopularity(), **BASES}
    variants = {name: Setting(name, config) for name, config in rankers.items()}
    for family, one in found.items():
        variants[f"{family}: {one.choose().name}"] = one.choose()
        variants[f"{family}, latest date alone: {one.choose_by_latest().name}"] = one.choose_by_latest()
    distinct = {setting: setting.evaluate(log.train, log.test)[None] for setting in set(variants.values())}
    values = {name: distinct[setting] for name, setting in variants.items()}
    heads = " | ".join(["validation users", "earlier date", "earliest date"])
    lines = [f"## {log.name}", "", *format_variants(values, (base.name,)), ""]
    lines += [f"The rival, {base.name}, is the better linear model of the backtests. Choosing and testing took"]
    lines += [f"{time.process_time() - start:.0f} CPU seconds.", ""]
    lines += [f"| setting, NDCG@10 of backtests | {heads} | mean gain |", "|---|---|---|---|---|"]
    lines += rivals.format_rows()
    for one in found.values():
        lines += one.format_rows(first=1)
    return [*lines, ""]


def main() -> None:
    """Write docs/evidence/drift.md and print it."""
    if is_data_missing():
        return
    lines = [
        "# Drift: age of rows and recent popularity",
        "",
        "Three ways to follow tastes that change: `half_life_days` halves the weight of a training row for each such",
        "span before the end of the data; a training window drops older events; `rank_fusion` with",
        "`recent_popularity` adds what sells now. Settings are chosen by the mean relative gain over three backtests",
        "(`bench/backtests.py`): earlier dates of the log with the gap of the test, one validation period between the",
        "last training event and the first target. The choice of the latest date alone is shown next to it.",
        f"NDCG@10 on test users; differences are paired per user, intervals resample users ({DRAWS:,} draws).",
        "Added to scores in place of ranks, recent popularity is the term of `content_fusion` without its texts.",
        "Targets of the next days were not measured: the linear models here have no such targets.",
        "",
        "Written by `python -m bench.evidence drift`.",
        "",
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    for load in (load_beauty_by_time, load_retail_by_time):
        lines += measure_log(load())
        PAGE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
