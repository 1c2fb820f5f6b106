"""Previews image transforms: some images before and after, with counts of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels
from leaven.errors import DataError
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import ImageTransform
from leaven.transforms.image.image_sources import BLOCK_SIZE, ImageSources, format_config, load_block, name_sources
from leaven.transforms.image.image_views import count_unchanged_images, transform_images


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

    def render_sheet(self, gap_pixels: int = 4) -> Pixels:
        """uint8 (height, width, 3): one row for each image, the input first, on white."""
        pairs = zip(self.before, self.after, strict=True)
        rows = [np.concatenate([_place_on_white(image, views.shape[1:3])[None], views]) for image, views in pairs]
        if not rows:
            return np.full((gap_pixels, gap_pixels, 3), 255, np.uint8)
        tall, wide = rows[0].shape[1] + gap_pixels, rows[0].shape[2] + gap_pixels
        sheet = np.full((tall * len(rows) + gap_pixels, wide * len(rows[0]) + 2 * gap_pixels, 3), 255, np.uint8)
        for row, images in enumerate(rows):
            for column, image in enumerate(images):
                top, left = row * tall + gap_pixels, column * wide + gap_pixels + (gap_pixels if column else 0)
                sheet[top : top + tall - gap_pixels, left : left + wide - gap_pixels] = image
        return sheet


def _place_on_white(image: Pixels, size: tuple[int, ...]) -> Pixels:
    """An image in the corner of a white one of a size; cropped if it is larger."""
    canvas = np.full((*size, 3), 255, np.uint8)
    part = image[: size[0], : size[1]]
    canvas[: part.shape[0], : part.shape[1]] = part
    return canvas


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
