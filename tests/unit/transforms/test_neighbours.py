"""Neighbor tables and substitution against hand counts."""

from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories, concat_histories
from leaven.errors import DataError, SpecError
from leaven.kernels.cooccurrence import count_pairs, select_top_neighbors
from leaven.transforms.sequence.neighbor_table import NeighborTable, NeighborTableConfig
from leaven.transforms.sequence.substitution import Insert, Substitute


def dense(rows: list[list[int]], n_items: int, reach: tuple[int, int, float]) -> np.ndarray:
    """The table of `count_pairs` as a matrix, rows weighing 1, 2, 3 …"""
    made = Histories.from_lists(rows, n_items)
    weight = np.arange(1, len(rows) + 1, dtype=np.float32)
    table = count_pairs(made.items, made.starts, made.event_rows().astype(np.int32), weight, n_items, reach)
    matrix = np.zeros((n_items + 1, n_items + 1))
    matrix[np.repeat(np.arange(n_items + 1), np.diff(table[0])), table[1]] = table[2]
    return matrix


def test_pairs_are_counted_with_the_weight_of_their_row() -> None:
    counted = dense([[1, 2, 3], [2, 1], [4]], 4, (100, 100, 1.0))
    assert counted[1, 2] == counted[2, 1] == 1 + 2
    assert counted[1, 3] == counted[2, 3] == 1
    assert counted[4].sum() == 0
    assert np.trace(counted) == 0


def test_window_and_decay_weigh_a_pair() -> None:
    counted = dense([[1, 2, 3]], 3, (0, 2, 0.5))
    assert counted[1, 2] == 1
    assert counted[1, 3] == 0.5
    assert counted[3].sum() == 0  # nothing is looked back at


def test_a_pair_with_zero_weight_is_not_counted() -> None:
    """Broke: 0.8 ** 700 is 0 in float32, and each such meeting was listed anew, beyond the end of the list."""
    made = Histories.from_lists([[1, 2] * 1000 + [3]], n_items=3)
    row, weight = made.event_rows().astype(np.int32), np.ones(1, np.float32)
    starts, others, sums = count_pairs(made.items, made.starts, row, weight, 3, (5000, 5000, 0.8))
    assert (starts.tolist(), others.tolist()) == ([0, 0, 2, 4, 6], [2, 3, 1, 3, 1, 2])
    assert (sums > 0).all()


def test_neighbors_are_sorted_by_score_then_id() -> None:
    starts, others = np.array([0, 4], np.int64), np.array([9, 3, 5, 7], np.int32)
    scores = np.array([1.0, 2.0, 1.0, 0.0], np.float32)
    assert select_top_neighbors(starts, others, scores, 2)[1].tolist() == [3, 5]
    assert select_top_neighbors(starts, others, scores, 9)[1].tolist() == [3, 5, 9]


def test_cosine_with_inverse_user_frequency() -> None:
    rows = Histories.from_lists([[1, 2], [1, 2, 3]], n_items=3)
    table = NeighborTableConfig(shrinkage=0.0, distance_decay=1.0).fit(rows)
    short, long = 1 / np.log(3), 1 / np.log(4)
    assert table.get_neighbors(3).tolist() == [1, 2]
    at = table.starts[3]
    assert table.confidence[at] == pytest.approx(long / np.sqrt(long * (short + long)), rel=1e-5)
    assert table.confidence[table.starts[1]] == pytest.approx(1.0, rel=1e-5)


def test_a_table_uses_real_rows_only() -> None:
    real = Histories.from_lists([[1, 2], [2, 3]], n_items=5)
    made = Histories.from_lists([[1, 4], [4, 5]], n_items=5)
    made.origin[:] = 1
    table = NeighborTableConfig().fit(concat_histories([real, made]))
    assert table.items.tolist() == NeighborTableConfig().fit(real).items.tolist()
    assert len(table.get_neighbors(4)) == 0


def test_a_saved_table_loads_unchanged(tmp_path) -> None:
    table = NeighborTableConfig().fit(Histories.from_lists([[1, 2, 3], [2, 3]], n_items=3))
    table.save(tmp_path / "table.npz")
    back = NeighborTable.load(tmp_path / "table.npz")
    assert back.items.tolist() == table.items.tolist()
    assert back.confidence.tolist() == table.confidence.tolist()
    (tmp_path / "broken.npz").write_bytes(b"no table")
    with pytest.raises(DataError, match="table of neighbors"):
        NeighborTable.load(tmp_path / "broken.npz")


def test_substitutes_are_neighbors_at_the_requested_share() -> None:
    train = Histories.from_lists([[1, 2], [1, 2], [3, 4], [3, 4], [5, 5]], n_items=5)
    rows = Histories.from_lists([[1, 5, 3, 1, 3, 5]] * 2000, n_items=5)
    fitted = Substitute(share_range=(0.5, 0.5)).fit(train)
    new = fitted(rows, rng.derive_row_keys(1, rows.row_ids), np.ones(len(rows), np.float32))
    pairs = {(int(a), int(b)) for a, b in zip(rows.items, new.items, strict=True) if a != b}
    assert pairs == {(1, 2), (3, 4)}
    assert (new.items != rows.items).mean() == 0.5  # 3 of the 4 items that have a neighbour
    assert fitted.reasons(Histories.from_lists([[5, 5], [1, 5]], 5))["no item with a candidate"].tolist() == [
        True,
        False,
    ]


