"""Recommender rollouts draw from ranked lists, continue prefixes and check rank fidelity."""

from pathlib import Path

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories, take_prefixes
from leaven.errors import FitError, SpecError
from leaven.filters.rank_fidelity import RankFidelity
from leaven.generators.sequence.recommender_rollouts import FittedRollouts, RecommenderRollouts
from leaven.generators.sequence.score_calibration import ScoreCalibration
from leaven.protocols import RankedItems
from leaven.recommenders.item_knn import ItemKnn

ITEMS = 12


def keys(count: int) -> np.ndarray:
    return rng.derive_user_ids([f"new{i}" for i in range(count)])


def groups() -> Histories:
    """Histories of items 1..6 only, and histories of items 7..12 only."""
    chance = np.random.default_rng(1)
    rows = [(chance.permutation(6)[:4] + (1 if user % 2 else 7)).tolist() for user in range(120)]
    return Histories.from_lists(rows, ITEMS, row_ids=rng.derive_user_ids([f"u{i}" for i in range(120)]))


def fitted(**config) -> FittedRollouts:
    return RecommenderRollouts(recommender=ItemKnn(), where="after", top_k=5, **config).fit(groups(), 7)


def test_rows_continue_with_top_ranked_items() -> None:
    real = groups()
    made = fitted(new_events_range=(1, 1)).sample(keys(120), real).validate()
    new = made.items[made.starts[1:] - 1]
    assert ((new > 6) == (real.items[real.starts[:-1]] > 6)).mean() > 0.95
    assert not any(new[user] in real.row_items(user) for user in range(120))  # these rows have no repeats


def test_a_prefix_leaves_real_items_for_the_rank_fidelity_check() -> None:
    real = groups()
    made = fitted(new_events_range=(1, 1), prefix_range=(0.5, 0.5)).sample(keys(120), real).validate()
    assert made.lengths.tolist() == [3] * 120
    assert made.parents.tolist() == real.row_ids.tolist()
    assert all(made.row_items(user)[:2].tolist() == real.row_items(user)[:2].tolist() for user in range(120))
    kept = RankFidelity(max_rank=4).fit(real, 7)(made)
    assert kept.accepted.sum() > 0
    whole = fitted(new_events_range=(1, 1)).sample(keys(120), real)
    assert RankFidelity(max_rank=1).fit(real, 7)(whole).accepted.all()  # nothing is left to check by


def own_items(made: Histories, real: Histories) -> list[list[bool]]:
    """Of each row's new events, whether its user took the item; rows begin with two events that were there."""
    return [[item in real.row_items(row) for item in made.row_items(row)[2:].tolist()] for row in range(len(made))]


def test_a_share_of_the_new_events_are_items_of_the_history() -> None:
    real = groups()
    config = {"new_events_range": (2, 2), "prefix_range": (0.5, 0.5)}
    assert (
        own_items(fitted(**config, history_share=1.0).sample(keys(120), real).validate(), real) == [[True, True]] * 120
    )
    some = np.mean(own_items(fitted(**config, history_share=0.5).sample(keys(120), real), real))
    none = np.mean(own_items(fitted(**config).sample(keys(120), real), real))
    assert none + 0.1 < some < 0.9
    more = (
        fitted(new_events_range=(4, 4), prefix_range=(0.5, 0.5), history_share=1.0).sample(keys(120), real).validate()
    )
    assert all(len(set(more.row_items(row)[:4].tolist())) == 4 for row in range(120))  # each own item once, then others


def test_a_row_ends_before_the_first_rejected_event() -> None:
    real = groups()
    config = {"new_events_range": (3, 3), "prefix_range": (0.5, 0.5), "match_popularity": False}
    free, led = (fitted(**config, **more).sample(keys(120), real).validate() for more in ({}, {"max_rank": 1}))
    ranks = fitted(**config).recommender
    lengths = set(led.lengths.tolist())
    assert lengths <= {0, 3, 4, 5}
    assert len(lengths) > 1
    for row in range(120):
        written, wanted = free.row_items(row).tolist(), led.row_items(row).tolist()
        fine = [stays(ranks, real.row_items(row).tolist(), written[:end]) for end in (3, 4, 5)]
        good = fine.index(False) if False in fine else 3
        assert wanted == (written[: 2 + good] if good else [])
    assert (led.n_targets <= np.maximum(led.lengths - 1, 0)).all()
    assert (led.n_targets >= 0).all()


def test_popular_items_match_their_frequency() -> None:
    chance = np.random.default_rng(2)
    rows = [chance.choice(ITEMS, 4, replace=False, p=np.arange(1, ITEMS + 1) / 78).tolist() for _ in range(600)]
    real = Histories.from_lists([[item + 1 for item in row] for row in rows], ITEMS)

    def shares(matched: bool) -> np.ndarray:
        config = RecommenderRollouts(recommender=ItemKnn(), match_popularity=matched, events_range=(4, 4))
        made = config.fit(real, 7).sample(keys(1_000))
        return np.bincount(made.items, minlength=ITEMS + 1)[1:] / made.n_events

    wanted = np.bincount(real.items, minlength=ITEMS + 1)[1:] / real.n_events
    assert np.abs(shares(True) - wanted).sum() < np.abs(shares(False) - wanted).sum() / 2


