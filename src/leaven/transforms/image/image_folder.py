"""Writes image views as JPEG files with a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels, encoded
from leaven.progress import Tell, quiet
from leaven.protocols import ImageTransform
from leaven.transforms.image.image_preview import Show
from leaven.transforms.image.image_sources import BLOCK, Sources, block, called_by
from leaven.transforms.image.image_views import changed

TABLE = "views.csv"


def save_views(
    sources: Sources,
    wish: ImageTransform,
    show: Show,
    folder: Path,
    catalog: Catalog | None = None,
    names: Sequence[str] | None = None,
    tell: Tell = quiet,
) -> int:
    """Write `preview.copies` views of every image as JPEG, and views.csv; return the number of views.

    Columns of the table: file, source, name, copy, key. A view equals that of the same copy in a
    preview. Files are written atomically, the table last.
    """
    fitted = wish.fit(catalog or Catalog(ids=[]))
    kind = registry.kind_of("image_transforms", wish)
    key = rng.key(show.seed, "picture", kind)
    labels = [str(name) for name in names] if names is not None else called_by(sources)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str, str, int, int]] = []
    for begin in range(0, len(sources), BLOCK):
        tell(begin, len(sources), f"writing views, {kind}")
        pictures, places, _ = block(sources, begin, min(begin + BLOCK, len(sources)), show.size, catalog)
        own = rng.user_keys([labels[place] for place in places])
        for copy in range(show.copies):
            keys = rng.row_keys(key, own, copy)
            for row, view in enumerate(changed(fitted, pictures, keys, show.strength).pixels):
                file = f"{places[row]:07d}-{kind}-{copy}.jpg"
                _write_jpeg(folder / file, view)
                rows.append((file, _format_source(sources, places[row]), labels[places[row]], copy, int(keys[row])))
    with (folder / f"{TABLE}.part").open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([("file", "source", "name", "copy", "key"), *sorted(rows)])
    (folder / f"{TABLE}.part").replace(folder / TABLE)
    return len(rows)


def _format_source(sources: Sources, place: int) -> str:
    return str(place) if not isinstance(sources, Sequence) else str(sources[place])


def _write_jpeg(file: Path, picture: Pixels) -> None:
    part = file.with_name(file.name + ".part")
    part.write_bytes(encoded(picture, ".jpg"))
    part.replace(file)
