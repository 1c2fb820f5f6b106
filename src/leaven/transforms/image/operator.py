"""Provides the fitted form of image transforms, with guards and reasons."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images, Pixels
from leaven.kernels.image_kernels import is_single_color
from leaven.protocols import RngKeys, Strength
from leaven.transforms.image.canvas import Canvas, OpenCvBackend
from leaven.transforms.text.lexicon import Lexicon

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Reasons = dict[str, Bools]
EditCanvas = Callable[[Canvas, RngKeys, Strength], Canvas]
"""Edits a canvas; images of strength 0 stay unchanged."""
ONE_COLOR_REASON = "the image is of one color"


class CanvasTransform(Protocol):
    """A fitted image transform that can edit a canvas, so that consecutive steps are fused."""

    def edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas: ...

    def reasons(self, pictures: Images) -> Mapping[str, Bools]: ...


@dataclass(frozen=True, eq=False)
class ImageEdit:
    """A fitted image transform.

    edit           edits the canvas
    p              probability that an image is changed
    guards         reason -> bool (items + 1,): items whose images must stay unchanged
    keeps_uniform  whether images of one color stay unchanged
    """

    edit: EditCanvas
    p: float
    guards: Mapping[str, Bools] = field(default_factory=dict)
    keeps_uniform: bool = False

    def __call__(self, pictures: Images, keys: RngKeys, strength: Strength) -> Images:
        """One new image for each image."""
        return apply_transform(self, pictures, keys, strength)

    def edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        """Edits a canvas, at strength 0 for skipped images."""
        skipped = self.find_skipped(canvas.items, keys)
        return self.edit(canvas, keys, np.where(skipped, np.float32(0), strength).astype(np.float32))

    def find_skipped(self, items: npt.NDArray[np.int32], keys: RngKeys) -> Bools:
        """bool (images,): unchanged by chance, or guarded."""
        skipped = np.asarray(rng.draw_uniform(keys, 0) >= self.p)
        for guarded in self._find_guarded(items).values():
            skipped = skipped | guarded
        return skipped

    def reasons(self, pictures: Images) -> Reasons:
        """Guarded items, and images of one color."""
        reasons = self._find_guarded(pictures.items)
        if self.keeps_uniform:
            reasons[ONE_COLOR_REASON] = is_single_color(pictures.pixels)
        return reasons

    def _find_guarded(self, items: npt.NDArray[np.int32]) -> Reasons:
        """Reason -> bool (images,); items outside the catalog are not guarded."""
        return {why: mask[np.where(items < len(mask), items, 0)] for why, mask in self.guards.items()}


def apply_transform(fitted: CanvasTransform, images: Images, keys: RngKeys, strength: Strength) -> Images:
    """Apply a fitted transform with OpenCV; the input is not modified."""
    if not len(images):
        return images
    pixels: Pixels = fitted.edit_canvas(Canvas.from_images(images, OpenCvBackend()), keys, strength).render_pixels()
    return replace(images, pixels=pixels)


def draw_between(keys: RngKeys, draw: int, bounds: tuple[float, float]) -> Floats:
    """float64 (keys,) uniform between two bounds: draw number `draw` of each key."""
    low, high = bounds
    return low + (high - low) * rng.draw_uniform(keys, draw)


Guards = dict[str, npt.NDArray[np.bool_]]
COLOR_REASON = "its text names a color"
WRITING_REASON = "it may show writing, a logo or a side"
_SIDES = re.split(
    ",",
    "left,right,logo,print,printed,lettering,letter,letters,slogan,text,monogram,monogrammed,personalised,personalized,"
    "alphabet,number,numbers,word,words,quote,graphic,badge,flag,map,calendar,book,poster,asymmetric,one-shoulder,"
    "左,右,字母,文字,印花,标语,刻字,商标,数字,地图,海报,书,单肩",
)


def guard_colors(catalog: Catalog) -> Guards:
    """Items whose text names a color: "red dress", "红色连衣裙"."""
    names = [word for word, kind in Lexicon.load_default().attributes.items() if kind in ("color", "shade")]
    return _build_guard(COLOR_REASON, catalog, _find_words(catalog, names))


def guard_mirroring(catalog: Catalog) -> Guards:
    """Items whose text names writing or a side, and items of a brand, whose name may be visible."""
    is_named = _find_words(catalog, _SIDES)
    brands = np.array([bool(brand) for brand in catalog.texts.get("brand", ())] or [False] * len(catalog), bool)
    return _build_guard(WRITING_REASON, catalog, is_named | brands)


def _build_guard(why: str, catalog: Catalog, mask: npt.NDArray[np.bool_]) -> Guards:
    """reason -> bool (items + 1,); item 0, without a catalog row, is not guarded."""
    return {why: np.concatenate([[False], mask])} if len(catalog) else {}


def _find_words(catalog: Catalog, words: Iterable[str]) -> npt.NDArray[np.bool_]:
    """bool (items,): items whose text contains one of the words; English words as whole words."""
    whole = [re.escape(word) for word in words if word.isascii()]
    inside = [re.escape(word) for word in words if not word.isascii() and (len(word) > 1 or word in "左右")]
    pattern = re.compile(rf"\b(?:{'|'.join(whole)})\b|{'|'.join(inside)}", re.IGNORECASE)
    texts = [text for name, text in catalog.texts.items() if name != "brand"]
    return np.array([any(pattern.search(text[row]) for text in texts) for row in range(len(catalog))], bool)
