"""How do several changes of pictures become one?

As for histories: each member draws from keys of its own, and what a member is not meant for reaches it with strength 0.
All work on one canvas, so that geometry beside geometry is one warp.
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

_GENTLE: tuple[ImageTransform, ...] = (
    RotatePicture((-15.0, 15.0)),
    ShiftPicture(),
    ZoomPicture((0.9, 1.1)),
    Brightness(),
    Contrast(),
)


@dataclass(frozen=True)
class PictureChain:
    """One change after the other; geometry beside geometry is done in one warp, colours beside colours in one map."""

    of: tuple[ImageTransform, ...] = _GENTLE

    def __post_init__(self) -> None:
        check_members("chain.of", self.of)

    def fit(self, catalog: Catalog) -> ChainedPictures:
        """Each of them on the same catalogue."""
        return ChainedPictures(_fitted(self.of, catalog))


@dataclass(frozen=True, eq=False)
class ChainedPictures:
    """Fitted changes in a row."""

    members: tuple[OnCanvas, ...]

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """What the last of them gives."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """All of them on a canvas."""
        return _all(self.members, canvas, keys, [strength] * len(self.members))

    def reasons(self, pictures: Pictures) -> Reasons:
        """Why no member can change a picture, in the words of the first."""
        return _shared(self.members, pictures)


@dataclass(frozen=True)
class SomePictureChanges:
    """`count` of several changes, drawn for each picture, in the order given; weights where one alone is drawn.

    count    1: one of them
    weights  with `count` 1, how often each is drawn; none: all alike
    """

    of: tuple[ImageTransform, ...] = (CropPicture(), RotatePicture(), NoisePicture(), ErasePatch())
    count: int = 1
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_members("one_of.of", self.of)
        check_count("one_of.count", self.count, 1)
        check_weights("one_of.weights", self.weights, len(self.of))
        if self.count > len(self.of):
            raise SpecError("one_of.count", f"at most {len(self.of)}", str(self.count), "name more changes")
        if self.weights and self.count > 1:
            raise SpecError("one_of.weights", "none where several are drawn", repr(self.weights), "count = 1")

    def fit(self, catalog: Catalog) -> SomePictures:
        """Each of them on the same catalogue."""
        return SomePictures(_fitted(self.of, catalog), self.count, self.weights)


@dataclass(frozen=True, eq=False)
class SomePictures:
    """Several fitted changes, of which each picture gets some."""

    members: tuple[OnCanvas, ...]
    count: int
    weights: tuple[float, ...]

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """Pictures changed by the members that were drawn for them."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """Those that were drawn, on a canvas."""
        lots = np.stack([rng.uniform(keys, draw) for draw in range(len(self.members))])  # (members, pictures)
        weight = np.asarray(self.weights or np.ones(len(self.members)))[:, None]
        lots = -np.log1p(-lots) / weight  # the least of exponential lots: drawn by weight
        rank = np.argsort(np.argsort(lots, axis=0), axis=0)
        strengths = [np.where(one < self.count, strength, np.float32(0)) for one in rank]
        return _all(self.members, canvas, keys, strengths)

    def reasons(self, pictures: Pictures) -> Reasons:
        """Why no member can change a picture, in the words of the first."""
        return _shared(self.members, pictures)


@dataclass(frozen=True)
class MaybePicture:
    """A change that each picture meets with chance p."""

    of: ImageTransform = PictureChain()
    p: float = 0.5

    def __post_init__(self) -> None:
        check_members("maybe.of", (self.of,))
        check_share("maybe.p", self.p)

    def fit(self, catalog: Catalog) -> PerhapsPicture:
        """The change on the catalogue."""
        return PerhapsPicture(_fitted((self.of,), catalog)[0], self.p)


@dataclass(frozen=True, eq=False)
class PerhapsPicture:
    """A fitted change that meets some pictures."""

    member: OnCanvas
    p: float

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """Pictures changed with chance p."""
        return applied(self, pictures, keys, strength)

    def on(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        """The change on a canvas."""
        met = rng.uniform(keys, 0) < self.p
        return _all((self.member,), canvas, keys, [np.where(met, strength, np.float32(0))])

    def reasons(self, pictures: Pictures) -> Reasons:
        """Those of the change."""
        return dict(self.member.reasons(pictures))


def _fitted(wishes: tuple[ImageTransform, ...], catalog: Catalog) -> tuple[OnCanvas, ...]:
    """SpecError for a change of a package that cannot work on a canvas."""
    fitted: list[Any] = [wish.fit(catalog) for wish in wishes]
    for wish, one in zip(wishes, fitted, strict=True):
        if not hasattr(one, "on"):
            raise SpecError("of", "changes that work on a canvas", type(wish).__name__, "give it a method `on`")
    return tuple(fitted)


def _all(members: tuple[OnCanvas, ...], canvas: Canvas, keys: Keys, strengths: list[Strength]) -> Canvas:
    for place, member in enumerate(members):
        canvas = member.on(canvas, inner_keys(keys, place), strengths[place])
    return canvas


def _shared(members: tuple[Any, ...], pictures: Pictures) -> Reasons:
    return dict(shared_reasons(members, pictures))
