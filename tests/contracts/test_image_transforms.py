"""Every registered image transform satisfies its contract."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.registered import wish_of
from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images
from leaven.registry import list_kinds
from leaven.simulator.item_generation import draw_image, encode_png
from leaven.transforms.image.image_views import count_unchanged_images, transform_images
from leaven.transforms.image.torch_backend import transform_tensor

pytest.importorskip("cv2", reason="pictures are read and warped by OpenCV: pip install 'leaven[image]'")

KINDS = tuple(list_kinds("image_transforms"))
COLOURS = ((200, 40, 40), (40, 90, 200), (230, 190, 60), (60, 60, 60))


def pictures(count: int = 24) -> Images:
    """Drawn products, one photograph-like picture without a plain ground, one of a single colour; read-only."""
    drawn = [draw_image(n % 8, COLOURS[n % 4], n % 11, n) for n in range(count - 2)]
    noise = np.random.Generator(np.random.Philox(1)).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pixels = np.stack([*drawn, noise, np.full((64, 64, 3), 90, np.uint8)])
    pixels.setflags(write=False)
    return Images.from_pixels(pixels, np.arange(count, dtype=np.int32) % 6)


FOLDER = Path(tempfile.mkdtemp(prefix="leaven-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def catalog(plain: bool = False) -> Catalog:
    """Five items with pictures: a colour in words, print, a brand, nothing of either; `plain`: without words."""
    titles = ["red dress", "plain towel", "shirt with print", "红色毛巾", "basket"]
    for place in range(5):
        (FOLDER / f"{place}.png").write_bytes(encode_png(draw_image(place, COLOURS[place % 4], place, place)))
    words = {} if plain else {"title": titles, "brand": ["", "", "", "", "Acme"]}
    files = [f"{place}.png" for place in range(5)]
    return Catalog(
        [f"i{n}" for n in range(5)],
        words,
        np.array([0, 1, 1, 1, 1, 2], np.int32),
        ["a", "b"],
        image_paths=files,
        image_folder=FOLDER,
    )


FREE = catalog(plain=True)
FITTED = {kind: wish_of("image_transforms", kind)().fit(catalog()) for kind in KINDS}


def keys(count: int, seed: int = 1) -> Any:
    return rng.derive_row_keys(rng.derive_key(seed, "picture"), rng.derive_user_ids([str(n) for n in range(count)]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_keys_give_the_same_bytes_in_any_batch(kind: str) -> None:
    real = pictures()
    whole = transform_images(FITTED[kind], real, keys(24)).pixels
    again = wish_of("image_transforms", kind)().fit(catalog())
    single = [transform_images(again, real.take(np.array([n])), keys(24)[n : n + 1]).pixels[0] for n in range(24)]
    order = np.random.Generator(np.random.Philox(3)).permutation(24)
    turned = transform_images(FITTED[kind], real.take(order), keys(24)[order]).pixels
    assert np.array_equal(np.stack(single), whole)
    assert np.array_equal(turned[np.argsort(order)], whole)


@pytest.mark.parametrize("kind", KINDS)
def test_strength_0_is_the_identity(kind: str) -> None:
    assert np.array_equal(transform_images(FITTED[kind], pictures(), keys(24), 0.0).pixels, pictures().pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_images_change_more_with_more_strength(kind: str) -> None:
    real = pictures()
    free = wish_of("image_transforms", kind)()
    fitted = free.fit(FREE)
    weak, strong = (transform_images(fitted, real, keys(24), strength).pixels.astype(int) for strength in (0.2, 1.0))
    far = [np.abs(one - real.pixels).mean() for one in (weak, strong)]
    assert 0 < far[0] < far[1]


@pytest.mark.parametrize("kind", KINDS)
def test_size_and_items_stay(kind: str) -> None:
    made = transform_images(FITTED[kind], pictures(), keys(24))
    assert made.pixels.shape == (24, 64, 64, 3)
    assert made.pixels.dtype == np.uint8
    assert np.array_equal(made.items, pictures().items)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_differ(kind: str) -> None:
    fitted = wish_of("image_transforms", kind)().fit(FREE)
    many = pictures().take(np.ones(20, np.int64))
    assert len({picture.tobytes() for picture in transform_images(fitted, many, keys(20)).pixels}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_unchanged_images_are_counted_by_reason(kind: str) -> None:
    real = pictures()
    for seed in range(3):
        made = transform_images(FITTED[kind], real, keys(24, seed))
        same = (made.pixels == real.pixels).all(axis=(1, 2, 3))
        assert sum(count_unchanged_images(FITTED[kind], real, made).values()) == same.sum()
        for reason, holds in FITTED[kind].reasons(real).items():
            assert same[holds].all(), reason


@pytest.mark.parametrize("kind", KINDS)
def test_odd_sizes_and_empty_batches_are_accepted(kind: str) -> None:
    draw = np.random.Generator(np.random.Philox(2))
    for shape in ((3, 9, 31, 3), (2, 40, 8, 3), (1, 8, 8, 3), (0, 64, 64, 3)):
        real = Images.from_pixels(draw.integers(0, 256, shape, dtype=np.uint8))
        assert transform_images(FITTED[kind], real, keys(shape[0])).pixels.shape == shape


@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_is_changed_by_the_same_draws(kind: str) -> None:
    torch = pytest.importorskip("torch")
    real = pictures(12)
    fitted = wish_of("image_transforms", kind)().fit(FREE)
    strength = np.ones(12, np.float32)
    ours = fitted(real, keys(12), strength).pixels.astype(int)
    theirs = (
        transform_tensor(fitted, torch.from_numpy(real.pixels.copy()), keys(12), strength, real.items)
        .numpy()
        .astype(int)
    )
    assert np.abs(ours - theirs).mean() < 1.0  # levels: the two interpolate and round a little differently
    still = transform_tensor(fitted, torch.from_numpy(real.pixels.copy()), keys(12), 0 * strength, real.items)
    assert np.array_equal(still.numpy(), real.pixels)
