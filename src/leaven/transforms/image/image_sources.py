"""Loads images block by block, and formats transform configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from leaven import registry
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images, load_images
from leaven.introspection import format_toml_value
from leaven.protocols import ImageTransform

ImageSources = Sequence[str | Path] | Images
ImageBlock = tuple[Images, list[int], Mapping[str, list[str]]]
BLOCK_SIZE = 256  # images in memory at a time


def name_sources(sources: ImageSources) -> list[str]:
    """The names of images: file names, or indices."""
    if isinstance(sources, Images):
        return [str(place) for place in range(len(sources))]
    return [Path(path).name for path in sources]


def load_block(
    sources: ImageSources, begin: int, end: int, size: tuple[int, int], catalog: Catalog | None
) -> ImageBlock:
    """Images of a block, their indices in the sources, and unreadable files by reason."""
    if isinstance(sources, Images):
        return sources.take(np.arange(begin, end)), list(range(begin, end)), {}
    places = range(begin + 1, end + 1)
    owners = [place if catalog is not None and place <= len(catalog) else 0 for place in places]
    found = load_images(sources[begin:end], size, list(places))
    loaded = found.images.items.tolist()
    items = np.array([owners[place - begin - 1] for place in loaded], np.int32)
    return Images(found.images.pixels, items), [place - 1 for place in loaded], found.failures


def format_config(config: ImageTransform) -> str:
    """The fields of a transform as in a spec, with the kinds of members of a combination.

    >>> from leaven.transforms.image.colors import Contrast
    >>> format_config(Contrast())
    '{ factor_range = [0.8, 1.2], guard = false, p = 1.0 }'
    """
    return format_toml_value(_build_table(config))


def _build_table(config: Any) -> dict[str, Any]:
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    return {name: _build_value(value) for name, value in values.items()}


def _build_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_build_value(member) for member in value]
    return (
        {"use": registry.find_kind("image_transforms", value)} | _build_table(value) if hasattr(value, "fit") else value
    )
