"""The rank fidelity filter accepts rows that lead to the user's real items."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.filters.cooccurring_items import fit_cooccurring_items
from leaven.filters.rank_fidelity import RankFidelity
from leaven.protocols import RankedItems

ITEMS = 20


def groups() -> Histories:
    """Users who take items 1..5 only, and users who take 11..15 only."""
    chance = np.random.default_rng(1)
    rows = [(chance.permutation(5)[:4] + (1 if user % 2 else 11)).tolist() for user in range(60)]
    return Histories.from_lists(rows, ITEMS, row_ids=rng.derive_user_ids([f"u{i}" for i in range(60)]))


def child(parent: int, row: list[int]) -> Histories:
    new = Histories.from_lists([row], ITEMS, row_ids=[123])
    return replace(new, parents=groups().row_ids[[parent]])


def test_a_row_that_leads_to_its_users_items_is_accepted_and_a_drifted_one_rejected() -> None:
    real = groups()
    first, *_ = real.row_items(1).tolist()
    other = real.row_items(0).tolist()
    fitted = RankFidelity(max_rank=4).fit(real, 7)
    assert fitted(child(1, [first])).accepted.tolist() == [True]
    drifted = fitted(child(1, [first, *other, *other, *other]))
    assert drifted.rejected == {"no real item of its user ranks 4 or better": 1}


def test_rows_without_unused_real_items_are_accepted() -> None:
    fitted = RankFidelity(max_rank=1).fit(groups(), 7)
    assert fitted(child(1, [*groups().row_items(1).tolist(), 20])).accepted.all()
    nothing = replace(child(1, [19]), parents=np.zeros(1, np.uint64))
    assert fitted(nothing).accepted.all()


@dataclass(frozen=True)
class Stubborn:
    """Recommends item 1, whatever it is asked."""

    def fit(self, train, training):
        return self

    def steps(self, train):
        return None

    def recommend(self, histories, k):
        return RankedItems(np.ones((len(histories), k), np.int32), np.ones((len(histories), k), np.float32))


def test_any_recommender_can_rank() -> None:
    holds_1 = next(i for i in range(1, 60, 2) if 1 in groups().row_items(i) and groups().row_items(i)[0] != 1)
    lacks_1 = next(i for i in range(1, 60, 2) if 1 not in groups().row_items(i))
    fitted = RankFidelity(recommender=Stubborn()).fit(groups(), 7)
    assert fitted(child(holds_1, [int(groups().row_items(holds_1)[0])])).accepted.all()
    assert not fitted(child(lacks_1, [int(groups().row_items(lacks_1)[0])])).accepted.any()


def test_neighbors_co_occur_and_are_not_in_the_row() -> None:
    listed = fit_cooccurring_items(groups()).recommend(Histories.from_lists([[1, 2], [11], [20], []], ITEMS), 4).items
    assert set(listed[0].tolist()) == {3, 4, 5, 0}
    assert set(listed[1].tolist()) == {12, 13, 14, 15}
    assert listed[2:].tolist() == [[0] * 4] * 2


def test_an_invalid_config_raises_an_error() -> None:
    with pytest.raises(SpecError):
        RankFidelity(max_rank=0)
