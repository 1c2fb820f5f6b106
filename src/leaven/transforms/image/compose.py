"""Combines several image transforms into one.

As for histories, each member draws from its own derived keys, and images that it must not change reach it with strength
0. All members share one canvas, so that consecutive geometric transforms are one warp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pictures
from leaven.errors import SpecError
from leaven.protocols import ImageTransform, Keys, Strength
from leaven.transforms.image.canvas import Canvas
from leaven.transforms.image.colors import Brightness, Contrast
from leaven.transforms.image.corruptions import ErasePatch, NoisePicture
from leaven.transforms.image.geometry import CropPicture, RotatePicture, ShiftPicture, ZoomPicture
from leaven.transforms.image.operator import OnCanvas, Reasons, applied
from leaven.transforms.sequence.compose import check_members, check_weights, inner_keys, shared_reasons
from leaven.transforms.validation import check_count, check_share

_MILD_TRANSFORMS: tuple[ImageTransform, ...] = (
    RotatePicture((-15.0, 15.0)),
    ShiftPicture(),
    ZoomPicture((0.9, 1.1)),
    Brightness(),
    Contrast(),
)


@dataclass(frozen=True)
class PictureChain:
    """Apply several transforms one after the other, with fused warps and color maps."""

    of: tuple[ImageTransform, ...] = _MILD_TRANSFORMS

    def __post_init__(self) -> None:
        check_members("chain.transforms", self.of)

    def fit(self, catalog: Catalog) -> ChainedPictures:
        """Fits each member on the same catalog."""
        return ChainedPictures(_fit_members(self.of, catalog))


@dataclass(frozen=True, eq=False)
class ChainedPictures:
    """Fitted transforms, applied in sequence."""

    members: tuple[OnCanvas, ...]

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """The images of the last member."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """Applies all members to a canvas."""
        return _apply_members(self.members, canvas, keys, [strength] * len(self.members))

    def reasons(self, pictures: Pictures) -> Reasons:
        """The first member's reasons, for images that no member can change."""
        return dict(shared_reasons(self.members, pictures))


@dataclass(frozen=True)
class SomePictureChanges:
    """Apply `count` different transforms, drawn for each image, in the order given.

    count    number of transforms for each image
    weights  with `count` 1: relative probabilities of the transforms; (): equal
    """

    of: tuple[ImageTransform, ...] = (CropPicture(), RotatePicture(), NoisePicture(), ErasePatch())
    count: int = 1
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_members("one_of.transforms", self.of)
        check_count("one_of.count", self.count, 1)
        check_weights("one_of.weights", self.weights, len(self.of))
        if self.count > len(self.of):
            raise SpecError("one_of.count", f"at most {len(self.of)}", str(self.count), "name more transforms")
        if self.weights and self.count > 1:
            raise SpecError("one_of.weights", "no weights for a count above 1", repr(self.weights), "take count = 1")

    def fit(self, catalog: Catalog) -> SomePictures:
        """Fits each member on the same catalog."""
        return SomePictures(_fit_members(self.of, catalog), self.count, self.weights)


@dataclass(frozen=True, eq=False)
class SomePictures:
    """Fitted transforms, `count` of them applied to each image."""

    members: tuple[OnCanvas, ...]
    count: int
    weights: tuple[float, ...]

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """Images changed by the members drawn for them."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """Applies the drawn members to a canvas."""
        draws = np.stack([rng.uniform(keys, draw) for draw in range(len(self.members))])  # (members, pictures)
        weight = np.asarray(self.weights or np.ones(len(self.members)))[:, None]
        draws = -np.log1p(-draws) / weight  # the smallest exponential draw: chosen by weight
        rank = np.argsort(np.argsort(draws, axis=0), axis=0)
        strengths = [np.where(ranks < self.count, strength, np.float32(0)) for ranks in rank]
        return _apply_members(self.members, canvas, keys, strengths)

    def reasons(self, pictures: Pictures) -> Reasons:
        """The first member's reasons, for images that no member can change."""
        return dict(shared_reasons(self.members, pictures))


@dataclass(frozen=True)
class MaybePicture:
    """Apply a transform to each image with probability p."""

    of: ImageTransform = PictureChain()
    p: float = 0.5

    def __post_init__(self) -> None:
        check_members("maybe.transform", (self.of,))
        check_share("maybe.p", self.p)

    def fit(self, catalog: Catalog) -> PerhapsPicture:
        """Fits the transform on the catalog."""
        return PerhapsPicture(_fit_members((self.of,), catalog)[0], self.p)


@dataclass(frozen=True, eq=False)
class PerhapsPicture:
    """A fitted transform, applied to some images."""

    member: OnCanvas
    p: float

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """Images changed with probability p."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """Applies the transform to a canvas."""
        is_changed = rng.uniform(keys, 0) < self.p
        return _apply_members((self.member,), canvas, keys, [np.where(is_changed, strength, np.float32(0))])

    def reasons(self, pictures: Pictures) -> Reasons:
        """The reasons of the transform."""
        return dict(self.member.reasons(pictures))


def _fit_members(configs: tuple[ImageTransform, ...], catalog: Catalog) -> tuple[OnCanvas, ...]:
    """Fit all members; raise SpecError for a transform of a package that cannot edit a canvas."""
    fitted: list[Any] = [config.fit(catalog) for config in configs]
    for config, member in zip(configs, fitted, strict=True):
        if not hasattr(member, "on"):
            expected = "transforms that edit a canvas"
            raise SpecError("transforms", expected, type(config).__name__, "add the method of CanvasTransform")
    return tuple(fitted)


def _apply_members(members: tuple[OnCanvas, ...], canvas: Canvas, keys: Keys, strengths: list[Strength]) -> Canvas:
    for position, member in enumerate(members):
        canvas = member.on(canvas, inner_keys(keys, position), strengths[position])
    return canvas
