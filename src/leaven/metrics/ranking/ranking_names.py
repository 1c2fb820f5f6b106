"""Which metric does a name such as "ndcg@10" mean?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from leaven.errors import SpecError
from leaven.metrics.ranking.beyond_accuracy import CatalogMetric
from leaven.protocols import RankingMetric
from leaven.registry import found, place


@dataclass(frozen=True)
class Metrics:
    """The metrics of one evaluation. per_user: name -> one value a user; catalog: name -> one number."""

    per_user: Mapping[str, RankingMetric]
    catalog: Mapping[str, CatalogMetric]

    @property
    def longest(self) -> int:
        """How many items a user must be recommended for all of them."""
        return max((int(getattr(m, "k", 1)) for m in (*self.per_user.values(), *self.catalog.values())), default=1)


def parse(name: str, where: str = "evaluate.metrics") -> RankingMetric:
    """The metric that a name means, one value per user.

    >>> parse("ndcg@10")
    Ndcg(k=10)

    Raises SpecError for an unknown kind (naming the nearest), a length that is no positive number,
    and for metrics of the whole catalogue, which have no value per user.
    """
    if is_catalog(name, where):
        raise SpecError(where, "a metric with a value per user", name, "read it with parse_catalog")
    return cast(RankingMetric, _made(name, where))


def parse_catalog(name: str, where: str = "evaluate.metrics") -> CatalogMetric:
    """The metric of the whole catalogue that a name means: `coverage@10`, `gini@10`."""
    if not is_catalog(name, where):
        raise SpecError(where, "a metric of the whole catalogue", name, "read it with parse")
    return cast(CatalogMetric, _made(name, where))


def parse_all(names: Iterable[str], where: str = "evaluate.metrics") -> Metrics:
    """All metrics of an evaluation, told apart by what they return.

    >>> parse_all(["ndcg@10", "coverage@20"]).longest
    20
    """
    named = list(names)
    catalog = {name: parse_catalog(name, where) for name in named if is_catalog(name, where)}
    return Metrics({name: parse(name, where) for name in named if name not in catalog}, catalog)


def is_catalog(name: str, where: str = "evaluate.metrics") -> bool:
    """Whether a name means one number for all lists together."""
    return bool(getattr(found("metrics", _split(name, where)[0], where), "of_catalog", False))


def meaning(name: str) -> str:
    """One sentence that explains a metric to anyone; empty where the metric has none.

    >>> meaning("coverage@10")
    'The share of the catalogue that appears in at least one list of 10.'
    """
    metric: Any = _made(name, "metric")
    return str(getattr(metric, "meaning", "")).format(k=getattr(metric, "k", ""))


def _split(name: str, where: str) -> tuple[str, int]:
    kind, _, length = name.partition("@")
    place("metrics", kind, where)
    if not length.isdecimal() or int(length) < 1:
        raise SpecError(where, "a metric with the length of the list", repr(name), f"write for example {kind}@10")
    return kind, int(length)


def _made(name: str, where: str) -> Any:
    kind, k = _split(name, where)
    return found("metrics", kind, where)(k=k)
