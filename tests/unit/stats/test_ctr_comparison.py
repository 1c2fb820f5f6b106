"""CTR models compared on the same users."""

import numpy as np
import pytest

from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.metrics.ctr.ctr_metrics import Auc, LogLoss
from leaven.stats.ctr_comparison import compare_ctr


def world(users: int = 120, rows: int = 10) -> tuple[Samples, np.ndarray]:
    draw = np.random.default_rng(0)
    truth = draw.random(users * rows)
    label = (draw.random(users * rows) < truth).astype(float)
    owner = np.repeat(np.arange(1, users + 1), rows)
    return Samples.from_lists({"x": truth.tolist()}, label=label.tolist(), user_ids=owner.tolist()), truth


def test_a_better_model_is_detected_and_noise_is_not() -> None:
    rows, truth = world()
    draw = np.random.default_rng(1)
    blurred = np.clip(truth + 0.5 * draw.normal(size=len(truth)), 0.01, 0.99)
    other = np.clip(truth + 0.5 * draw.normal(size=len(truth)), 0.01, 0.99)
    arms = {"baseline": [blurred], "truth": [truth], "other": [other]}
    found = {(e.variant, e.metric): e for e in compare_ctr(arms, rows, {"auc": Auc(), "log_loss": LogLoss()})}
    assert found["truth", "auc"].better
    assert found["truth", "log_loss"].better
    assert found["truth", "log_loss"].difference < 0
    assert not found["other", "auc"].better
    assert not found["other", "auc"].worse
    assert found["truth", "auc"].value == pytest.approx(Auc()(rows.label.astype(float), truth))
    assert found["baseline", "auc"].difference == 0


def test_the_interval_holds_the_difference_and_seeds_are_averaged() -> None:
    rows, truth = world()
    low = np.clip(truth + 0.3 * np.random.default_rng(2).normal(size=len(truth)), 0.01, 0.99)
    found = compare_ctr({"baseline": [low, low], "truth": [truth, low]}, rows, {"auc": Auc()})[1]
    alone = compare_ctr({"baseline": [low], "truth": [truth]}, rows, {"auc": Auc()})[1]
    assert found.difference == pytest.approx(alone.difference / 2)
    assert found.low < found.difference < found.high
    assert found.spread == pytest.approx(alone.difference / np.sqrt(2))


def test_few_users_support_no_claim_and_a_missing_baseline_is_named() -> None:
    rows, truth = world(users=10)
    assert not compare_ctr({"baseline": [1 - truth], "truth": [truth]}, rows, {"auc": Auc()})[1].better
    with pytest.raises(DataError, match="baseline"):
        compare_ctr({"base line": [truth]}, rows, {"auc": Auc()})
