"""INDD on a toy with known answers, and its blind spots."""

import numpy as np
import pytest

from leaven.errors import DataError
from leaven.metrics.synthetic.indd import LinearDenoiser, compute_indd

ROWS, WIDTH, FACTORS = 4000, 40, 6


def toy(seed: int, noise: float = 1.0, normal: bool = False, even: bool = False) -> np.ndarray:
    """40 columns of 6 factors, and Laplace noise whose size differs from row to row."""
    mixing = np.random.default_rng(0).standard_normal((FACTORS, WIDTH))
    chance = np.random.default_rng(seed)
    size = 1.0 if even else chance.exponential(size=(ROWS, 1))
    shape = (ROWS, WIDTH)
    drawn = chance.standard_normal(shape) * np.sqrt(2) if normal else chance.laplace(size=shape)
    return 3 * chance.standard_normal((ROWS, FACTORS)) @ mixing + noise * size * drawn


DENOISER = LinearDenoiser.fit(toy(1))


def amount(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(DENOISER.residuals(rows), axis=1)


def test_the_denoiser_finds_how_many_factors_there_are() -> None:
    assert DENOISER.directions.shape[1] == FACTORS


def test_real_against_real_is_near_zero() -> None:
    nulls = [compute_indd(amount(toy(2 + seed)), amount(toy(20 + seed))).distance for seed in range(6)]
    assert np.median(nulls) < 0.05


@pytest.mark.parametrize(("noise", "sign"), [(0.5, -1), (1.5, 1)])
def test_half_and_one_and_a_half_times_the_noise_are_half_a_deviation_with_their_sign(noise: float, sign: int) -> None:
    found = compute_indd(amount(toy(2, noise)), amount(toy(3)))
    assert 0.4 < found.distance < 0.6
    assert 0.2 < sign * found.shift < 0.6


def test_noise_of_the_same_size_and_another_shape_shows_in_the_coordinates() -> None:
    real, fresh, other = (DENOISER.residuals(toy(seed, normal=seed == 4, even=True)) for seed in (2, 3, 4))
    assert compute_indd(other, real).distance > 2 * compute_indd(fresh, real).distance


def test_indd_ignores_copies_and_missing_modes() -> None:
    """The documented blind spots: INDD alone is no judgement."""
    real = amount(toy(3))
    assert compute_indd(real, real).distance == 0.0
    rows = toy(2)
    assert compute_indd(amount(rows[rows[:, 0] > 0]), real).distance < 0.05


def test_coordinates_without_spread_or_without_numbers_are_left_out() -> None:
    real = np.array([[1.0, 7.0], [3.0, 7.0]])
    assert compute_indd(np.array([[2.0, 9.0], [4.0, 9.0]]), real).distance == pytest.approx(1.0)
    assert np.isnan(compute_indd(np.ones((2, 1)), np.ones((3, 1))).distance)
    gappy = np.array([2.0, np.nan, 4.0])
    assert compute_indd(gappy, real[:, 0]).distance == pytest.approx(1.0)


def test_a_denoiser_needs_rows() -> None:
    with pytest.raises(DataError, match="10 rows"):
        LinearDenoiser.fit(np.ones((9, 3)))
