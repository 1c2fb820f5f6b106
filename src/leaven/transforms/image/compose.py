"""Combines several image transforms into one.

As for histories, each member draws from its own derived keys, and images that it must not change reach it with strength
0. All members share one canvas, so that consecutive geometric transforms are one warp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images
from leaven.errors import SpecError
from leaven.field_checks import check_count, check_share
from leaven.protocols import ImageTransform, OperatorTraits, RngKeys, Strength
from leaven.transforms.image.canvas import Canvas
from leaven.transforms.image.colors import Brightness, Contrast
from leaven.transforms.image.corruptions import AddImageNoise, ErasePatch
from leaven.transforms.image.geometry import CropImage, RotateImage, ShiftImage, ZoomImage
from leaven.transforms.image.operator import CanvasTransform, Reasons, apply_transform
from leaven.transforms.sequence.compose import check_members, check_weights, derive_member_keys, find_shared_reasons

_MILD_TRANSFORMS: tuple[ImageTransform, ...] = (
    RotateImage((-15.0, 15.0)),
    ShiftImage(),
    ZoomImage((0.9, 1.1)),
    Brightness(),
    Contrast(),
)


@dataclass(frozen=True)
class ImageChain:
    """Apply several transforms one after the other, with fused warps and color maps."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("picture chain")
    transforms: tuple[ImageTransform, ...] = _MILD_TRANSFORMS

    def __post_init__(self) -> None:
        check_members("chain.transforms", self.transforms)

    def fit(self, catalog: Catalog) -> FittedImageChain:
        """Fits each member on the same catalog."""
        return FittedImageChain(_fit_members(self.transforms, catalog))


@dataclass(frozen=True, eq=False)
class FittedImageChain:
    """Fitted transforms, applied in sequence."""

    members: tuple[CanvasTransform, ...]

    def __call__(self, pictures: Images, keys: RngKeys, strength: Strength) -> Images:
        """The images of the last member."""
        return apply_transform(self, pictures, keys, strength)

    def edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        """Applies all members to a canvas."""
        return _apply_members(self.members, canvas, keys, [strength] * len(self.members))

    def reasons(self, pictures: Images) -> Reasons:
        """The first member's reasons, for images that no member can change."""
        return dict(find_shared_reasons(self.members, pictures))


@dataclass(frozen=True)
class SomeImageTransforms:
    """Apply `count` different transforms, drawn for each image, in the order given.

    count    number of transforms for each image
    weights  with `count` 1: relative probabilities of the transforms; (): equal
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("some picture changes")
    transforms: tuple[ImageTransform, ...] = (CropImage(), RotateImage(), AddImageNoise(), ErasePatch())
    count: int = 1
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_members("one_of.transforms", self.transforms)
        check_count("one_of.count", self.count, 1)
        check_weights("one_of.weights", self.weights, len(self.transforms))
        if self.count > len(self.transforms):
            raise SpecError("one_of.count", f"at most {len(self.transforms)}", str(self.count), "name more transforms")
        if self.weights and self.count > 1:
            raise SpecError("one_of.weights", "no weights for a count above 1", repr(self.weights), "take count = 1")

    def fit(self, catalog: Catalog) -> FittedSomeImageTransforms:
        """Fits each member on the same catalog."""
        return FittedSomeImageTransforms(_fit_members(self.transforms, catalog), self.count, self.weights)


@dataclass(frozen=True, eq=False)
class FittedSomeImageTransforms:
    """Fitted transforms, `count` of them applied to each image."""

    members: tuple[CanvasTransform, ...]
    count: int
    weights: tuple[float, ...]

    def __call__(self, pictures: Images, keys: RngKeys, strength: Strength) -> Images:
        """Images changed by the members drawn for them."""
        return apply_transform(self, pictures, keys, strength)

    def edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        """Applies the drawn members to a canvas."""
        draws = np.stack([rng.draw_uniform(keys, draw) for draw in range(len(self.members))])  # (members, pictures)
        weight = np.asarray(self.weights or np.ones(len(self.members)))[:, None]
        draws = -np.log1p(-draws) / weight  # the smallest exponential draw: chosen by weight
        rank = np.argsort(np.argsort(draws, axis=0), axis=0)
        strengths = [np.where(ranks < self.count, strength, np.float32(0)) for ranks in rank]
        return _apply_members(self.members, canvas, keys, strengths)

    def reasons(self, pictures: Images) -> Reasons:
        """The first member's reasons, for images that no member can change."""
        return dict(find_shared_reasons(self.members, pictures))


@dataclass(frozen=True)
class MaybeImage:
    """Apply a transform to each image with probability p."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("maybe picture")
    transform: ImageTransform = ImageChain()
    p: float = 0.5

    def __post_init__(self) -> None:
        check_members("maybe.transform", (self.transform,))
        check_share("maybe.p", self.p)

    def fit(self, catalog: Catalog) -> FittedMaybeImage:
        """Fits the transform on the catalog."""
        return FittedMaybeImage(_fit_members((self.transform,), catalog)[0], self.p)


@dataclass(frozen=True, eq=False)
class FittedMaybeImage:
    """A fitted transform, applied to some images."""

    member: CanvasTransform
    p: float

    def __call__(self, pictures: Images, keys: RngKeys, strength: Strength) -> Images:
        """Images changed with probability p."""
        return apply_transform(self, pictures, keys, strength)

    def edit_canvas(self, canvas: Canvas, keys: RngKeys, strength: Strength) -> Canvas:
        """Applies the transform to a canvas."""
        is_changed = rng.draw_uniform(keys, 0) < self.p
        return _apply_members((self.member,), canvas, keys, [np.where(is_changed, strength, np.float32(0))])

    def reasons(self, pictures: Images) -> Reasons:
        """The reasons of the transform."""
        return dict(self.member.reasons(pictures))


def _fit_members(configs: tuple[ImageTransform, ...], catalog: Catalog) -> tuple[CanvasTransform, ...]:
    """Fit all members; raise SpecError for a transform of a package that cannot edit a canvas."""
    fitted: list[Any] = [config.fit(catalog) for config in configs]
    for config, member in zip(configs, fitted, strict=True):
        if not hasattr(member, "edit_canvas"):
            expected = "transforms that edit a canvas"
            raise SpecError("transforms", expected, type(config).__name__, "add the method of CanvasTransform")
    return tuple(fitted)


def _apply_members(
    members: tuple[CanvasTransform, ...], canvas: Canvas, keys: RngKeys, strengths: list[Strength]
) -> Canvas:
    for position, member in enumerate(members):
        canvas = member.edit_canvas(canvas, derive_member_keys(keys, position), strengths[position])
    return canvas
