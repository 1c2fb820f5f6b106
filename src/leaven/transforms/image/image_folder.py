"""How do views of pictures become a folder of files that any training loop reads?"""

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
    """Writes `show.copies` views of every picture as JPEG, and views.csv: file, source, name, copy, key; how many.

    A view is the one of the same copy that a preview shows. Files are whole or not there; the table comes last.
    """
    fitted = wish.fit(catalog or Catalog(ids=[]))
    kind = registry.kind_of("image_transforms", wish)
    place = rng.key(show.seed, "picture", kind)
    called = [str(one) for one in names] if names is not None else called_by(sources)
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[tuple[str, str, str, int, int]] = []
    for begin in range(0, len(sources), BLOCK):
        tell(begin, len(sources), f"writing views, {kind}")
        pictures, places, _ = block(sources, begin, min(begin + BLOCK, len(sources)), show.size, catalog)
        own = rng.user_keys([called[one] for one in places])
        for copy in range(show.copies):
            keys = rng.row_keys(place, own, copy)
            for row, view in enumerate(changed(fitted, pictures, keys, show.strength).pixels):
                file = f"{places[row]:07d}-{kind}-{copy}.jpg"
                _write(folder / file, view)
                lines.append((file, _source(sources, places[row]), called[places[row]], copy, int(keys[row])))
    with (folder / f"{TABLE}.part").open("w", newline="", encoding="utf-8") as held:
        csv.writer(held).writerows([("file", "source", "name", "copy", "key"), *sorted(lines)])
    (folder / f"{TABLE}.part").replace(folder / TABLE)
    return len(lines)


def _source(sources: Sources, place: int) -> str:
    return str(place) if not isinstance(sources, Sequence) else str(sources[place])


def _write(file: Path, picture: Pixels) -> None:
    part = file.with_name(file.name + ".part")
    part.write_bytes(encoded(picture, ".jpg"))
    part.replace(file)
