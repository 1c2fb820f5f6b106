"""Writes image views as JPEG files with a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels, encode_image
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import ImageTransform
from leaven.transforms.image.image_preview import PreviewConfig
from leaven.transforms.image.image_sources import BLOCK_SIZE, ImageSources, load_block, name_sources
from leaven.transforms.image.image_views import transform_images

VIEWS_TABLE = "views.csv"


def save_views(
    sources: ImageSources,
    config: ImageTransform,
    preview: PreviewConfig,
    folder: Path,
    catalog: Catalog | None = None,
    names: Sequence[str] | None = None,
    on_progress: ProgressCallback = no_progress,
) -> int:
    """Write `preview.copies` views of every image as JPEG, and views.csv; return the number of views.

    Columns of the table: file, source, name, copy, key. A view equals that of the same copy in a
    preview. Files are written atomically, the table last.
    """
    fitted = config.fit(catalog or Catalog(ids=[]))
    kind = registry.find_kind("image_transforms", config)
    key = rng.derive_key(preview.seed, "picture", kind)
    labels = [str(name) for name in names] if names is not None else name_sources(sources)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str, str, int, int]] = []
    for begin in range(0, len(sources), BLOCK_SIZE):
        on_progress(begin, len(sources), f"writing views, {kind}")
        pictures, places, _ = load_block(sources, begin, min(begin + BLOCK_SIZE, len(sources)), preview.size, catalog)
        own = rng.derive_user_ids([labels[place] for place in places])
        for copy in range(preview.copies):
            keys = rng.derive_row_keys(key, own, copy)
            for row, view in enumerate(transform_images(fitted, pictures, keys, preview.strength).pixels):
                file = f"{places[row]:07d}-{kind}-{copy}.jpg"
                _write_jpeg(folder / file, view)
                rows.append((file, _format_source(sources, places[row]), labels[places[row]], copy, int(keys[row])))
    with (folder / f"{VIEWS_TABLE}.part").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([("file", "source", "name", "copy", "key"), *sorted(rows)])
    (folder / f"{VIEWS_TABLE}.part").replace(folder / VIEWS_TABLE)
    return len(rows)


def _format_source(sources: ImageSources, place: int) -> str:
    return str(place) if not isinstance(sources, Sequence) else str(sources[place])


def _write_jpeg(file: Path, picture: Pixels) -> None:
    part = file.with_name(file.name + ".part")
    part.write_bytes(encode_image(picture, ".jpg"))
    part.replace(file)
