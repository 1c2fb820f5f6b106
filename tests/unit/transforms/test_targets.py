"""Target windows and target divergence."""

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.transforms.sequence.target_windows import (
    COMMON_RULES,
    TargetWindow,
    count_targets,
    measure_target_divergence,
)
from leaven.transforms.sequence.windows import Windows


def held(train: Histories, items: list[int]) -> HeldOut:
    times = np.zeros(len(items), np.int64)
    return HeldOut(train, np.array(items, np.int32), times, np.arange(len(items) + 1))


def test_targets_are_counted_without_building_windows() -> None:
    train = Histories.from_lists([[1, 2, 3, 4], [4, 1], [2]], n_items=4)
    usual = [wish for wish in COMMON_RULES.values() if isinstance(wish, Windows)]
    for wish in [*usual, Windows(rule="slide", max_events=2, stride=2, targets="all", keep_whole=True)]:
        made = wish.build_index(train).take_all()
        last = np.concatenate(
            [made.row_items(i)[len(made.row_items(i)) - made.n_targets[i] :] for i in range(len(made))]
        )
        windows, counts = count_targets(train, wish)
        assert windows == len(made)
        assert counts[1:5].tolist() == np.bincount(last, minlength=5)[1:].tolist()


def test_divergence_matches_a_hand_calculation_lowest_first() -> None:
    train = Histories.from_lists([[1, 2, 2, 3]], n_items=3)
    rules = {"all": Windows(rule="whole", targets="all"), "last": Windows(rule="whole", targets="last")}
    found = measure_target_divergence(train, held(train, [2, 2, 3]), rules)
    assert [(one.rule, one.is_lowest) for one in found] == [("all", True), ("last", False)]
    wanted = np.array([1 / 3, 2 + 1 / 3, 1 + 1 / 3]) / 4
    assert found[0].divergence == pytest.approx(0.0, abs=1e-12)  # 2, 2, 3 are the targets of "all" as well
    last = np.array([1 / 3, 1 / 3, 1 + 1 / 3]) / 2
    assert found[1].divergence == pytest.approx(float((wanted * np.log(wanted / last)).sum()))


def test_generated_rows_do_not_count() -> None:
    train = Histories.from_lists([[1, 2], [3, 3]], n_items=3)
    train.origin[1] = 1
    assert all(one.n_targets <= 1 for one in measure_target_divergence(train, held(train, [2])))


def test_no_targets_is_an_error() -> None:
    train = Histories.from_lists([[1, 2]], n_items=2)
    with pytest.raises(DataError, match="hold out at least one"):
        measure_target_divergence(train, held(train, []))


@pytest.mark.parametrize(("exponent", "shares"), [(0.0, [1 / 2, 1 / 2]), (1.0, [3 / 4, 1 / 4]), (-1.0, [1 / 4, 3 / 4])])
def test_targets_are_drawn_by_popularity_to_a_power(exponent, shares) -> None:
    train = Histories.from_lists([[3, 1, 2], [1], [1]], n_items=3)  # item 1 occurs three times, item 2 once
    rows = train.take(np.zeros(6000, np.int64))
    new = TargetWindow(popularity_exponent=exponent).fit(train)(
        rows, rng.mix_bits(np.arange(6000, dtype=np.uint64)), np.ones(6000, np.float32)
    )
    assert set(new.lengths.tolist()) == {2, 3}
    assert (new.n_targets == 1).all()
    assert (new.lengths == 2).mean() == pytest.approx(shares[0], abs=0.02)


def test_a_window_has_at_most_its_length() -> None:
    train = Histories.from_lists([list(range(1, 11))] * 100, n_items=10)
    new = TargetWindow(max_events=3).fit(train)(train, rng.derive_row_keys(1, train.row_ids), np.ones(100, np.float32))
    assert new.lengths.max() == 3
    with pytest.raises(SpecError, match="popularity_exponent"):
        TargetWindow(popularity_exponent=float("nan"))


def test_counts_of_random_targets_match_the_draws() -> None:
    train = Histories.from_lists([[3, 1, 2], [1], [2, 1]], n_items=3)
    windows, counts = count_targets(train, TargetWindow(popularity_exponent=1.0))
    assert windows == 2
    assert counts[1:4] == pytest.approx([3 / 5 + 1, 2 / 5, 0])


def test_the_first_rule_not_significantly_above_the_lowest_is_recommended() -> None:
    train = Histories.from_lists([[1, 2, 2, 3]] * 50, n_items=3)
    rules = {"all": Windows(rule="whole", targets="all"), "last": Windows(rule="whole", targets="last")}
    clear = {one.rule: one for one in measure_target_divergence(train, held(train, [3] * 100), rules)}
    assert clear["last"].is_lowest
    assert clear["last"].is_recommended
    few = {
        one.rule: one
        for one in measure_target_divergence(train, held(train, [2, 3, 3, 3]), {**rules, "again": rules["all"]})
    }
    assert few["all"].is_recommended
    assert few["all"].excess == few["again"].excess
