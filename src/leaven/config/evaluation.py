"""Configs of the evaluation of variants, declared before the results are known."""

from __future__ import annotations

from dataclasses import dataclass

from leaven import registry
from leaven.errors import SpecError
from leaven.metrics.metric_names import parse_ctr_metrics
from leaven.protocols import Transform

CTR_METRICS = (
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
class EvaluationConfig:
    """Evaluation of the ranking task.

    metrics        names with the length of the list; the first one decides
    seeds          trainings of each variant
    min_effect     smallest relative lift that matters
    allow_repeats  whether items of the user's history may be recommended, and count
    steps          optimizer steps of every variant; none: the recommender's default for the real rows
    views          test-time augmentation: each test history is ranked unchanged and in views - 1 changed forms, and
                   items are listed by their mean score (experiment/test_time_augmentation.py); 1: only unchanged
    view           transform of the changed forms; none: drop
    """

    metrics: tuple[str, ...] = ("ndcg@10", "recall@10", "mrr@10", "coverage@10")
    seeds: int = 3
    min_effect: float = 0.01
    allow_repeats: bool = False
    steps: int | None = None
    views: int = 1
    view: Transform | None = None

    def __post_init__(self) -> None:
        from leaven.metrics.metric_names import is_catalog_metric, parse_ranking_metrics

        if not self.metrics or is_catalog_metric(self.metrics[0]):
            raise SpecError("evaluate.metrics", "a metric with one value per user first", str(self.metrics), "ndcg@10")
        parse_ranking_metrics(self.metrics)
        check_common(self.seeds, self.min_effect, self.steps)
        if self.views < 1:
            raise SpecError("evaluate.views", "1 (off) or more", str(self.views))
        if self.views > 1 and self.view is None:
            object.__setattr__(self, "view", registry.create_config("transforms", "drop"))
        if self.views == 1 and self.view is not None:
            raise SpecError("evaluate.view", "2 views or more", "views = 1", "add views = 4 to [evaluate]")


@dataclass(frozen=True)
class CtrEvaluationConfig:
    """Evaluation of the click prediction task.

    metrics     names; the first one decides. f1, precision, recall and accuracy use the threshold of the best F1 on
                validation, "f1@0.5" the given threshold
    seeds       trainings of each variant
    min_effect  smallest relative lift that matters
    steps       optimizer steps of every variant; none: the model's default for the real rows
    """

    metrics: tuple[str, ...] = CTR_METRICS
    seeds: int = 3
    min_effect: float = 0.005
    steps: int | None = None

    def __post_init__(self) -> None:
        named = parse_ctr_metrics(self.metrics)
        if not named or not next(iter(named.values())).has_user_values:
            got = str(self.metrics[:1] or "none")
            raise SpecError("evaluate.metrics", "a metric with one value per user first", got, "auc")
        check_common(self.seeds, self.min_effect, self.steps)


def check_common(seeds: int, min_effect: float, steps: int | None) -> None:
    """Raises SpecError for a value that no task allows."""
    if seeds < 1:
        raise SpecError("evaluate.seeds", "1 or more", str(seeds))
    if not 0 <= min_effect < 1:
        raise SpecError("evaluate.min_effect", "a share in 0..1 (0.01 is 1 %)", str(min_effect))
    if steps is not None and steps < 1:
        raise SpecError("evaluate.steps", "1 or more", str(steps))
