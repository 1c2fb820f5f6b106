"""The modality of images: rows of a quality evaluation, and views of the items' images."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import (
    IMAGE_SUFFIXES,
    Images,
    LoadedImages,
    Pixels,
    encode_image,
    load_catalog_images,
    resize_image,
)
from leaven.errors import DataError
from leaven.facts import ImageExample, UnreadableFiles
from leaven.generators.image.generated_views import build_generated_views
from leaven.metrics.synthetic import FeaturizedRows, image_statistics, membership_inference
from leaven.metrics.synthetic.image_statistics import STATISTIC_NAMES, ImageTextMatcher
from leaven.modalities.featurization import (
    MAX_ENCODER_ROWS,
    FeatureInfo,
    Featurizer,
    Points,
    choose_rows,
    compare_points,
)
from leaven.modalities.histograms import Distribution, bin_values, count_categories
from leaven.modalities.image_features import LOOKS, ImageClasses, ImageSpace
from leaven.modalities.image_rows import ImageColumns, ImageRows, read_image_rows
from leaven.modalities.modality import (
    ROLES,
    ROWS_WITHOUT_COPIES,
    ComparedSides,
    EvaluationContext,
    Family,
    Ints,
    ItemStep,
    ItemValues,
    Modality,
    Notes,
    OperatorFamilies,
    QualityInputs,
    RowComparison,
    RowQuality,
    ViewSource,
)
from leaven.protocols import ImageGenerator, ImageTransform, RngKeys
from leaven.run_folder import write_text
from leaven.transforms.image.image_views import count_unchanged_images, transform_images

IMAGE_COLUMN = "(picture)"
"""Name of the only column of images, which no text column has."""
_SHOWN_STATISTICS = ("brightness", "contrast", "colorfulness", "sharpness")


def _owns_source(source: Any) -> bool:
    """Return whether a source is an array or container of images, or a folder with images."""
    return isinstance(source, ImageRows | Images | np.ndarray) or _has_images(source)


def _resembles_images(source: Any) -> bool:
    """False: a table of image files looks like any other table."""
    return False


def _has_images(source: Any) -> bool:
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return False
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in Path(source).rglob("*"))


def _read_images(given: Sequence[Any], context: EvaluationContext) -> QualityInputs[ImageRows]:
    """Return the inputs of three sets of images."""
    found = read_image_rows(given, ROLES, ImageColumns(context.column, context.label, context.caption))
    notes: Notes = {
        f"unreadable_{role.replace('-', '_')}_images": tuple(
            f"{count:,} × {reason}" for reason, count in one.unreadable.items()
        )
        for role, one in zip(ROLES, found, strict=True)
        if one.unreadable
    }
    real, held, new = found
    names = [[one.get_name(index) for index in range(len(one))] for one in (real, new)]
    return QualityInputs("image", real, held, new, notes, (names[0], names[1]))


@dataclass(frozen=True, eq=False)
class ImageFeaturizer:
    """Images: a network's embeddings, a patch denoiser for noise, thumbnails for copies."""

    info: FeatureInfo
    space: ImageSpace
    training: Points
    ordinary: Points
    thumbnails: Points
    denoiser: image_statistics.PatchDenoiser
    kinds: ImageClasses | None
    matcher: ImageTextMatcher | None

    @classmethod
    def fit(cls, real: ImageRows, fold: ImageRows, key: int, context: EvaluationContext) -> Featurizer:
        """Return the featurizer of training images and a fold. Raises MissingExtra without torch."""
        chosen = real.take(choose_rows(len(real), MAX_ENCODER_ROWS, rng.derive_key(key, "encoder")))
        space = ImageSpace.fit(chosen, key, context.encoder)
        training = space.embed(chosen)
        axes = [f"look {axis + 1}" for axis in range(min(LOOKS, training.shape[1]))]
        return cls(
            info=FeatureInfo([*image_statistics.STATISTIC_NAMES, *axes], called=space.called, learned=space.learned),
            space=space,
            training=training,
            ordinary=space.embed(fold),
            thumbnails=image_statistics.build_thumbnails(real.pixels),
            denoiser=image_statistics.PatchDenoiser.fit(
                fold.pixels, rng.make_generator(rng.derive_key(key, "patches"))
            ),
            kinds=ImageClasses.fit(chosen, training),
            matcher=ImageTextMatcher.fit(chosen.captions, training, key) if any(chosen.captions) else None,
        )

    def featurize(self, rows: ImageRows) -> FeaturizedRows:
        """Return the sample of these images."""
        points, statistics = self.space.embed(rows), image_statistics.compute_image_statistics(rows.pixels)
        source = image_statistics.find_copied_thumbnails(
            image_statistics.build_thumbnails(rows.pixels), self.thumbnails
        )
        facts = compare_points(points, self.training) | {
            "copied": (source >= 0).astype(np.float64),
            "reference": membership_inference.estimate_log_density(self.ordinary, points),
        }
        if self.kinds is not None:
            facts["misnamed"] = self.kinds.is_mislabeled(rows, points)
        if self.matcher is not None:
            facts["match"] = self.matcher.score_matches(rows.captions, points, self.ordinary)
        features = np.column_stack([statistics, points[:, :LOOKS]])
        return FeaturizedRows(points, features, self.denoiser.residuals(rows.pixels), facts)