def test_an_inserted_item_comes_before_its_neighbor_half_way_in_time() -> None:
    train = Histories.from_lists([[1, 2], [1, 2]], n_items=3)
    rows = Histories.from_lists([[3, 1]], n_items=3, times=[[100, 200]])
    fitted = Insert(share_range=(0.5, 0.5)).fit(train)
    new = fitted(rows, rows.row_ids, np.ones(1, np.float32))
    assert new.items.tolist() == [3, 2, 1]
    assert new.times.tolist() == [100, 150, 200]


def test_candidates_from_popular_random_and_recent_items() -> None:
    train = Histories.from_lists([[1, 1, 1, 2]], n_items=3)
    rows = Histories.from_lists([[2, 1, 2, 1, 2, 1]] * 3000, n_items=3)
    made = {}
    for by in ("popular", "random", "recent"):
        fitted = Insert(share_range=(0.5, 0.5), source=by).fit(train)
        made[by] = fitted(rows, rng.derive_row_keys(1, rows.row_ids), np.ones(len(rows), np.float32))
    for new in made.values():
        assert set(np.unique(new.items)) == {1, 2}  # 3 is in the catalogue, but nobody took it yet


def test_a_table_fitted_on_other_ids_is_refused() -> None:
    train = Histories.from_lists([[1, 2], [1, 2]], n_items=3)
    other = Histories.from_lists([[1, 2]], n_items=4)
    with pytest.raises(DataError, match="3 items of the fit"):
        Substitute().fit(train)(other, other.row_ids, np.ones(1, np.float32))
    unknown = Histories.from_lists([[1, 9]], n_items=3)
    with pytest.raises(DataError, match="ids in 1"):
        Substitute().fit(train)(unknown, unknown.row_ids, np.ones(1, np.float32))


def with_ids(rows: Histories) -> Histories:
    return replace(rows, catalog=Catalog([f"sku{n}" for n in range(1, rows.n_items + 1)]))


def test_items_with_similar_vectors_are_neighbors(tmp_path) -> None:
    train = with_ids(Histories.from_lists([[1, 2, 3, 4]], n_items=5))  # nobody took 5 yet
    vectors = np.array([[1, 0], [2, 0.2], [0, 1], [0, 0], [1, 0]])
    np.save(tmp_path / "all.npy", vectors)
    table = NeighborTableConfig(sources=("vectors",), vectors=str(tmp_path / "all.npy")).fit(train)
    assert [table.get_neighbors(item).tolist() for item in range(1, 6)] == [[2], [1, 3], [2], [], []]
    assert table.confidence[0] == pytest.approx(2 / np.hypot(2, 0.2))
    ids = np.array(["sku3", "elsewhere", "sku1", "sku2"])
    np.savez(tmp_path / "named.npz", ids=ids, vectors=vectors[[2, 0, 0, 1]])
    named = NeighborTableConfig(sources=("vectors",), vectors=str(tmp_path / "named.npz")).fit(train)
    assert named.items.tolist() == table.items.tolist()


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "no such file"),
        (np.zeros((4, 2)), "vectors of the 5 items"),
        (np.zeros(5), "one row for each item"),
        (np.full((5, 2), np.nan), "finite numbers"),
        (np.array([["a"]] * 5), "finite numbers"),
        ({"vectors": np.ones((1, 2)), "ids": np.array(["other"])}, "ids of the data's items"),
        ({"vectors": np.ones((1, 2)), "ids": np.array(["sku1", "sku2"])}, "as many ids as vectors"),
        ({"vectors": np.ones((1, 2))}, "numpy.savez"),
        (b"no array", "a file of item vectors"),
    ],
)
def test_vectors_of_the_wrong_form_are_refused(tmp_path, content, wanted) -> None:
    path = tmp_path / ("v.npz" if isinstance(content, dict) else "v.npy")
    if isinstance(content, dict):
        np.savez(path, **content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(DataError, match=wanted):
        NeighborTableConfig(sources=("vectors",), vectors=str(path)).fit(
            with_ids(Histories.from_lists([[1, 2]], n_items=5))
        )


def test_a_vector_file_is_required_for_vectors_and_refused_otherwise() -> None:
    with pytest.raises(SpecError, match=r"neighbors\.vectors"):
        NeighborTableConfig(sources=("vectors",))
    with pytest.raises(SpecError, match=r"neighbors\.vectors"):
        NeighborTableConfig(vectors="v.npy")


def test_missing_categories_raise() -> None:
    with pytest.raises(DataError, match="category"):
        Substitute(source="category").fit(Histories.from_lists([[1, 2]], n_items=3))


def test_a_wrong_source_is_named() -> None:
    with pytest.raises(SpecError, match="did you mean 'similar'"):
        Substitute(source="similiar")
    with pytest.raises(SpecError, match=r"neighbors\.sources"):
        NeighborTableConfig(sources=("images",))
