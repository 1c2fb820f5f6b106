"""Parses names of metrics: of rankings ("ndcg@10") and of click predictions ("f1", "f1@0.5")."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

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


@dataclass(frozen=True)
class CtrMetricSpec:
    """A parsed name. kind: key in the registry. threshold: the one in the name; None: chosen on validation data."""

    kind: str
    threshold: float | None = None

    def build_metric(self, validation_threshold: float) -> Any:
        """Return the metric at its own threshold, or at the chosen one."""
        cls = load_kind("ctr_metrics", self.kind)
        if not _has_threshold(cls):
            return cls()
        return cls(threshold=validation_threshold if self.threshold is None else self.threshold)

    @property
    def has_user_values(self) -> bool:
        """Whether the metric has one value per user, so that variants can be compared by it."""
        return hasattr(load_kind("ctr_metrics", self.kind), "of_users")


def parse_ctr_metric(name: str, where: str = "evaluate.metrics") -> CtrMetricSpec:
    """Return the kind and threshold of a name.

    >>> parse_ctr_metric("f1@0.5"), parse_ctr_metric("auc")
    (CtrMetricSpec(kind='f1', threshold=0.5), CtrMetricSpec(kind='auc', threshold=None))

    Raises SpecError for an unknown kind (naming the nearest) and for a threshold that the metric does not have.
    """
    kind, at, text = name.partition("@")
    find_class_path("ctr_metrics", kind, where)
    if not at:
        return CtrMetricSpec(kind)
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1.0
    if not _has_threshold(load_kind("ctr_metrics", kind)):
        raise SpecError(where, f"{kind!r} alone: it has no threshold", repr(name), f"write {kind}")
    if not 0 <= threshold <= 1:
        raise SpecError(where, "a threshold in 0..1", repr(name), f"write for example {kind}@0.5")
    return CtrMetricSpec(kind, threshold)


def parse_ctr_metrics(names: Iterable[str], where: str = "evaluate.metrics") -> dict[str, CtrMetricSpec]:
    """Return name -> parsed name, in the given order."""
    return {name: parse_ctr_metric(name, where) for name in names}


def describe_ctr_metric(name: str) -> str:
    """Return one sentence that explains a metric to a reader of the report.

    >>> describe_ctr_metric("accuracy@0.5")
    'The share of rows whose label is predicted correctly at the threshold (0.5).'
    """
    named = parse_ctr_metric(name, "metric")
    sentence = (inspect.getdoc(load_kind("ctr_metrics", named.kind)) or "").split("\n\n")[0].replace("\n", " ")
    at = "chosen on validation" if named.threshold is None else f"{named.threshold:g}"
    return sentence.replace("at the threshold", f"at the threshold ({at})")


def _has_threshold(cls: Any) -> bool:
    return any(one.name == "threshold" for one in fields(cls))
