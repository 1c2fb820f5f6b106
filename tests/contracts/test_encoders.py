"""Contract of every registered item encoder."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contracts.registered import wish_of
from leaven.datasets.catalog import Catalog
from leaven.registry import list_kinds
from leaven.simulator.item_generation import draw_image

KINDS = tuple(list_kinds("encoders"))
NEEDS_A_MODEL = {"sentences", "pretrained_image"}
"""Kinds that read weights of a folder; their own tests make one."""
SMALL = {"image_classifier": {"size": 16, "widths": (8,), "steps": 5, "batch": 8}}
OPEN = [kind for kind in KINDS if kind not in NEEDS_A_MODEL]


def catalog(n: int = 30) -> Catalog:
    """Titles, brands, categories, prices and pictures; the last item has nothing at all."""
    things, looks = ["soap", "cream", "knife", "lamp"], ["rose", "plain", "steel"]
    titles = [f"{looks[i % 3]} {things[i % 4]} {i % 7}" for i in range(n - 1)] + [""]
    brands = [["Nivea", "Dove"][i % 2] for i in range(n - 1)] + [""]
    category = np.array([0, *[i % 4 + 1 for i in range(n - 1)], 0], np.int32)
    price = np.array([np.nan, *[1.0 + i for i in range(n - 1)], np.nan])
    pixels = np.stack([draw_image(i % 4, (200, 30, 40 * (i % 4)), 1, i)[::2, ::2] for i in range(n)])
    images = [f"{i}.png" for i in range(n - 1)] + [""]
    words = {"title": titles, "brand": brands}
    return Catalog([str(i) for i in range(n)], words, category, things, price, image_paths=images, pixels=pixels)


def part(items: Catalog, rows: list[int]) -> Catalog:
    words = {name: [column[row] for row in rows] for name, column in items.texts.items()}
    places = [0, *[row + 1 for row in rows]]
    assert items.category is not None
    assert items.price is not None
    assert items.image_paths is not None
    assert items.pixels is not None
    seen = {"image_paths": [items.image_paths[row] for row in rows], "pixels": items.pixels[rows]}
    known = {"category": items.category[places], "price": items.price[places]}
    return replace(items, ids=[items.ids[row] for row in rows], texts=words, **known, **seen)


def fitted(kind: str) -> Any:
    return wish_of("encoders", kind)(**SMALL.get(kind, {})).fit(catalog(), 1)


@pytest.mark.parametrize("kind", OPEN)
def test_vectors_are_finite_and_zero_for_missing_modalities(kind: str) -> None:
    encoder = fitted(kind)
    vectors = encoder(catalog())
    assert vectors.shape == (30, encoder.width)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert not vectors[-1].any()
    assert vectors[:-1].any(axis=1).all()


@pytest.mark.parametrize("kind", OPEN)
def test_a_vector_is_independent_of_the_other_items(kind: str) -> None:
    encoder, rows = fitted(kind), [17, 3, 29, 4]
    np.testing.assert_allclose(encoder(part(catalog(), rows)), encoder(catalog())[rows], atol=1e-6)
    assert encoder(catalog()).tobytes() == fitted(kind)(catalog()).tobytes()


@pytest.mark.parametrize("kind", OPEN)
def test_an_empty_catalog_has_no_vectors(kind: str) -> None:
    encoder = fitted(kind)
    assert encoder(part(catalog(), [])).shape == (0, encoder.width)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_states_its_modality_and_whether_the_catalog_has_it(kind: str) -> None:
    wish = wish_of("encoders", kind)()
    assert wish.modality
    assert not wish.can_encode(Catalog(["a", "b"]))


def test_configs_load_without_heavy_libraries() -> None:
    modules = sorted({place.partition(":")[0] for place in list_kinds("encoders").values()})
    heavy = "{'torch', 'numba', 'duckdb', 'scipy', 'transformers'}"
    code = (
        f"import sys; sys.path[:] = {sys.path}; import {', '.join(modules)}; print(sorted({heavy} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
