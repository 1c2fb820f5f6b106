"""Image statistics against hand-computed values."""

import numpy as np
import pytest

from leaven.errors import DataError
from leaven.metrics.synthetic.image_statistics import (
    STATISTIC_NAMES,
    ImageTextMatcher,
    PatchDenoiser,
    build_thumbnails,
    compute_image_statistics,
    find_copied_thumbnails,
)
from leaven.metrics.synthetic.indd import compute_indd


def scenes(count: int, noise: float, seed: int) -> np.ndarray:
    """Smooth slopes of 32 × 32 with noise."""
    chance = np.random.default_rng(seed)
    slope = chance.uniform(-2, 2, (count, 2, 1, 1))
    down, across = np.mgrid[0:32, 0:32]
    plain = 128 + slope[:, 0] * (down - 16) + slope[:, 1] * (across - 16)
    return np.clip(plain[..., None] + chance.normal(0, noise, (count, 32, 32, 3)), 0, 255).astype(np.uint8)


def test_statistics_of_uniform_images() -> None:
    grey = np.full((1, 16, 16, 3), 100, np.uint8)
    blue = grey.copy()
    blue[..., 2] = 190
    found = dict(zip(STATISTIC_NAMES, compute_image_statistics(np.concatenate([grey, blue])).T, strict=True))
    assert found["brightness"].tolist() == [100, 130]
    assert found["colorfulness"].tolist() == [0, 90]
    assert found["sharpness"].tolist() == found["contrast"].tolist() == [0, 0]


def test_the_denoiser_sees_half_and_twice_the_noise_with_its_sign() -> None:
    denoiser = PatchDenoiser.fit(scenes(200, 8.0, 1), np.random.default_rng(5))
    law = {name: denoiser.residuals(scenes(200, noise, 2)) for name, noise in (("half", 4), ("same", 8), ("twice", 16))}
    real = denoiser.residuals(scenes(200, 8.0, 3))
    assert real.mean(axis=0) == pytest.approx([1, 1, 1], rel=0.1)
    found = {name: compute_indd(one, real) for name, one in law.items()}
    assert found["same"].distance < 0.2
    assert found["half"].shift < -2
    assert found["twice"].shift > 2


def test_a_copy_is_found_after_compression_and_other_images_are_no_copies() -> None:
    pictures = scenes(30, 8.0, 1)
    again = np.clip(pictures[[4, 7]].astype(int) + np.random.default_rng(2).integers(-4, 5, (2, 32, 32, 3)), 0, 255)
    mine = np.concatenate([again.astype(np.uint8), 255 - pictures[:1]])
    assert find_copied_thumbnails(build_thumbnails(mine), build_thumbnails(pictures)).tolist() == [4, 7, -1]


def test_texts_match_their_own_images_best() -> None:
    chance = np.random.default_rng(3)
    kinds = chance.integers(0, 4, 240)
    words = [f"{['red', 'green', 'blue', 'grey'][kind]} mug" for kind in kinds]
    points = 3 * np.eye(4)[kinds] + chance.normal(0, 0.3, (240, 4))
    matcher = ImageTextMatcher.fit(words[:120], points[:120], 1)
    own = matcher.score_matches(words[120:], points[120:], points[:120])
    turned = matcher.score_matches([*words[121:], ""], points[120:], points[:120])
    assert np.mean(own) > 0.8
    assert np.isnan(turned[-1])
    assert np.nanmean(turned) < 0.65
    with pytest.raises(DataError, match="at least 10"):
        ImageTextMatcher.fit(["a"] * 5, points[:5], 1)
