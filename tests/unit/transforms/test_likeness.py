"""Item similarity against closed forms and data with known groups."""

from time import process_time

import numpy as np
import pytest
import scipy.sparse as sparse

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.encoders.tfidf import compute_directions
from leaven.errors import DataError, FitError
from leaven.kernels.cooccurrence import count_pairs
from leaven.transforms.sequence.item_similarity import _sum_pairs, split_words
from leaven.transforms.sequence.neighbor_table import NeighborTableConfig

GROUPS, EACH = 5, 8
N_ITEMS = GROUPS * EACH


def grouped(seed: int = 3, users: int = 400) -> Histories:
    """Users who take six items of one group each."""
    chance = np.random.default_rng(seed)
    rows = [(chance.permutation(EACH)[:6] + EACH * chance.integers(GROUPS) + 1).tolist() for _ in range(users)]
    return Histories.from_lists(rows, N_ITEMS)


@pytest.mark.parametrize("by", ["cooccurrence", "spectral", "linear"])
def test_neighbors_are_items_of_the_same_group(by) -> None:
    table = NeighborTableConfig(sources=(by,), max_neighbors=EACH - 1, rank=16).fit(grouped())
    for item in range(1, N_ITEMS + 1):
        near = table.get_neighbors(item)
        assert item not in near
        assert len(near) >= 3
        assert set((near - 1) // EACH) == {(item - 1) // EACH}
        held = table.confidence[table.starts[item] : table.starts[item + 1]]
        assert (np.diff(held) <= 0).all()
        assert held[-1] > 0
        assert held[0] <= 1 + 1e-6


def test_regression_at_full_rank_is_the_closed_form() -> None:
    train, ridge = grouped(users=60), 3.0
    taken = np.zeros((len(train), N_ITEMS))
    taken[train.event_rows(), train.items - 1] = 1
    inverse = np.linalg.inv(taken.T @ taken + ridge * np.eye(N_ITEMS))
    wanted = -inverse / np.diag(inverse)  # column j predicts item j
    np.fill_diagonal(wanted, 0)
    table = NeighborTableConfig(sources=("linear",), max_neighbors=N_ITEMS, rank=N_ITEMS, ridge=ridge).fit(train)
    got = np.zeros((N_ITEMS + 1, N_ITEMS + 1))
    got[np.repeat(np.arange(N_ITEMS + 1), np.diff(table.starts)), table.items] = table.confidence
    np.testing.assert_allclose(
        got[1:, 1:], np.maximum(wanted, 0) / wanted.max(), atol=1.1e-3
    )  # faint ones are left out


def test_a_mixture_is_the_weighted_mean() -> None:
    train = grouped()
    one, other = (
        NeighborTableConfig(sources=(by,), max_neighbors=N_ITEMS, rank=16).fit(train)
        for by in ("cooccurrence", "linear")
    )
    both = NeighborTableConfig(
        sources=("cooccurrence", "linear"), weights=(3.0, 1.0), max_neighbors=N_ITEMS, rank=16
    ).fit(train)

    def of(table, scale: float) -> dict[int, float]:
        held = table.confidence[table.starts[1] : table.starts[2]] / scale
        return dict(zip(table.get_neighbors(1).tolist(), held.tolist(), strict=True))

    first, second, mixed = of(one, one.confidence.max()), of(other, other.confidence.max()), of(both, 1.0)
    assert set(mixed) == set(first) | set(second)
    for item, confidence in mixed.items():
        wanted = 0.75 * first.get(item, 0.0) + 0.25 * second.get(item, 0.0)
        assert confidence == pytest.approx(wanted, rel=1e-4)


def test_common_words_make_items_similar_and_items_without_events_are_excluded() -> None:
    titles = ["red wool hat", "blue wool hat", "steel pan", "iron pan", "red wool hat", "护手霜 滋润", "护手霜 清爽"]
    catalog = Catalog([f"i{n}" for n in range(7)], {"title": titles})
    train = Histories.from_lists([[1, 2, 3, 4, 6, 7]], n_items=7)  # item 5, a twin of item 1, was never taken
    object.__setattr__(train, "catalog", catalog)
    table = NeighborTableConfig(sources=("text",)).fit(train)
    assert table.get_neighbors(1).tolist() == [2]
    assert table.get_neighbors(3).tolist() == [4]
    assert table.get_neighbors(6).tolist() == [7]
    assert table.get_neighbors(5).tolist() == []


def test_words_and_characters() -> None:
    assert list(split_words("Crème-Brûlée 2x")) == ["crème", "brûlée", "2x"]
    assert list(split_words("手 リップ")) == ["手", "リッ", "ップ"]


def test_missing_text_and_missing_pairs_raise() -> None:
    with pytest.raises(DataError, match="text column"):
        NeighborTableConfig(sources=("text",)).fit(grouped())
    with pytest.raises(FitError, match="items that share a history"):
        NeighborTableConfig(sources=("spectral",)).fit(Histories.from_lists([[1], [2]], n_items=2))


def test_directions_of_a_large_table_are_those_of_the_full_decomposition() -> None:
    chance = np.random.default_rng(1)
    matrix = sparse.random(400, 300, 0.05, random_state=chance, format="csr")
    matrix = matrix + sparse.csr_matrix(np.outer(chance.random(400), chance.random(300)))  # one strong direction
    left, strength = compute_directions(matrix, 5)
    full, wanted, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
    np.testing.assert_allclose(strength, wanted[:5], rtol=2e-2)
    assert abs(full[:, 0] @ left[:, 0]) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(left.T @ left, np.eye(5), atol=1e-9)


@pytest.mark.parametrize("fade", [0.0, 0.5, 0.8, 0.95])
def test_an_unlimited_window_sums_what_a_search_of_the_whole_row_sums(fade: float) -> None:
    rows = Histories.from_lists([np.random.default_rng(2).integers(1, 301, 3000).tolist(), [1, 2, 3]], 300)
    weight = np.array([0.125, 0.7], np.float32)
    whole = (rows.n_events + 1, rows.n_events + 1, fade)
    expected = count_pairs(rows.items, rows.starts, rows.event_rows().astype(np.int32), weight, 300, whole)
    for found, known in zip(_sum_pairs(rows, weight, 0, fade), expected, strict=True):
        assert np.array_equal(found, known)


def test_an_unlimited_window_takes_linear_time_on_a_long_row() -> None:
    row = np.random.default_rng(2).integers(1, 2001, 200_000).tolist()
    rows = Histories.from_lists([row], 2000)
    _sum_pairs(Histories.from_lists([[1, 2]], 2000), np.ones(1, np.float32), 0, 0.8)  # compiled
    begin = process_time()
    _sum_pairs(rows, np.ones(1, np.float32), 0, 0.8)
    assert process_time() - begin < 20  # about 2 s; the whole row takes minutes
