"""CTR metrics against hand-computed values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from leaven.errors import SpecError
from leaven.metrics.ctr.ctr_metrics import (
    F1,
    Accuracy,
    Auc,
    CalibrationError,
    CtrAveragePrecision,
    CtrPrecision,
    CtrRecall,
    InformationGain,
    LogLoss,
    UserAuc,
    compute_calibration_curve,
    find_best_threshold,
)
from leaven.metrics.metric_names import parse_ctr_metric, parse_ctr_metrics

LABEL = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
CHANCE = np.array([0.9, 0.8, 0.6, 0.3, 0.2])
USERS = np.array([1, 1, 2, 2, 2], np.uint64)


def test_a_table_of_five_rows_by_hand() -> None:
    # at .5: said positive 1, 2, 3; right 1, 3 (found), 4 (left)
    assert Accuracy()(LABEL, CHANCE) == pytest.approx(3 / 5)
    assert CtrPrecision()(LABEL, CHANCE) == pytest.approx(2 / 3)
    assert CtrRecall()(LABEL, CHANCE) == pytest.approx(2 / 3)
    assert F1()(LABEL, CHANCE) == pytest.approx(2 / 3)
    # pairs: .9 above both, .6 above one, .2 above none
    assert Auc()(LABEL, CHANCE) == pytest.approx((2 + 1 + 0) / 6)
    assert CtrAveragePrecision()(LABEL, CHANCE) == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)
    by_hand = -(math.log(0.9) + math.log(0.2) + math.log(0.6) + math.log(0.7) + math.log(0.2)) / 5
    assert LogLoss()(LABEL, CHANCE) == pytest.approx(by_hand)


def test_ties_count_half() -> None:
    assert Auc()(np.array([1.0, 0.0]), np.array([0.4, 0.4])) == 0.5
    assert CtrAveragePrecision()(np.array([1.0, 0.0, 0.0]), np.array([0.4, 0.4, 0.4])) == pytest.approx(1 / 3)


def test_the_auc_of_a_user_uses_the_users_rows_only() -> None:
    # user 1: 1 of 1 pairs; user 2: .6 above .3, .2 below it: 1 of 2
    assert UserAuc()(LABEL, CHANCE, users=USERS) == pytest.approx((1 + 1 / 2) / 2)


def test_users_with_one_class_have_no_auc() -> None:
    users = np.array([1, 2, 2, 3, 3], np.uint64)
    assert UserAuc()(LABEL, CHANCE, users=users) == pytest.approx((0 + 0) / 2)  # .8 above .6, .3 above .2


def test_undefined_metrics_are_nan() -> None:
    nobody = np.zeros(3)
    assert math.isnan(Auc()(nobody, np.array([0.1, 0.2, 0.3])))
    assert math.isnan(CtrPrecision()(nobody, np.array([0.1, 0.2, 0.3])))
    assert math.isnan(UserAuc()(np.zeros(0), np.zeros(0), users=np.zeros(0, np.uint64)))


def test_calibration_error_by_hand() -> None:
    label, chance = np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.2, 0.4, 0.7, 0.9])
    _, said, happened, size = compute_calibration_curve(label, chance, n_bins=2)
    np.testing.assert_allclose(said, [0.3, 0.8])
    np.testing.assert_allclose(happened, [0.5, 1.0])
    assert size.tolist() == [2, 2]
    assert CalibrationError(n_bins=2)(label, chance) == pytest.approx((0.2 + 0.2) / 2)


def test_a_mistake_at_probability_0_or_1_has_a_finite_loss() -> None:
    assert 10 < LogLoss()(np.array([1.0]), np.array([0.0])) < 20


def test_the_threshold_has_the_best_f1_of_all() -> None:
    found = find_best_threshold(LABEL, CHANCE)
    every = [F1(threshold=cut)(LABEL, CHANCE) for cut in CHANCE]
    assert F1(threshold=found)(LABEL, CHANCE) == max(every)


@settings(deadline=None)
@given(some.lists(some.tuples(some.booleans(), some.integers(0, 8), some.integers(0, 3)), min_size=2, max_size=30))
def test_a_weight_equals_repeated_rows(rows: list[tuple[bool, int, int]]) -> None:
    label = np.array([float(row[0]) for row in rows])
    chance = np.array([row[1] / 10 + 0.05 for row in rows])
    weight = np.array([row[2] for row in rows])
    many = np.repeat(np.arange(len(rows)), weight)
    for metric in (Accuracy(), CtrPrecision(), CtrRecall(), F1(), Auc(), CtrAveragePrecision(), LogLoss()):
        weighted = metric(label, chance, weight.astype(float))
        assert weighted == pytest.approx(metric(label[many], chance[many]), nan_ok=True)


@settings(deadline=None)
@given(some.lists(some.tuples(some.booleans(), some.integers(0, 5), some.integers(1, 3)), min_size=1, max_size=30))
def test_the_user_auc_is_the_mean_of_the_aucs_of_users(rows: list[tuple[bool, int, int]]) -> None:
    label = np.array([float(row[0]) for row in rows])
    chance = np.array([row[1] / 10 for row in rows])
    users = np.array([row[2] for row in rows], np.uint64)
    own = [Auc()(label[users == user], chance[users == user]) for user in np.unique(users)]
    known = [value for value in own if not math.isnan(value)]
    wanted = float(np.mean(known)) if known else float("nan")
    assert UserAuc()(label, chance, users=users) == pytest.approx(wanted, nan_ok=True)


PER_USER = [Auc(), UserAuc(), Accuracy(), CtrPrecision(), CtrRecall(), F1(threshold=0.4), InformationGain()]


def many(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    users = draw.integers(0, 300, 3000).astype(np.uint64)
    taste = draw.normal(size=300)[users]
    label = (draw.random(3000) < 1 / (1 + np.exp(1.5 - taste))).astype(float)
    chance = np.round(1 / (1 + np.exp(1.2 - 0.8 * taste - 0.6 * label + 0.6 * draw.normal(size=3000))), 2)
    return label, chance, users


@pytest.mark.parametrize("metric", PER_USER, ids=lambda one: type(one).__name__)
def test_the_mean_of_the_users_values_is_the_metric(metric) -> None:
    label, chance, users = many()
    values = metric.of_users(label, chance, users)
    assert values.shape == (len(np.unique(users)),)
    assert values.mean() == pytest.approx(metric(label, chance, users=users), abs=1e-12)


@pytest.mark.parametrize("metric", PER_USER, ids=lambda one: type(one).__name__)
def test_the_spread_of_user_values_matches_a_bootstrap_over_users(metric) -> None:
    label, chance, users = many()
    values, draw = metric.of_users(label, chance, users), np.random.default_rng(1)
    names, owner = np.unique(users, return_inverse=True)
    found = []
    for _ in range(300):
        weight = np.bincount(draw.integers(0, len(names), len(names)), minlength=len(names)).astype(float)
        found.append(metric(label, chance, weight[owner], users))
    assert values.std() / math.sqrt(len(names)) == pytest.approx(np.std(found), rel=0.15)


def test_information_gain_is_0_for_the_mean_and_1_for_the_truth() -> None:
    label = np.array([1.0, 0.0, 0.0, 0.0])
    assert InformationGain()(label, np.full(4, 0.25)) == pytest.approx(0)
    assert InformationGain()(label, label) == pytest.approx(1, abs=1e-5)


def test_a_name_holds_a_threshold_or_leaves_it_to_validation() -> None:
    assert parse_ctr_metric("f1").build_metric(0.2) == F1(0.2)
    assert parse_ctr_metric("f1@0.5").build_metric(0.2) == F1(0.5)
    assert parse_ctr_metric("auc").build_metric(0.2) == Auc()
    assert [
        name for name, one in parse_ctr_metrics(["auc", "log_loss", "average_precision"]).items() if one.has_user_values
    ] == ["auc"]
    for wrong, said in (("auc@0.5", "no threshold"), ("f1@2", "in 0..1"), ("accuracie", "accuracy")):
        with pytest.raises(SpecError, match=said):
            parse_ctr_metric(wrong)
