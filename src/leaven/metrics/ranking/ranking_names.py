"""Parses names of ranking metrics such as "ndcg@10"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from leaven.errors import SpecError
from leaven.metrics.ranking.beyond_accuracy import CatalogMetric
from leaven.protocols import RankingMetric
from leaven.registry import find_class_path, load_kind


@dataclass(frozen=True)
class RankingMetrics:
    """The metrics of one evaluation. per_user: name -> one value per user; catalog: name -> one number."""

    per_user: Mapping[str, RankingMetric]
    catalog: Mapping[str, CatalogMetric]

    @property
    def max_k(self) -> int:
        """The list length that all metrics need."""
        return max(1, *(metric.k for metric in self.per_user.values()), *(metric.k for metric in self.catalog.values()))


def parse_ranking_metric(name: str, where: str = "evaluate.metrics") -> RankingMetric:
    """Return the metric of a name, one value per user.

    >>> parse_ranking_metric("ndcg@10")
    Ndcg(k=10)

    Raises SpecError for an unknown kind (naming the nearest), a length that is no positive number, and for metrics of
    the whole catalog, which have no value per user.
    """
    if is_catalog_metric(name, where):
        raise SpecError(where, "a metric with a value per user", name, "read it with parse_catalog")
    return cast(RankingMetric, _build_metric(name, where))


def parse_catalog_metric(name: str, where: str = "evaluate.metrics") -> CatalogMetric:
    """Return the metric of the whole catalog of a name such as `coverage@10` or `gini@10`."""
    if not is_catalog_metric(name, where):
        raise SpecError(where, "a metric of the whole catalog", name, "read it with parse")
    return cast(CatalogMetric, _build_metric(name, where))


def parse_ranking_metrics(names: Iterable[str], where: str = "evaluate.metrics") -> RankingMetrics:
    """Return all metrics of an evaluation, separated by what they return.

    >>> parse_ranking_metrics(["ndcg@10", "coverage@20"]).max_k
    20
    """
    named = list(names)
    catalog = {name: parse_catalog_metric(name, where) for name in named if is_catalog_metric(name, where)}
    return RankingMetrics({name: parse_ranking_metric(name, where) for name in named if name not in catalog}, catalog)


def is_catalog_metric(name: str, where: str = "evaluate.metrics") -> bool:
    """Return whether a metric is one number for all lists together."""
    return bool(load_kind("metrics", _split_name(name, where)[0], where).of_catalog)


def describe_ranking_metric(name: str) -> str:
    """Return one sentence that explains a metric to a reader of the report.

    >>> describe_ranking_metric("coverage@10")
    'The share of the catalog that appears in at least one list of 10.'
    """
    metric = _build_metric(name, "metric")
    return metric.meaning.format(k=metric.k)


def _split_name(name: str, where: str) -> tuple[str, int]:
    kind, _, length = name.partition("@")
    find_class_path("metrics", kind, where)
    if not length.isdecimal() or int(length) < 1:
        raise SpecError(where, "a metric with the length of the list", repr(name), f"write for example {kind}@10")
    return kind, int(length)


def _build_metric(name: str, where: str) -> RankingMetric | CatalogMetric:
    kind, k = _split_name(name, where)
    return cast(RankingMetric | CatalogMetric, load_kind("metrics", kind, where)(k=k))
