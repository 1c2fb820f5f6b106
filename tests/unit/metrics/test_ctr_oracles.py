"""CTR metrics against scikit-learn, with and without weights."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    compute_user_auc,
    find_best_threshold,
    linearize_ratio,
)

metrics = pytest.importorskip("sklearn.metrics")


def draw_rows(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, rounded predictions (with ties) and weights, some of them 0."""
    generator = np.random.default_rng(seed)
    chance = np.round(generator.random(n), 2)
    label = (generator.random(n) < chance).astype(float)
    return label, chance, generator.poisson(1.0, n).astype(float)


ORACLES = [
    (Accuracy(0.4), lambda y, p, w: metrics.accuracy_score(y, p >= 0.4, sample_weight=w)),
    (CtrPrecision(0.4), lambda y, p, w: metrics.precision_score(y, p >= 0.4, sample_weight=w)),
    (CtrRecall(0.4), lambda y, p, w: metrics.recall_score(y, p >= 0.4, sample_weight=w)),
    (F1(0.4), lambda y, p, w: metrics.f1_score(y, p >= 0.4, sample_weight=w)),
    (Auc(), lambda y, p, w: metrics.roc_auc_score(y, p, sample_weight=w)),
    (CtrAveragePrecision(), lambda y, p, w: metrics.average_precision_score(y, p, sample_weight=w)),
    (LogLoss(), lambda y, p, w: metrics.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), sample_weight=w)),
]


@pytest.mark.parametrize(("metric", "oracle"), ORACLES, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("seed", range(4))
def test_values_agree_with_scikit_learn(metric, oracle, seed: int) -> None:
    label, chance, weight = draw_rows(seed)
    assert metric(label, chance) == pytest.approx(oracle(label, chance, None), rel=1e-9)
    assert metric(label, chance, weight) == pytest.approx(oracle(label, chance, weight), rel=1e-9)


@pytest.mark.parametrize(("metric", "oracle"), ORACLES, ids=lambda one: type(one).__name__)
def test_the_order_and_the_scale_of_the_weights_do_not_matter(metric, oracle) -> None:
    label, chance, weight = draw_rows(9)
    order = np.random.default_rng(1).permutation(len(label))
    expected = metric(label, chance, weight)
    assert metric(label[order], chance[order], weight[order]) == pytest.approx(expected, rel=1e-12)
    assert metric(label, chance, 7 * weight) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_ranking_metrics_see_the_order_of_the_predictions_alone(seed: int) -> None:
    label, chance, weight = draw_rows(seed, 60)
    for metric in (Auc(), CtrAveragePrecision()):
        squeezed = metric(label, chance**3 / 2, weight)
        assert squeezed == pytest.approx(metric(label, chance, weight), nan_ok=True)
    assert Auc()(label, 1 - chance, weight) == pytest.approx(1 - Auc()(label, chance, weight), nan_ok=True)


def test_the_user_auc_of_each_user_is_scikit_learn_s() -> None:
    label, chance, weight = draw_rows(3)
    users = np.random.default_rng(4).integers(0, 30, len(label)).astype(np.uint64)
    auc, mean_weight = compute_user_auc(label, chance, users, weight)
    both = [user for user in np.unique(users) if 0 < label[users == user].mean() < 1]
    expected = [metrics.roc_auc_score(label[users == user], chance[users == user]) for user in both]
    np.testing.assert_allclose(auc, expected, rtol=1e-12)
    np.testing.assert_allclose(mean_weight, [weight[users == user].mean() for user in both])
    average = np.average(expected, weights=[weight[users == user].mean() for user in both])
    assert UserAuc()(label, chance, weight, users) == pytest.approx(average)


def test_rows_without_users_are_one_user() -> None:
    label, chance, _ = draw_rows(2)
    assert UserAuc()(label, chance) == pytest.approx(Auc()(label, chance))


def test_calibration_of_equal_bins_agrees_with_scikit_learn() -> None:
    calibration_curve = pytest.importorskip("sklearn.calibration").calibration_curve
    generator = np.random.default_rng(5)
    chance = generator.permutation(np.linspace(0.01, 0.99, 500))
    label = (generator.random(500) < chance).astype(float)
    curve = compute_calibration_curve(label, chance, n_bins=10)
    observed, predicted = calibration_curve(label, chance, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(curve.observed, observed)
    np.testing.assert_allclose(curve.predicted, predicted)
    assert curve.weight.tolist() == [50.0] * 10
    assert (np.diff(curve.upper) > 0).all()


def test_calibrated_predictions_have_a_small_error_and_shifted_ones_the_shift() -> None:
    generator = np.random.default_rng(6)
    chance = generator.uniform(0.1, 0.6, 50_000)
    label = (generator.random(50_000) < chance).astype(float)
    assert CalibrationError()(label, chance) < 0.01
    assert CalibrationError()(label, chance + 0.2) == pytest.approx(0.2, abs=0.01)


def test_no_rows_have_no_calibration_curve() -> None:
    empty = np.zeros(0)
    assert all(len(part) == 0 for part in compute_calibration_curve(empty, empty))
    assert math.isnan(CalibrationError()(empty, empty))
    with pytest.raises(SpecError, match="n_bins"):
        CalibrationError(0)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_no_threshold_has_a_better_f1_than_the_best_one(seed: int) -> None:
    label, chance, weight = draw_rows(seed, 40)
    if not (label * weight).sum():
        return
    best = F1(find_best_threshold(label, chance, weight))(label, chance, weight)
    every = [F1(float(cut))(label, chance, weight) for cut in np.unique(chance)]
    assert best >= np.nanmax(every) - 1e-12


def test_information_gain_falls_below_0_for_predictions_worse_than_the_mean() -> None:
    label = np.array([1.0, 0.0, 0.0, 0.0])
    assert InformationGain()(label, np.full(4, 0.9)) < 0
    assert math.isnan(InformationGain()(np.ones(4), np.full(4, 0.9)))  # one class: no entropy to explain


def test_a_linearized_ratio_has_the_ratio_as_its_mean() -> None:
    generator = np.random.default_rng(8)
    part, whole = generator.random(200), generator.random(200) + 0.5
    users = generator.integers(0, 40, 200).astype(np.uint64)
    values = linearize_ratio(part, whole, users)
    assert values.shape == (len(np.unique(users)),)
    assert values.mean() == pytest.approx(part.sum() / whole.sum())
