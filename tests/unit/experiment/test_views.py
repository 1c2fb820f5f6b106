"""Test-time augmentation: exact means over views, without the history's own items."""

from dataclasses import dataclass

import numpy as np
import pytest

from leaven.config.evaluation import EvaluationConfig
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.experiment import test_time_augmentation as views_module
from leaven.experiment.test_time_augmentation import HistoryViews, recommend_with_views
from leaven.protocols import RankedItems, TrainingContext
from leaven.recommenders.item_knn import ItemKnn
from leaven.simulator import Simulator
from leaven.transforms.sequence.custom import make_row_transform
from leaven.transforms.sequence.masking import Drop, Mask
from leaven.transforms.sequence.substitution import Substitute
from leaven.transforms.sequence.windows import Windows

TABLE = np.array([[9, 1, 4, 3, 2], [5, 4, 1, 9, 8], [0, 7, 3, 9, 1], [1, 2, 3, 4, 5], [5, 9, 1, 2, 3]], np.float32)


@dataclass(frozen=True)
class ByLast:
    """Scores of items 1..5 after each last item, from a table."""

    curve: tuple = ()

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        assert allow_repeats
        scores = TABLE[histories.items[histories.starts[1:] - 1] - 1]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return RankedItems((order + 1).astype(np.int32), np.take_along_axis(scores, order, 1))

    def save(self, folder) -> None:
        raise AssertionError("nobody asked")


def without_last(items, times, generator):
    return (items[:-1], times[:-1]) if len(items) > 1 else (items, times)


def seen_as(wish, train: Histories, count: int = 2) -> HistoryViews:
    return HistoryViews(wish.fit(train), count, key=1)


def test_the_mean_of_two_views_by_hand() -> None:
    known = Histories.from_lists([[1, 3], [2]], n_items=5)
    found = recommend_with_views(ByLast(), known, 2, seen_as(make_row_transform(without_last), known))
    # after 3: 0 7 3 9 1, after 1: 9 1 4 3 2; the mean: 4.5 4 3.5 6 1.5, of which 1 and 3 are known
    assert found.items.tolist() == [[4, 2], [4, 5]]
    assert found.scores.tolist() == [[6.0, 4.0], [9.0, 8.0]]
    again = recommend_with_views(
        ByLast(), known, 3, seen_as(make_row_transform(without_last), known), allow_repeats=True
    )
    assert again.items.tolist() == [[4, 1, 2], [4, 5, 1]]
    assert again.scores.tolist() == [[6.0, 4.5, 4.0], [9.0, 8.0, 5.0]]


def test_an_item_below_a_views_list_counts_there_as_much_as_its_last(monkeypatch) -> None:
    monkeypatch.setattr(views_module, "LIST_FACTOR", 1)
    known = Histories.from_lists([[1, 3]], n_items=5)
    found = recommend_with_views(
        ByLast(), known, 2, seen_as(make_row_transform(without_last), known), allow_repeats=True
    )
    # lists of two: 4 (9), 2 (7) and 1 (9), 3 (4): 4 has (9 + 4) / 2, 1 has (7 + 9) / 2
    assert found.items.tolist() == [[1, 4]]
    assert found.scores.tolist() == [[8.0, 6.5]]


@pytest.fixture(scope="module")
def world():
    histories = Simulator(users=150, items=60, days=100, seed=3).build_world().histories
    return histories, ItemKnn().fit(histories, TrainingContext(key=1))


@pytest.mark.parametrize("allow_repeats", [False, True])
def test_views_that_change_nothing_give_the_recommenders_own_list(world, allow_repeats) -> None:
    known, fitted = world
    own = fitted.recommend(known, 10, allow_repeats)
    seen = recommend_with_views(
        fitted, known, 10, seen_as(make_row_transform(without_last, p=0.0), known, 3), allow_repeats
    )
    np.testing.assert_allclose(seen.scores, own.scores, rtol=1e-6)
    same = seen.items == own.items
    assert (
        same | np.isclose(own.scores, np.roll(own.scores, 1, 1)) | np.isclose(own.scores, np.roll(own.scores, -1, 1))
    ).all()
    assert same.mean() > 0.99


@pytest.mark.parametrize("wish", [Drop(), Mask(), Substitute()])
def test_whole_lists_give_the_exact_mean_and_never_a_known_item(world, wish, monkeypatch) -> None:
    known, fitted = world
    monkeypatch.setattr(views_module, "_USERS", 64)
    views = seen_as(wish, known, 4)
    found = recommend_with_views(fitted, known, 12, views)  # five times 12 is the catalogue
    total = np.zeros((len(known), known.n_items + 2))
    for view in views.build(known):
        ranked = fitted.recommend(view, known.n_items, allow_repeats=True)
        np.put_along_axis(
            total,
            ranked.items.astype(np.int64),
            ranked.scores / 4 + np.take_along_axis(total, ranked.items.astype(np.int64), 1),
            1,
        )
    total[known.event_rows(), known.items] = -np.inf
    for user in range(len(known)):
        mine = found.items[user]
        assert not np.isin(mine[mine > 0], known.row_items(user)).any()
        np.testing.assert_allclose(found.scores[user][mine > 0], total[user, mine[mine > 0]], rtol=1e-5)
        best = np.sort(total[user, 1 : known.n_items + 1])[::-1][:12]
        np.testing.assert_allclose(found.scores[user][mine > 0], best[mine > 0], rtol=1e-5)


def test_views_belong_to_users_not_to_their_order(world) -> None:
    known, fitted = world
    turned = np.arange(len(known))[::-1]
    views = seen_as(Drop(), known, 3)
    one, other = (
        recommend_with_views(fitted, known, 5, views),
        recommend_with_views(fitted, known.take(turned), 5, views),
    )
    assert one.items.tolist() == other.items[turned].tolist()
    assert one.items.tolist() != recommend_with_views(fitted, known, 5, seen_as(Drop(), known, 1)).items.tolist()


def test_a_transform_that_splits_rows_is_no_view(world) -> None:
    known, fitted = world
    with pytest.raises(SpecError, match="one view of each history"):
        recommend_with_views(fitted, known, 5, seen_as(Windows(), known))


def test_views_are_off_by_default_and_use_drop_by_default() -> None:
    assert EvaluationConfig().view is None
    assert EvaluationConfig(views=3).view == Drop()
    with pytest.raises(SpecError, match=r"evaluate\.view: expected 2 views or more"):
        EvaluationConfig(view=Drop())
    with pytest.raises(SpecError, match=r"evaluate\.views"):
        EvaluationConfig(views=0)
