"""Laws of ranking metrics on random lists, and agreement with naive definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.beyond_accuracy import Coverage, Gini, Novelty, TailShare, compute_gini
from leaven.metrics.ranking.list_metrics import AveragePrecision, HitRate, Mrr, Ndcg, Precision, Recall
from leaven.protocols import RankedItems

N_ITEMS, K = 12, 5
TRAIN = Histories.from_lists([[1, 2, 3], [1, 4], [1, 2]], n_items=N_ITEMS)
METRICS = (Recall, HitRate, Precision, Mrr, AveragePrecision, Ndcg)
LISTS = st.lists(
    st.tuples(
        st.permutations(range(1, N_ITEMS + 1)).map(lambda items: items[:K]),
        st.sets(st.integers(1, N_ITEMS), min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=6,
)


def build_lists(users: list[tuple[list[int], set[int]]]) -> tuple[RankedItems, HeldOut]:
    """The ranked lists and held-out items of users."""
    items = np.array([ranked for ranked, _ in users], np.int32)
    held = [sorted(relevant) for _, relevant in users]
    starts = np.cumsum([0, *map(len, held)])
    targets = np.array([item for row in held for item in row], np.int32)
    known = Histories.from_lists([[1]] * len(users), N_ITEMS)
    return RankedItems(items, np.zeros(items.shape, np.float32)), HeldOut(
        known, targets, np.zeros(len(targets), np.int64), starts
    )


def compute_by_hand(name: str, ranked: list[int], relevant: set[int]) -> float:
    """The textbook definition, in plain Python."""
    hits = [rank for rank, item in enumerate(ranked, 1) if item in relevant]
    if name == "Recall":
        return len(hits) / len(relevant)
    if name == "HitRate":
        return float(bool(hits))
    if name == "Precision":
        return len(hits) / len(ranked)
    if name == "Mrr":
        return 1 / hits[0] if hits else 0.0
    if name == "AveragePrecision":
        return sum(n / rank for n, rank in enumerate(hits, 1)) / min(len(ranked), len(relevant))
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(len(ranked), len(relevant)) + 1))
    return sum(1 / np.log2(rank + 1) for rank in hits) / ideal


@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None, max_examples=40)
@given(users=LISTS)
def test_every_metric_equals_its_textbook_definition(metric, users) -> None:
    ranked, held_out = build_lists(users)
    expected = [compute_by_hand(metric.__name__, items, relevant) for items, relevant in users]
    np.testing.assert_allclose(metric(K)(ranked, held_out, TRAIN), expected, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None, max_examples=30)
@given(users=LISTS)
def test_values_lie_between_0_and_1_and_an_ideal_list_reaches_the_maximum(metric, users) -> None:
    ranked, held_out = build_lists(users)
    values = metric(K)(ranked, held_out, TRAIN)
    assert (values >= 0).all()
    assert (values <= 1 + 1e-12).all()
    ideal = [(complete_list(sorted(relevant))[:K], relevant) for _, relevant in users]
    best = metric(K)(*build_lists(ideal), TRAIN)
    assert (best >= values - 1e-12).all()
    if metric in (HitRate, Mrr, AveragePrecision, Ndcg):
        np.testing.assert_allclose(best, 1.0)


def complete_list(first: list[int]) -> list[int]:
    """These items, then all others, each once."""
    return list(dict.fromkeys([*first, *range(1, N_ITEMS + 1)]))


@pytest.mark.parametrize("metric", [Recall, HitRate, Mrr])
@settings(deadline=None, max_examples=30)
@given(users=LISTS)
def test_a_longer_list_never_scores_lower(metric, users) -> None:
    ranked, held_out = build_lists(users)
    by_length = [metric(k)(ranked, held_out, TRAIN) for k in range(1, K + 1)]
    for shorter, longer in itertools.pairwise(by_length):
        assert (longer >= shorter - 1e-12).all()


@settings(deadline=None, max_examples=30)
@given(users=LISTS)
def test_ndcg_agrees_with_scikit_learn(users) -> None:
    ndcg_score = pytest.importorskip("sklearn.metrics").ndcg_score
    ranked, held_out = build_lists(users)
    values = Ndcg(K)(ranked, held_out, TRAIN)
    for value, (items, relevant) in zip(values, users, strict=True):
        truth = np.array([[float(item in relevant) for item in range(1, N_ITEMS + 1)]])
        scores = np.zeros((1, N_ITEMS))
        scores[0, np.array(items) - 1] = np.arange(K, 0, -1)
        assert value == pytest.approx(ndcg_score(truth, scores, k=K), rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(users=LISTS, seed=st.integers(0, 1000))
def test_the_names_of_the_items_do_not_matter(users, seed) -> None:
    renamed = np.concatenate([[0], np.random.default_rng(seed).permutation(N_ITEMS) + 1])
    other = [([int(renamed[i]) for i in items], {int(renamed[i]) for i in held}) for items, held in users]
    for metric in METRICS:
        np.testing.assert_array_equal(metric(K)(*build_lists(users), TRAIN), metric(K)(*build_lists(other), TRAIN))


@settings(deadline=None, max_examples=50)
@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=20), factor=st.integers(1, 9))
def test_gini_is_the_mean_difference_of_all_pairs_over_twice_the_mean(counts, factor) -> None:
    array = np.array(counts, np.int64)
    pairs = np.abs(array[:, None] - array[None, :]).mean()
    expected = pairs / (2 * array.mean()) if array.sum() else 0.0
    assert compute_gini(array) == pytest.approx(expected, abs=1e-12)
    assert compute_gini(array * factor) == pytest.approx(expected, abs=1e-12)  # scale does not matter


@settings(deadline=None, max_examples=30)
@given(users=LISTS)
def test_catalog_metrics_do_not_depend_on_the_order_of_the_users(users) -> None:
    ranked, held_out = build_lists(users)
    backwards = RankedItems(ranked.items[::-1], ranked.scores[::-1])
    for metric in (Coverage(K), Gini(K)):
        assert metric(ranked, TRAIN) == metric(backwards, TRAIN)
    for per_user in (Novelty(K), TailShare(K)):
        np.testing.assert_allclose(
            per_user(ranked, held_out, TRAIN)[::-1], per_user(backwards, held_out, TRAIN), rtol=1e-12
        )
