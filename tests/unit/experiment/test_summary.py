"""Warning about trainings with too few steps."""

from leaven.experiment.summary import warn_if_undertrained
from leaven.facts import ValidationFacts


def curve(*values: float) -> list[ValidationFacts]:
    return [ValidationFacts(10 * nth, 1.0, value) for nth, value in enumerate(values, 1)]


RISING, FLAT = curve(0.01, 0.02, 0.03, 0.04, 0.05), curve(0.01, 0.04, 0.05, 0.05, 0.0502)


def test_a_baseline_that_still_improves_gives_a_warning() -> None:
    (said,) = warn_if_undertrained([RISING, RISING], min_gain=0.01)
    assert "+25.0 %" in said


def test_one_training_that_came_to_rest_is_enough_for_silence() -> None:
    assert warn_if_undertrained([RISING, FLAT], min_gain=0.01) == []


def test_trainings_without_validation_give_no_warning() -> None:
    assert warn_if_undertrained([], min_gain=0.01) == []
    assert warn_if_undertrained([[], [ValidationFacts(10, 0.5)]], min_gain=0.0) == []
    assert warn_if_undertrained([curve(0.02)], min_gain=0.0) == []
