"""How are arms judged, declared before looking?"""

from __future__ import annotations

from dataclasses import dataclass

from leaven import registry
from leaven.errors import SpecError
from leaven.metrics.ctr.ctr_names import parse_all
from leaven.protocols import Transform

CLICK_METRICS = (
    "auc",
    "user_auc",
    "information_gain",
    "f1",
    "precision",
    "recall",
    "accuracy",
    "f1@0.5",
    "precision@0.5",
    "recall@0.5",
    "accuracy@0.5",
    "average_precision",
    "log_loss",
    "calibration_error",
)


@dataclass(frozen=True)
class Evaluate:
    """How arms are judged, declared before looking.

    metrics        names with the length of the list; the first is the one that decides
    seeds          trainings of each arm
    smallest_lift  relative: the smallest lift that matters
    allow_repeats  whether items that a user already had may be recommended, and count
    steps          optimiser steps of every arm; none: what the recommender finds right for the real rows
    views          test-time augmentation: each test history is ranked as it is and in views - 1 changed forms, and
                   items are listed by their mean score (experiment/test_time_augmentation.py); 1: only as it is
    view           the transform that gives the changed forms; none: drop
    """

    metrics: tuple[str, ...] = ("ndcg@10", "recall@10", "mrr@10", "coverage@10")
    seeds: int = 3
    smallest_lift: float = 0.01
    allow_repeats: bool = False
    steps: int | None = None
    views: int = 1
    view: Transform | None = None

    def __post_init__(self) -> None:
        from leaven.metrics.ranking.ranking_names import is_catalog, parse_all

        if not self.metrics or is_catalog(self.metrics[0]):
            raise SpecError("evaluate.metrics", "a metric with a value per user first", str(self.metrics), "ndcg@10")
        parse_all(self.metrics)
        check(self.seeds, self.smallest_lift, self.steps)
        if self.views < 1:
            raise SpecError("evaluate.views", "1 (off) or more", str(self.views))
        if self.views > 1 and self.view is None:
            object.__setattr__(self, "view", registry.made("transforms", "drop"))
        if self.views == 1 and self.view is not None:
            raise SpecError("evaluate.view", "2 views or more", "views = 1", "add views = 4 to [evaluate]")


@dataclass(frozen=True)
class EvaluateClicks:
    """How arms of a click model are judged.

    metrics        names; the first is the one that decides. f1, precision, recall and accuracy stand at the threshold
                   of best F1 on validation, "f1@0.5" at the one that is named
    seeds          trainings of each arm
    smallest_lift  relative: the smallest lift that matters
    steps          optimiser steps of every arm; none: what the model finds right for the real rows
    """

    metrics: tuple[str, ...] = CLICK_METRICS
    seeds: int = 3
    smallest_lift: float = 0.005
    steps: int | None = None

    def __post_init__(self) -> None:
        named = parse_all(self.metrics)
        if not named or not next(iter(named.values())).per_user:
            got = str(self.metrics[:1] or "none")
            raise SpecError("evaluate.metrics", "a metric with a value per user first", got, "auc")
        check(self.seeds, self.smallest_lift, self.steps)


def check(seeds: int, smallest_lift: float, steps: int | None) -> None:
    """SpecError for a value that no task allows."""
    if seeds < 1:
        raise SpecError("evaluate.seeds", "1 or more", str(seeds))
    if not 0 <= smallest_lift < 1:
        raise SpecError("evaluate.smallest_lift", "a share in 0..1 (0.01 is 1 %)", str(smallest_lift))
    if steps is not None and steps < 1:
        raise SpecError("evaluate.steps", "1 or more", str(steps))
