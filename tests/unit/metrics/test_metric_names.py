"""Metric names are parsed, and invalid ones raise helpful errors."""

import pytest

from leaven.errors import SpecError
from leaven.metrics.ranking.beyond_accuracy import Coverage
from leaven.metrics.ranking.list_metrics import Mrr, Ndcg
from leaven.metrics.ranking.ranking_names import is_catalog, meaning, parse, parse_all, parse_catalog
from leaven.registry import kinds


def test_a_name_is_a_kind_and_a_length() -> None:
    assert parse("ndcg@10") == Ndcg(10)
    assert parse("mrr@5") == Mrr(5)
    assert parse_catalog("coverage@20") == Coverage(20)


def test_catalog_metrics_are_separated() -> None:
    metrics = parse_all(["ndcg@10", "coverage@20", "novelty@5"])
    assert list(metrics.per_user) == ["ndcg@10", "novelty@5"]
    assert list(metrics.catalog) == ["coverage@20"]
    assert metrics.longest == 20


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
        parse(name)


def test_a_metric_per_user_is_no_catalog_metric() -> None:
    with pytest.raises(SpecError, match="read it with parse"):
        parse_catalog("mrr@5")


@pytest.mark.parametrize("kind", kinds("metrics"))
def test_every_metric_explains_itself_in_a_sentence(kind) -> None:
    assert meaning(f"{kind}@7").endswith(".")
    assert "{" not in meaning(f"{kind}@7")


def test_every_name_is_found_by_what_it_returns() -> None:
    assert [kind for kind in kinds("metrics") if is_catalog(f"{kind}@5")] == ["coverage", "gini"]
