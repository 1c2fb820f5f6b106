"""Metric names are parsed, and invalid ones raise helpful errors."""

import pytest

from leaven.errors import SpecError
from leaven.metrics.metric_names import (
    describe_ranking_metric,
    is_catalog_metric,
    parse_catalog_metric,
    parse_ranking_metric,
    parse_ranking_metrics,
)
from leaven.metrics.ranking.beyond_accuracy import Coverage
from leaven.metrics.ranking.list_metrics import Mrr, Ndcg
from leaven.registry import list_kinds


def test_a_name_is_a_kind_and_a_length() -> None:
    assert parse_ranking_metric("ndcg@10") == Ndcg(10)
    assert parse_ranking_metric("mrr@5") == Mrr(5)
    assert parse_catalog_metric("coverage@20") == Coverage(20)


def test_catalog_metrics_are_separated() -> None:
    metrics = parse_ranking_metrics(["ndcg@10", "coverage@20", "novelty@5"])
    assert list(metrics.per_user) == ["ndcg@10", "novelty@5"]
    assert list(metrics.catalog) == ["coverage@20"]
    assert metrics.max_k == 20


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ndgc@10", "did you mean 'ndcg'"),
        ("ndcg", "ndcg@10"),
        ("ndcg@ten", "ndcg@10"),
        ("ndcg@0", "ndcg@10"),
        ("ndcg@-3", "ndcg@10"),
        ("coverage@10", "parse_catalog"),
    ],
)
def test_an_invalid_name_raises_an_error_with_a_fix(name, hint) -> None:
    with pytest.raises(SpecError, match=hint):
        parse_ranking_metric(name)


def test_a_metric_per_user_is_no_catalog_metric() -> None:
    with pytest.raises(SpecError, match="read it with parse"):
        parse_catalog_metric("mrr@5")


@pytest.mark.parametrize("kind", list_kinds("metrics"))
def test_every_metric_explains_itself_in_a_sentence(kind) -> None:
    assert describe_ranking_metric(f"{kind}@7").endswith(".")
    assert "{" not in describe_ranking_metric(f"{kind}@7")


def test_every_name_is_found_by_what_it_returns() -> None:
    assert [kind for kind in list_kinds("metrics") if is_catalog_metric(f"{kind}@5")] == ["coverage", "gini"]
