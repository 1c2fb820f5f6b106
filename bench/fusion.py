"""Measures rank fusion of cheap models on four sequence logs; `python -m bench.evidence fusion` writes the page.

Pair, order and weight are chosen on validation users. Lists of each model are computed once.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.backtests import take_evenly
from bench.paired_tables import DRAWS, format_variants
from bench.real_logs import LOGS, RealLog, is_data_missing
from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import RankedItems, Recommender, TrainingContext
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.rank_fusion import CANDIDATE_WEIGHTS, RankFusion, fuse_lists
from leaven.recommenders.sparse_linear import SparseLinear
from leaven.recommenders.time_linear import TimeLinear

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "fusion.md"
MODELS: dict[str, Recommender] = {
    "item_knn": ItemKnn(),
    "sparse_linear": SparseLinear(),
    "time_linear": TimeLinear(),
}
NAMES = ("beauty_time", "retail_time", "beauty_loo", "sports_loo")
MAX_USERS, DEPTH, K = 8000, 200, 10
OFFSET = RankFusion().offset
TRIED = """## What was tried

Weighted sums of scores in place of ranks, scaled by each user's first score, by the mean first score, or by its square
root, were compared on the first three logs during development, not by this command: no better than ranks. So cheap
models that see the same events add 1.6 to 3.1 % to each other, below the goal of 5 %. A model that sees other
information adds more: [texts and dates](cold_items.md).
"""
Items = npt.NDArray[np.int32]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """Users, and the list of each model for them, int32 (users, depth)."""

    users: HeldOut
    train: Histories
    lists: dict[str, Items]

    def evaluate(self, items: Items) -> Values:
        """Return NDCG@10 of each user."""
        ranked = RankedItems(items[:, :K], np.zeros((len(items), K), np.float32))
        return Ndcg(K)(ranked, self.users, self.train)

    def fuse(self, names: tuple[str, ...], weight: float) -> Items:
        """Return the fused lists; every further list has the weight of the second."""
        fused = self.lists[names[0]]
        for name in names[1:]:
            fused = fuse_lists((fused, self.lists[name]), DEPTH, weight, OFFSET).items
        return fused


@dataclass(frozen=True)
class Choice:
    """Fused models, the weight of the second, and the mean NDCG@10 on validation users."""

    names: tuple[str, ...]
    weight: float
    value: float


def rank_parts(log: RealLog) -> tuple[Part, Part]:
    """Return the lists of validation and of test users."""
    users = [take_evenly(part, MAX_USERS) for part in (log.valid, log.test)]
    parts = [Part(one, log.train, {}) for one in users]
    for name, config in MODELS.items():
        fitted = config.fit(log.train, TrainingContext(key=1))
        for part in parts:
            part.lists[name] = fitted.recommend(part.users.histories, DEPTH).items
        print(f"{log.name}: {name}", file=sys.stderr, flush=True)
    return parts[0], parts[1]


def list_choices(valid: Part) -> list[Choice]:
    """Return the best weight of each pair in both orders, and of all three with the first before the others."""
    found = []
    groups = [pair for both in combinations(MODELS, 2) for pair in (both, both[::-1])]
    groups += [(first, *(name for name in MODELS if name != first)) for first in MODELS]
    for names in groups:
        means = [float(valid.evaluate(valid.fuse(names, weight)).mean()) for weight in CANDIDATE_WEIGHTS]
        best = int(np.argmax(means))
        found.append(Choice(names, CANDIDATE_WEIGHTS[best], means[best]))
    return found


def format_log(log: RealLog) -> list[str]:
    """Return the section of one log."""
    start = time.process_time()
    valid, test = rank_parts(log)
    single = {name: float(valid.evaluate(valid.lists[name]).mean()) for name in MODELS}
    rival = max(single, key=lambda name: single[name])
    choices = list_choices(valid)
    best = max(choices, key=lambda one: one.value)
    values = {name: test.evaluate(test.lists[name])[None] for name in MODELS}
    for choice in choices:
        mark = ", chosen" if choice is best else ""
        name = f"{' + '.join(choice.names)}, weight {choice.weight:g}{mark}"
        values[name] = test.evaluate(test.fuse(choice.names, choice.weight))[None]
    return [
        f"## {log.name}",
        "",
        f"{len(test.users.histories):,} test users. {rival} is the best model of the validation users, where the",
        f"chosen fusion gains {best.value / single[rival] - 1:.1%}. {time.process_time() - start:.0f} CPU seconds.",
        "",
        *format_variants(values, (rival,)),
        "",
    ]


def main() -> None:
    """Write docs/evidence/fusion.md and print it."""
    if is_data_missing():
        return
    lines = [
        "# Rank fusion of cheap models",
        "",
        "`rank_fusion` merges the lists of two models by reciprocal rank. Models have their defaults; pair and weight",
        f"are chosen on validation users. At most {MAX_USERS:,} users of each part; all items are ranked.",
        f"Differences are paired per user; intervals resample users ({DRAWS:,} draws). Three models: the third is",
        "fused with the list of the first two.",
        "",
        "Written by `python -m bench.evidence fusion`. A network as one of the two: [Beauty](../results/beauty.md).",
        "Soft targets of a teacher in training were not measured.",
        "",
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        lines += format_log(LOGS[name]())
        PAGE.write_text("\n".join([*lines, TRIED]), encoding="utf-8")
    print("\n".join(lines))