def test_popularity_is_calibrated_on_whole_histories() -> None:
    configs = [{}, {"prefix_range": (0.5, 0.5), "history_share": 0.5, "max_rank": 3}]
    one, other = (fitted(**config).calibration.logit_offsets.tolist() for config in configs)
    assert one == other
    assert any(one)


def stays(ranks, taken: list[int], row: list[int]) -> bool:
    """Whether an item of the user that the row does not hold is listed first, without what the row holds."""
    left = set(taken) - set(row)
    best = int(ranks.recommend(Histories.from_lists([row], ITEMS), ITEMS).items[0, 0])
    return best in left if left else row[-1] in taken


def test_an_empty_history_has_no_items_for_the_check() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4], []], ITEMS, row_ids=rng.derive_user_ids(["a", "b"]))
    made = fitted(new_events_range=(1, 1), prefix_range=(0.5, 0.5), max_rank=ITEMS).sample(keys(2), rows).validate()
    assert made.lengths.tolist() == [3, 0]


def test_weights_follow_scores_and_availability() -> None:
    law = ScoreCalibration(
        1.0, 0.5, np.zeros(5), np.array([9, 0, 0, 5, 9]), np.zeros(1, np.int64), np.ones(1, np.int32)
    )
    listed = RankedItems(np.array([[1, 2, 3]], np.int32), np.log(np.array([[1, 1, 2]], np.float32)))
    nothing, first = np.zeros((1, 3), bool), np.array([[True, False, False]])

    def shares(held: np.ndarray, now: int, temperature: float = 1.0) -> list[float]:
        found = law.compute_weights(listed, held, np.array([now]), temperature)[0]
        return (found / found.sum()).round(6).tolist()

    assert shares(nothing, 5) == [0.25, 0.25, 0.5]
    assert shares(nothing, 4) == [0.5, 0.5, 0.0]  # item 3 is not on sale yet
    assert shares(first, 4) == pytest.approx([1 / 3, 2 / 3, 0.0], abs=1e-6)
    assert shares(nothing, 5, 0.5) == pytest.approx([1 / 6, 1 / 6, 4 / 6], abs=1e-6)
    assert shares(nothing, -1) == [0.25, 0.25, 0.5]  # nothing is on sale: anything


def test_new_users_start_like_real_ones() -> None:
    rows = Histories.from_lists([[1, 2]] * 300 + [[7, 8]] * 300, ITEMS, times=[[0, 5]] * 300 + [[1000, 1005]] * 300)
    new = RecommenderRollouts(recommender=ItemKnn(), top_k=3).fit(rows, 7).sample(keys(200)).validate()
    first, when = new.items[new.starts[:-1]], new.times[new.starts[:-1]]
    assert (first[when < 500] == 1).all()
    assert (first[when >= 1000] == 7).mean() > 0.9


def test_an_invalid_config_and_rows_without_events_are_rejected() -> None:
    for wrong in (
        {"top_k": 0},
        {"temperature": 0},
        {"prefix_range": (0.2, 0.5)},
        {"where": "between"},
        {"history_share": 0.5},
        {"max_rank": 5},
        {"max_rank": 0, "where": "after"},
        {"history_share": 1.5, "where": "after"},
    ):
        with pytest.raises(SpecError):
            RecommenderRollouts(**wrong)
    with pytest.raises(FitError, match="at least one event"):
        RecommenderRollouts().fit(Histories.from_lists([[]], 3), 7)


def heirs() -> Histories:
    """Histories of two items shared by all users, then two that no other user has."""
    rows = [[1, 2, 2 * user + 3, 2 * user + 4] for user in range(60)]
    return Histories.from_lists(rows, 130, row_ids=rng.derive_user_ids([f"u{i}" for i in range(60)]))


def test_a_recommender_of_another_fold_does_not_predict_the_row(tmp_path: Path) -> None:
    real = heirs()
    config = {"where": "after", "top_k": 8, "prefix_range": (0.75, 0.75), "new_events_range": (1, 1)}
    known = {}
    for folds in (1, 2):
        mine = RecommenderRollouts(recommender=ItemKnn(), match_popularity=False, n_folds=folds, **config).fit(real, 7)
        mine.save(tmp_path / str(folds))
        made = mine.sample(keys(60), real).validate()
        again = RecommenderRollouts.load(tmp_path / str(folds)).sample(keys(60), real)
        assert made.items.tolist() == again.items.tolist()
        first = mine.recommender.recommend(take_prefixes(real, real.lengths - 1), 1).items[:, 0]
        known[folds] = (first == real.items[real.starts[1:] - 1]).mean()
    assert known[1] > 0.9
    assert known[2] == 0


def test_cross_fitted_checks_are_stricter() -> None:
    real = heirs()
    config = {
        "where": "after",
        "prefix_range": (0.5, 0.5),
        "new_events_range": (1, 1),
        "history_share": 1.0,
        "max_rank": 3,
    }
    stay = [
        RecommenderRollouts(recommender=ItemKnn(), n_folds=folds, **config).fit(real, 7).sample(keys(60), real).lengths
        > 0
        for folds in (1, 2)
    ]
    assert stay[0].mean() > stay[1].mean() + 0.2


def test_folds_need_several_users() -> None:
    with pytest.raises(FitError, match=r"fold . of 5"):
        RecommenderRollouts(recommender=ItemKnn(), n_folds=5).fit(Histories.from_lists([[1, 2, 3]], 3), 7)
