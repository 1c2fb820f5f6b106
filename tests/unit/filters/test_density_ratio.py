"""The density ratio filter moves synthetic rows closer to real ones."""

import numpy as np
import pytest

from leaven import rng
from leaven.augmentation import Plan, Step
from leaven.augmentation.step_fitting import fit_step
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.filters.density_ratio import DensityRatio, fit_logistic
from leaven.generators.sequence.markov import Markov
from leaven.simulator import simulate_first_order

ITEMS = 30


def real() -> Histories:
    return simulate_first_order(ITEMS, rows=800, length=8, seed=1)[0]


class HalfNoise:
    """A generator whose every second row is noise."""

    def sample(self, keys: np.ndarray, like: Histories | None = None) -> Histories:
        chance = np.random.default_rng(3)
        good = simulate_first_order(ITEMS, rows=2 * len(keys), length=8, seed=1)[0].slice(len(keys), 2 * len(keys))
        rows = [
            good.row_items(i).tolist() if is_good(i) else chance.integers(1, ITEMS + 1, 8).tolist()
            for i in range(len(keys))
        ]
        return Histories.from_lists(
            rows, ITEMS, times=[list(range(0, 8 * 3600, 3600))] * len(keys), row_ids=keys.tolist()
        )

    def save(self, folder: object) -> None:
        """Nothing to keep."""


def is_good(row: int) -> bool:
    return row % 2 == 0


def test_noise_is_rejected_and_rows_like_real_ones_are_accepted() -> None:
    made = HalfNoise().sample(rng.derive_user_ids([f"n{i}" for i in range(400)]))
    fitted = DensityRatio(generator=HalfNoise()).fit(real(), 7)
    mask = fitted(made).accepted
    good = np.array([is_good(row) for row in range(400)])
    assert mask[good].mean() > 2 * mask[~good].mean()
    assert mask[good].mean() > 0.6
    assert fitted.log_ratio(made)[good].mean() > fitted.log_ratio(made)[~good].mean() + 0.5


def test_the_ratio_is_calibrated() -> None:
    made = HalfNoise().sample(rng.derive_user_ids([f"n{i}" for i in range(400)]))
    fitted = DensityRatio(generator=HalfNoise()).fit(real(), 7)
    unseen = simulate_first_order(ITEMS, rows=1200, length=8, seed=1)[0].slice(800, 1200)
    said = 1 / (1 + np.exp(-np.concatenate([fitted.log_ratio(unseen), fitted.log_ratio(made)])))
    assert said.mean() == pytest.approx(0.5, abs=0.06)  # half of them are real
    sure = said > np.quantile(said, 0.75)
    assert np.repeat([1, 0], 400)[sure].mean() == pytest.approx(said[sure].mean(), abs=0.12)


def test_a_lower_ceiling_accepts_more_and_rows_are_independent() -> None:
    made = HalfNoise().sample(rng.derive_user_ids([f"n{i}" for i in range(200)]))
    strict, loose = (DensityRatio(HalfNoise(), ceiling_quantile=c).fit(real(), 7) for c in (1.0, 0.3))
    assert loose(made).accepted.sum() > strict(made).accepted.sum()
    assert loose(made.slice(5, 6)).accepted[0] == loose(made).accepted[5]


def test_a_step_passes_its_generator_to_the_filter() -> None:
    step = fit_step(Plan([Step(Markov(), filters=(DensityRatio(),))]), 1, real(), seed=7)
    given = fit_step(Plan([Step(Markov(), filters=(DensityRatio(step.generator),))]), 1, real(), seed=7)
    other = fit_step(Plan([Step(Markov(), filters=(DensityRatio(HalfNoise()),))]), 1, real(), seed=7)
    made = Markov().fit(real(), 1).sample(rng.derive_user_ids([f"n{i}" for i in range(200)]))
    masks = [one.filters[0](made).accepted.tolist() for one in (step, given, other)]
    assert masks[0] == masks[1] != masks[2]


def test_logistic_regression_recovers_known_weights() -> None:
    chance = np.random.default_rng(1)
    points = np.column_stack([np.ones(20_000), chance.normal(size=20_000)])
    label = (chance.random(20_000) < 1 / (1 + np.exp(-(0.5 - 1.5 * points[:, 1])))).astype(float)
    assert fit_logistic(points, label) == pytest.approx([0.5, -1.5], abs=0.06)


def test_too_few_rows_and_an_invalid_ceiling_raise_errors() -> None:
    with pytest.raises(FitError, match="at least 40"):
        DensityRatio().fit(real().slice(0, 30), 7)
    with pytest.raises(SpecError):
        DensityRatio(ceiling_quantile=0.0)
