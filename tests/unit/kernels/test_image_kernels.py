"""Image noise, object boxes and single-color images."""

import numpy as np

from leaven import rng
from leaven.kernels.image_kernels import add_noise, compute_normal_quantiles, find_object_boxes, is_single_color

KEYS = rng.derive_row_keys(1, np.arange(2, dtype=np.uint64))


def test_quantiles_have_mean_zero_and_deviation_one() -> None:
    table = compute_normal_quantiles()
    assert abs(table.mean()) < 1e-6
    assert abs(table.std() - 1) < 1e-6
    assert (np.diff(table) > 0).all()


def test_noise_has_the_level_of_each_value_and_zero_changes_nothing() -> None:
    pixels = np.full((2, 30_000), 100, np.uint8)
    levels = np.zeros((2, 256), np.float32)
    levels[0, 100] = 10
    add_noise(pixels, KEYS, levels, compute_normal_quantiles())
    assert abs(pixels[0].mean() - 100) < 0.3
    assert abs(pixels[0].std() - 10) < 0.3
    assert (pixels[1] == 100).all()


def test_the_box_of_an_object_on_a_plain_background() -> None:
    images = np.full((3, 8, 10, 3), 250, np.uint8)
    images[0, 2:5, 3:9] = 20
    images[1, 2:5, 3:9] = 20
    images[1, 0, 5] = 90  # the border is not plain
    assert find_object_boxes(images, 20).tolist() == [[2, 3, 5, 9], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_single_color_images_are_recognized() -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[1, 3, 3, 2] = 1
    assert is_single_color(images).tolist() == [True, False]
