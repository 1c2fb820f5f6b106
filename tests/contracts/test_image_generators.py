"""Contract of every registered image generator."""

from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pytest

from contracts.registered import wish_of
from leaven import rng
from leaven.datasets.images import Images
from leaven.errors import DataError, FitError
from leaven.protocols import FittedImageGenerator
from leaven.registry import list_kinds
from leaven.simulator.item_generation import draw_image

pytest.importorskip("torch")
KINDS = sorted(list_kinds("image_generators"))
STEPS = {"vae": 300}
INKS = ((220, 30, 30), (30, 60, 220))  # of categories 1 and 2


def real(count: int = 128) -> tuple[Images, np.ndarray]:
    """Red things of category 1 and blue ones of category 2, 16 × 16, read-only."""
    category = np.arange(count, dtype=np.int32) % 2 + 1
    drawn = [draw_image(int(n) % 8, INKS[code - 1], 0, int(n))[::4, ::4] for n, code in enumerate(category)]
    pixels = np.stack(drawn)
    pixels.setflags(write=False)
    return Images.from_pixels(pixels), category


@cache
def fitted(kind: str) -> FittedImageGenerator:
    pictures, category = real()
    config = small(kind, noise=16, width=16, steps=STEPS.get(kind, 60), batch=32, learning_rate=2e-3, moves=4)
    return config.fit(pictures, key=3, category=category)


def small(kind: str, **sizes: Any) -> Any:
    """A config of these sizes, as far as it has them."""
    cls = wish_of("image_generators", kind)
    return cls(**{name: value for name, value in sizes.items() if name in {one.name for one in fields(cls)}})


def keys(count: int) -> Any:
    return rng.derive_user_ids([str(n) for n in range(count)])


@pytest.mark.parametrize("kind", KINDS)
def test_each_key_gives_one_image_and_they_differ(kind: str) -> None:
    made = fitted(kind).sample(keys(70))
    assert made.pixels.shape == (70, 16, 16, 3)
    assert made.pixels.dtype == np.uint8
    assert len({one.tobytes() for one in made.pixels}) == 70
    assert len(fitted(kind).sample(keys(0))) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_its_batch(kind: str) -> None:
    whole = fitted(kind).sample(keys(70)).pixels
    assert np.array_equal(fitted(kind).sample(keys(70)[5:6]).pixels[0], whole[5])
    assert np.array_equal(fitted(kind).sample(keys(70)[::-1]).pixels[::-1], whole)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_of_a_fit_gives_the_same_bytes(kind: str) -> None:
    pictures, category = real(32)
    config = small(kind, noise=8, width=8, steps=3, batch=16)
    one, two, other = (config.fit(pictures, key, category).sample(keys(4)).pixels for key in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading_changes_nothing(kind: str, tmp_path: Any) -> None:
    fitted(kind).save(tmp_path)
    loaded = wish_of("image_generators", kind).load(tmp_path)
    assert np.array_equal(loaded.sample(keys(9)).pixels, fitted(kind).sample(keys(9)).pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_categories_are_as_requested_and_unknown_ones_rejected(kind: str) -> None:
    asked = np.array([1, 2] * 8, np.int32)
    made = fitted(kind).sample(keys(16), asked).pixels
    twice = fitted(kind).sample(keys(16), np.full(16, 2, np.int32)).pixels
    assert np.array_equal(made[1::2], twice[1::2])
    assert not np.array_equal(made[::2], twice[::2])
    with pytest.raises(DataError, match="codes in 0 … 2"):
        fitted(kind).sample(keys(1), np.array([3], np.int32))


@pytest.mark.parametrize("kind", KINDS)
def test_unsupported_images_are_rejected(kind: str) -> None:
    config = wish_of("image_generators", kind)()
    with pytest.raises(FitError, match="14 × 20"):
        config.fit(Images.from_pixels(np.zeros((4, 14, 20, 3), np.uint8)), key=1)
    with pytest.raises(FitError, match="none"):
        config.fit(Images.from_pixels(np.zeros((0, 16, 16, 3), np.uint8)), key=1)
    with pytest.raises(FitError, match="one category code"):
        config.fit(real(4)[0], key=1, category=np.zeros(3, np.int32))


@pytest.mark.parametrize("kind", KINDS)
def test_no_layer_mixes_a_batch(kind: str) -> None:
    torch = pytest.importorskip("torch")
    assert not any(isinstance(one, torch.nn.modules.batchnorm._BatchNorm) for one in fitted(kind).net.modules())
