"""Previews of image transforms, and their views as JPEG files with a table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images, Pixels, encode_image, load_images
from leaven.errors import DataError
from leaven.introspection import format_toml_value
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import ImageTransform
from leaven.storage import replace_file
from leaven.transforms.image.image_views import count_unchanged_images, transform_images
from leaven.transforms.image.preview_sheet import SheetRow, render_sheet

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


def _build_table(config: Any) -> dict[str, object]:
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    return {name: _build_value(value) for name, value in values.items()}


def _build_value(value: Any) -> object:
    if isinstance(value, tuple):
        return [_build_value(member) for member in value]
    return (
        {"use": registry.find_kind("image_transforms", value)} | _build_table(value) if hasattr(value, "fit") else value
    )


@dataclass(frozen=True, eq=False)
class ImagePreview:
    """Some images before and after, with counts of all.

    operator     kind of the transform
    config_text  its fields, as in a spec
    names        names of the shown images
    before       uint8 (shown, height, width, 3)
    after        uint8 (shown, copies, height, width, 3), the views of each
    n_images     images that were read
    n_changed    images whose first view differs
    unchanged    reason -> number of images whose first view does not differ
    unreadable   reason -> files that could not be read
    """

    operator: str
    config_text: str
    names: list[str]
    before: Pixels
    after: Pixels
    n_images: int
    n_changed: int
    unchanged: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, list[str]] = field(default_factory=dict)

    def render_sheet(self) -> Pixels:
        """uint8 (height, width, 3): one row for each image with its name, the input first, on white."""
        return render_sheet(self._list_rows(), f"{self.operator}: before, then views")

    def _list_rows(self) -> list[SheetRow]:
        return [SheetRow(*row) for row in zip(self.names, self.before, self.after, strict=True)]

    def select_example(self) -> SheetRow:
        """The first shown image that a view changes, in a row with the operator's name; the first, if none changes."""
        rows = self._list_rows()
        changed = (row for row in rows if not all(np.array_equal(row.before, view) for view in row.after))
        found = next(changed, None)
        return replace(found, name=self.operator) if found else replace(rows[0], name=f"{self.operator}: unchanged")


@dataclass(frozen=True)
class PreviewConfig:
    """Config of a preview: number of images and of views each, size in pixels, seed, strength."""

    rows: int = 8
    copies: int = 5
    size: tuple[int, int] = (112, 112)
    seed: int = 7
    strength: float = 1.0


def preview_images(
    sources: ImageSources,
    config: ImageTransform,
    preview: PreviewConfig,
    catalog: Catalog | None = None,
    names: Sequence[str] | None = None,
    on_progress: ProgressCallback = no_progress,
) -> ImagePreview:
    """A preview of image files or images; the shown images are spread evenly over all.

    names: seed of the draws of each image, and its label; by default the file name or the index. With a catalog, source
    *n* belongs to item *n + 1*.

    Raises DataError where no image could be read.
    """
    fitted = config.fit(catalog or Catalog(ids=[]))
    kind = registry.find_kind("image_transforms", config)
    key = rng.derive_key(preview.seed, "picture", kind)
    labels = [str(name) for name in names] if names is not None else name_sources(sources)
    targets = np.linspace(0, len(sources), min(preview.rows, len(sources)), endpoint=False).astype(np.int64)
    shown, n_images, counts = _ShownImages(), 0, dict[str, int]()
    unread: dict[str, list[str]] = {}
    for begin in range(0, len(sources), BLOCK_SIZE):
        on_progress(begin, len(sources), f"{kind} on images")
        end = min(begin + BLOCK_SIZE, len(sources))
        images, places, failed = load_block(sources, begin, end, preview.size, catalog)
        for reason, files in failed.items():
            unread.setdefault(reason, []).extend(files)
        keys = rng.derive_user_ids([labels[place] for place in places])
        first = transform_images(fitted, images, rng.derive_row_keys(key, keys, 0), preview.strength)
        for reason, count in count_unchanged_images(fitted, images, first).items():
            counts[reason] = counts.get(reason, 0) + count
        n_images += len(images)
        chosen = _select_shown(targets, places, len(shown.names))
        part, own = images.take(chosen), keys[chosen]
        views = [
            transform_images(fitted, part, rng.derive_row_keys(key, own, copy), preview.strength)
            for copy in range(preview.copies)
        ]
        shown.add([labels[places[row]] for row in chosen.tolist()], part.pixels, [view.pixels for view in views])
        on_progress(end, len(sources), f"{kind} on images")
    if not n_images:
        got = "; ".join(f"{reason}: {len(files):,}" for reason, files in unread.items()) or "no image"
        raise DataError("images", "at least one readable image", got, "check the files, and the column of their names")
    before, after = shown.stack()
    n_changed = n_images - sum(counts.values())
    return ImagePreview(kind, format_config(config), shown.names, before, after, n_images, n_changed, counts, unread)


def _select_shown(targets: npt.NDArray[np.int64], places: list[int], taken: int) -> npt.NDArray[np.int64]:
    """Indices of the shown images of a block: for each target the next readable image."""
    chosen: list[int] = []
    for row, place in enumerate(places):
        if (targets <= place).sum() > taken + len(chosen):
            chosen.append(row)
    return np.array(chosen, np.int64)


@dataclass
class _ShownImages:
    names: list[str] = field(default_factory=list)
    before: list[Pixels] = field(default_factory=list)
    after: list[Pixels] = field(default_factory=list)

    def add(self, names: list[str], before: Pixels, views: list[Pixels]) -> None:
        if names:
            self.names += names
            self.before.append(before)
            self.after.append(np.stack(views, axis=1))

    def stack(self) -> tuple[Pixels, Pixels]:
        return np.concatenate(self.before), np.concatenate(self.after)


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
                with replace_file(folder / file) as part:
                    part.write_bytes(encode_image(view, ".jpg"))
                rows.append((file, _format_source(sources, places[row]), labels[places[row]], copy, int(keys[row])))
    with replace_file(folder / VIEWS_TABLE) as part, part.open("w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([("file", "source", "name", "copy", "key"), *sorted(rows)])
    return len(rows)


def _format_source(sources: ImageSources, place: int) -> str:
    return str(place) if not isinstance(sources, Sequence) else str(sources[place])
