"""The rank fidelity filter accepts rows that lead to the user's real items."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.filters.cooccurring_items import neighbours_of
from leaven.filters.rank_fidelity import RankFidelity
from leaven.protocols import Ranked

ITEMS = 20


def groups() -> Histories:
    """Users who take items 1..5 only, and users who take 11..15 only."""
    chance = np.random.default_rng(1)
    rows = [(chance.permutation(5)[:4] + (1 if user % 2 else 11)).tolist() for user in range(60)]
    return Histories.of(rows, ITEMS, keys=rng.user_keys([f"u{i}" for i in range(60)]))


def child(parent: int, row: list[int]) -> Histories:
    new = Histories.of([row], ITEMS, keys=[123])
    return replace(new, parents=groups().keys[[parent]])


def test_a_row_that_leads_to_its_users_items_is_accepted_and_a_drifted_one_rejected() -> None:
    real = groups()
    first, *_ = real.row(1).tolist()
    other = real.row(0).tolist()
    fitted = RankFidelity(rank=4).fit(real, 7)
    assert fitted(child(1, [first])).mask.tolist() == [True]
    drifted = fitted(child(1, [first, *other, *other, *other]))
    assert drifted.refused == {"no real item of its user ranks 4 or better": 1}


def test_rows_without_unused_real_items_are_accepted() -> None:
    fitted = RankFidelity(rank=1).fit(groups(), 7)
    assert fitted(child(1, [*groups().row(1).tolist(), 20])).mask.all()
    nothing = replace(child(1, [19]), parents=np.zeros(1, np.uint64))
    assert fitted(nothing).mask.all()


@dataclass(frozen=True)
class Stubborn:
    """Recommends item 1, whatever it is asked."""

    def fit(self, train, training):
        return self

    def steps(self, train):
        return None

    def recommend(self, histories, k):
        return Ranked(np.ones((len(histories), k), np.int32), np.ones((len(histories), k), np.float32))


def test_any_recommender_can_rank() -> None:
    holds_1 = next(i for i in range(1, 60, 2) if 1 in groups().row(i) and groups().row(i)[0] != 1)
    lacks_1 = next(i for i in range(1, 60, 2) if 1 not in groups().row(i))
    fitted = RankFidelity(recommender=Stubborn()).fit(groups(), 7)
    assert fitted(child(holds_1, [int(groups().row(holds_1)[0])])).mask.all()
    assert not fitted(child(lacks_1, [int(groups().row(lacks_1)[0])])).mask.any()


def test_neighbors_co_occur_and_are_not_in_the_row() -> None:
    listed = neighbours_of(groups()).recommend(Histories.of([[1, 2], [11], [20], []], ITEMS), 4).items
    assert set(listed[0].tolist()) == {3, 4, 5, 0}
    assert set(listed[1].tolist()) == {12, 13, 14, 15}
    assert listed[2:].tolist() == [[0] * 4] * 2


def test_an_invalid_config_raises_an_error() -> None:
    with pytest.raises(SpecError):
        RankFidelity(rank=0)
