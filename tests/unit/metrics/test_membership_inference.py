"""The membership attack detects an overfitted generator and no others."""

import numpy as np
import pytest
from bench.defects import HistoryLaw

from leaven.metrics.synthetic import membership_inference


def test_the_true_positive_rate_is_taken_at_the_false_positive_rate() -> None:
    strangers = np.arange(100.0)
    assert membership_inference.tpr_at_fpr(np.array([98.5, 99.5, 50.0, 200.0]), strangers, fpr=0.01) == pytest.approx(
        3 / 4
    )
    assert membership_inference.tpr_at_fpr(np.array([98.5, 99.5, 50.0, 200.0]), strangers, fpr=0.0) == pytest.approx(
        2 / 4
    )


def test_copies_of_members_are_detected_and_fresh_rows_are_not() -> None:
    law = HistoryLaw()
    members, strangers, reference, fresh = (law.rows(200, key) for key in range(4))
    calibrated = [membership_inference.compute_surprisals(reference, rows) for rows in (members, strangers)]
    found = {}
    for name, new in (("copies", members), ("fresh", fresh)):
        here = [ordinary - membership_inference.compute_surprisals(new, rows) for ordinary, rows in
                zip(calibrated, (members, strangers), strict=True)]  # fmt: skip
        found[name] = membership_inference.evaluate_attack(here[0], here[1], 1)
    assert found["copies"].tpr > 0.3
    assert found["copies"].auc_interval[0] > 0.8
    assert found["fresh"].auc_interval[0] < 0.5 < found["fresh"].auc_interval[1]
    assert found["fresh"].tpr < 0.1


def test_density_is_higher_where_points_are_near() -> None:
    cloud = np.random.default_rng(1).standard_normal((200, 2))
    centre, far = membership_inference.estimate_log_density(cloud, np.array([[0.0, 0.0], [6.0, 6.0]]))
    assert centre > far
