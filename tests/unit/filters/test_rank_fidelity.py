"""Does the check of fidelity keep rows that still lead to what their user took, and no others?"""

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


def test_a_row_that_still_leads_to_its_user_s_items_stays_and_one_that_drifted_goes() -> None:
    real = groups()
    first, *_ = real.row(1).tolist()
    other = real.row(0).tolist()
    fitted = RankFidelity(rank=4).fit(real, 7)
    assert fitted(child(1, [first])).mask.tolist() == [True]
    drifted = fitted(child(1, [first, *other, *other, *other]))
    assert drifted.refused == {"no real item of its user ranks 4 or better": 1}


def test_what_has_nothing_left_to_check_by_passes() -> None:
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


def test_neighbours_are_taken_together_and_never_held_already() -> None:
    listed = neighbours_of(groups()).recommend(Histories.of([[1, 2], [11], [20], []], ITEMS), 4).items
    assert set(listed[0].tolist()) == {3, 4, 5, 0}
    assert set(listed[1].tolist()) == {12, 13, 14, 15}
    assert listed[2:].tolist() == [[0] * 4] * 2


def test_a_wrong_wish_is_refused_at_once() -> None:
    with pytest.raises(SpecError):
        RankFidelity(rank=0)
