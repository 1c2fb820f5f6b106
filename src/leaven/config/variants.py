"""Plans under trial, and the settings of a search for a plan that helps."""

from __future__ import annotations

from dataclasses import dataclass, field

from leaven.augmentation.plan import Plan
from leaven.errors import SpecError
from leaven.protocols import Recommender


@dataclass(frozen=True)
class Variant:
    """One plan under trial."""

    name: str
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True)
class SearchConfig:
    """Settings of a search.

    minutes      time budget
    metric       of a ranked list, one value per user
    recommender  the recommender under trial; None: the best cheap rival
    recipes      kinds of recipes; none: all that apply
    plans        the user's own plans, which race with the others: the variants of a spec
    n_origins    validation periods that score the candidates
    n_seeds      trainings of each finalist, where chance plays a part
    min_effect   smallest relative lift that matters
    n_tuned      settings tried for each of the two leaders that can be tuned; 0: none
    """

    minutes: float = 30.0
    metric: str = "ndcg@10"
    recommender: Recommender | None = None
    recipes: tuple[str, ...] = ()
    plans: tuple[Variant, ...] = ()
    n_origins: int = 2
    n_seeds: int = 3
    min_effect: float = 0.01
    n_tuned: int = 6

    def __post_init__(self) -> None:
        from leaven.metrics.metric_names import parse_ranking_metric

        if not self.minutes > 0:
            raise SpecError("auto.minutes", "more than 0", str(self.minutes), "for example 30")
        for name, value in (("n_origins", self.n_origins), ("n_seeds", self.n_seeds)):
            if value < 1:
                raise SpecError(f"auto.{name}", "1 or more", str(value))
        if self.n_tuned < 0:
            raise SpecError("auto.n_tuned", "0 or more", str(self.n_tuned))
        if not 0 <= self.min_effect < 1:
            raise SpecError("auto.min_effect", "a share in 0..1 (0.01 is 1 %)", str(self.min_effect))
        parse_ranking_metric(self.metric, "auto.metric")