def _describe_images(sides: ComparedSides[ImageRows]) -> list[Distribution | None]:
    """Return the histograms of simple statistics, noise and labels."""
    rows, samples = sides.rows, sides.samples
    columns = [STATISTIC_NAMES.index(name) for name in _SHOWN_STATISTICS]
    found = [
        bin_values(name.capitalize(), "levels of 255", [one.features[:, column] for one in samples])
        for name, column in zip(_SHOWN_STATISTICS, columns, strict=True)
    ]
    noise = [one.residuals[:, one.residuals.shape[1] // 2] for one in samples]
    found.append(bin_values("Residual of the denoiser", "1: as for other real images", noise))
    if any(rows[0].labels):
        found.append(count_categories("Label", "label", [np.array(one.labels) for one in rows]))
    return found


def _format_image(rows: ImageRows, row: int) -> list[str]:
    """Return label, description and file of an image."""
    parts = [rows.labels[row], rows.captions[row], rows.get_name(row).rpartition("/")[2]]
    return [one for one in parts if one]


def _find_copies(new: ImageRows, real: ImageRows) -> Ints:
    """Return the training image that each new one copies but for compression and size, int64 (new,); -1 for none."""
    new_thumbnails, thumbnails = (image_statistics.build_thumbnails(one.pixels) for one in (new, real))
    return image_statistics.find_copied_thumbnails(new_thumbnails, thumbnails)


def _write_names(rows: ImageRows, inputs: QualityInputs[ImageRows], folder: Path) -> Path:
    """Write the files of the images, one per line."""
    target = folder / f"{ROWS_WITHOUT_COPIES}.txt"
    write_text(target, "".join(f"{rows.get_name(index)}\n" for index in range(len(rows))))
    return target


@dataclass(frozen=True, eq=False)
class ImageViews:
    """The items' images, read on first use as squares of `size` pixels.

    folder  folder of fitted generators, shared by all trainings of a variant; None: not stored
    """

    catalog: Catalog
    size: int
    folder: Path | None = None

    @cached_property
    def gallery(self) -> LoadedImages:
        """All readable images.

        Raises DataError where there are none.
        """
        gallery = load_catalog_images(self.catalog, (self.size, self.size))
        if not len(gallery.images):
            why = "; ".join(f"{reason}: {len(files):,}" for reason, files in gallery.failures.items()) or "none"
            raise DataError(
                "images of the items", "at least one readable image", why, "check the column and the folder"
            )
        return gallery

    def find_columns(self, step: ItemStep) -> tuple[str, ...]:
        """The only column."""
        if self.catalog.image_paths is None or not any(self.catalog.image_paths):
            fix = 'name their column: item_columns = { …, image = "…" }'
            raise DataError(f"step {step.display_name!r}", "items with images", "none", fix)
        return (IMAGE_COLUMN,)

    def fit(self, step: ItemStep, key: int) -> Any:
        """Fit on the catalog; a generator is fitted on the images."""
        use: Any = step.use
        if step.is_generator:
            path = None if self.folder is None else self.folder / f"learned-{step.display_name.replace(' ', '-')}"
            return build_generated_views(use, self.catalog, self.gallery.images, key, path)
        return use.fit(self.catalog)

    def get_values(self, column: str) -> ItemValues:
        """uint8 (size, size, 3) per item; None without a readable image."""
        values: ItemValues = [None] * len(self.catalog)
        for item, pixels in zip(self.gallery.images.items.tolist(), self.gallery.images.pixels, strict=True):
            values[item - 1] = pixels
        return values

    def find_items(self, column: str) -> Ints:
        """Items with a readable image."""
        return self.gallery.images.items.astype(np.int64) - 1

    def apply(self, fitted: Any, values: ItemValues, items: Ints, keys: RngKeys, strength: float) -> ItemValues:
        """Changed images of the same size; None stays None."""
        present = [row for row, one in enumerate(values) if one is not None]
        changed = list(values)
        if present:
            rows = np.array(present)
            after = transform_images(fitted, _stack_images(values, items, present), keys[rows], strength).pixels
            for row, pixels in zip(present, after, strict=True):
                changed[row] = resize_image(pixels, (self.size, self.size), "stretch")
        return changed

    def count_unchanged(self, fitted: Any, before: ItemValues, after: ItemValues, items: Ints) -> Mapping[str, int]:
        """Counts by safeguards and the operator's reasons, else by the draw."""
        present = [row for row, one in enumerate(before) if one is not None]
        if not present:
            return {}
        return count_unchanged_images(
            fitted, _stack_images(before, items, present), _stack_images(after, items, present)
        )

    def show_pair(self, item: str, before: Any, after: Any, step: ItemStep) -> ImageExample:
        """Both as PNG in base64; for a generated image also the nearest real image."""
        pair = ImageExample(item, _encode_png(before), _encode_png(after), _compute_distance(before, after))
        if not step.is_generator:
            return pair
        real = self.gallery.images
        distances = [_compute_distance(image, after) for image in real.pixels]
        row = int(np.argmin(distances))
        return replace(
            pair,
            nearest=_encode_png(real.pixels[row]),
            nearest_item=str(self.catalog.ids[int(real.items[row]) - 1]),
            nearest_distance=distances[row],
        )

    def replace_values(self, catalog: Catalog, columns: Mapping[str, ItemValues]) -> Catalog:
        """The catalog with these images instead of its files; an item with an unreadable file has none."""
        images = columns[IMAGE_COLUMN]
        blank = np.zeros_like(next(one for one in images if one is not None))
        named = catalog.image_paths or []
        paths = [path if one is not None else "" for path, one in zip(named, images, strict=True)]
        return replace(catalog, image_paths=paths, pixels=np.stack([blank if one is None else one for one in images]))

    def summarize_pair(self, item: str, before: Any, after: Any) -> RowComparison:
        """The item, and the distance of both images."""
        changed = f"another by {_compute_distance(before, after)} of 255 levels"
        return RowComparison([f"image of {item}"], [changed], [0])

    def to_columns(self, before: ItemValues, after: ItemValues) -> dict[str, Any]:
        """The view as JPEG."""
        return {"jpeg": [None if one is None else encode_image(one, ".jpg") for one in after]}

    def count_unreadable(self) -> Mapping[str, UnreadableFiles]:
        """Unreadable images by reason."""
        failures = self.gallery.failures.items()
        return {why: UnreadableFiles(len(files), tuple(map(str, files[:3]))) for why, files in failures}


def _stack_images(values: ItemValues, items: Ints, rows: Sequence[int]) -> Images:
    return Images(np.stack([values[row] for row in rows]), (items[np.array(rows)] + 1).astype(np.int32))


def _encode_png(image: Pixels) -> str:
    return base64.b64encode(encode_image(image, ".png")).decode()


def _compute_distance(one: Pixels, other: Pixels) -> float:
    """Root mean squared difference, in levels of 0..255."""
    return round(float(np.sqrt(np.square(one.astype(np.float32) - other).mean())), 1)


IMAGE: Modality[ImageRows] = Modality(
    name="image",
    containers=(ImageRows, Images),
    families=OperatorFamilies(Family("image_transforms", ImageTransform), Family("image_generators", ImageGenerator)),
    task="ranking",
    quality=RowQuality(
        owns=_owns_source,
        resembles=_resembles_images,
        read=_read_images,
        hash_rows=ImageRows.hash_rows,
        fit_featurizer=ImageFeaturizer.fit,
        describe=_describe_images,
        format_row=_format_image,
        find_copies=_find_copies,
        write_rows=_write_names,
        context_fields=("column", "label", "caption", "encoder"),
        load_image=ImageRows.load_original,
    ),
    views=ViewSource("images", ImageViews),
)
