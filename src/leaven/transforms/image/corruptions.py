"""What does a bad camera, a small picture or a thumb do to pixels?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.protocols import Keys, Strength
from leaven.transforms.image.canvas import Canvas
from leaven.transforms.image.geometry import moved
from leaven.transforms.image.operator import Edit, spread
from leaven.transforms.validation import check_count, check_range, check_share, check_word

LAWS = ("even", "shot")
PAINTS = ("grey", "mean", "drawn")


@dataclass(frozen=True)
class NoisePicture:
    """Add noise: x + α · noise(x), of the normal law, for each value by itself.

    level_range  α in levels of 0..255, drawn evenly per picture (× strength)
    law          "even": α everywhere; "shot": α · √(x / 128), as light falls on a camera's chip
    p            chance that a picture is changed
    """

    level_range: tuple[float, float] = (2.0, 16.0)
    law: str = "even"
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("noise.level_range", self.level_range, 0, 255)
        check_word("noise.law", self.law, LAWS)
        check_share("noise.p", self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        level = spread(keys, 1, *self.level_range) * strength
        law = np.ones(256) if self.law == "even" else np.sqrt(np.arange(256) / 128)
        done = canvas.settled()
        return done.repainted(done.hands.noise(done.pixels, keys, np.outer(level, law).astype(np.float32)))


@dataclass(frozen=True)
class BlurPicture:
    """Blur pictures by a Gaussian.

    sigma_range  its deviation in pixels, drawn evenly per picture (× strength)
    p            chance that a picture is changed
    """

    sigma_range: tuple[float, float] = (0.3, 1.5)
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("blur.sigma_range", self.sigma_range, 0, 50)
        check_share("blur.p", self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p, even=True)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        done = canvas.settled()
        return done.repainted(done.hands.blur(done.pixels, spread(keys, 1, *self.sigma_range) * strength))


@dataclass(frozen=True)
class ErasePatch:
    """Paint a rectangle over (DeVries and Taylor, Cutout, 2017; Zhong and others, Random Erasing, AAAI 2020).

    share_range  share of the picture's area, drawn evenly per picture (× strength)
    ratio_range  width over height
    paint        "grey", "mean": the colour in the picture's middle row and column on average, "drawn": any colour
    p            chance that a picture is changed

    Where we differ: the rectangle lies whole within the picture.
    """

    share_range: tuple[float, float] = (0.02, 0.2)
    ratio_range: tuple[float, float] = (0.5, 2.0)
    paint: str = "grey"
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("erase.share_range", self.share_range, 0, 1)
        check_range("erase.ratio_range", self.ratio_range, 0.1, 10)
        check_word("erase.paint", self.paint, PAINTS)
        check_share("erase.p", self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        done = canvas.settled()
        sides = np.array(done.size)
        side = np.sqrt(spread(keys, 1, *self.share_range) * strength)
        lean = np.exp(spread(keys, 2, np.log(self.ratio_range[0]), np.log(self.ratio_range[1])) / 2)
        window = np.minimum(np.rint(np.stack([side / lean, side * lean], 1) * sides), sides)
        lots = np.stack([rng.uniform(keys, 3), rng.uniform(keys, 4)], axis=1)
        place = np.floor(lots * (sides - window + 1))
        boxes = np.concatenate([place, place + window], axis=1).astype(np.int64)
        return done.repainted(done.hands.erase(done.pixels, boxes, self._colours(done, keys)))

    def _colours(self, canvas: Canvas, keys: Keys) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        if self.paint == "grey":
            return np.full((len(keys), 3), 127, np.uint8)
        if self.paint == "drawn":
            return np.stack([(rng.uniform(keys, 5 + c) * 256).astype(np.uint8) for c in range(3)], axis=1)
        tall, wide = canvas.size
        cross = [canvas.hands.host(canvas.pixels[:, tall // 2]), canvas.hands.host(canvas.pixels[:, :, wide // 2])]
        return np.asarray(np.concatenate(cross, axis=1).mean(axis=1), np.uint8)


@dataclass(frozen=True)
class JpegPicture:
    """Write pictures as JPEG of poor quality, and read them again.

    quality_range  1..100, drawn evenly per picture; 100 - strength · (100 - quality)
    p              chance that a picture is changed
    """

    quality_range: tuple[int, int] = (20, 80)
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("jpeg.quality_range", self.quality_range, 1, 100)
        check_share("jpeg.p", self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        done = canvas.settled()
        quality = np.rint(100 - (100 - spread(keys, 1, *self.quality_range)) * strength).astype(np.int64)
        return done.repainted(done.hands.jpeg(done.pixels, np.where(strength > 0, np.maximum(quality, 1), 0)))


@dataclass(frozen=True)
class ResizePicture:
    """Take pictures as if they had fewer pixels (缩放 resize), or bring all of them to another size.

    scale_range  share of the pixels along each side that is left, drawn evenly per picture; 1 - strength · (1 - scale)
    size         height and width of all results, whatever the strength; (0, 0): those of the picture
    p            chance that a picture loses pixels
    """

    scale_range: tuple[float, float] = (0.4, 1.0)
    size: tuple[int, int] = (0, 0)
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("resize.scale_range", self.scale_range, 0.01, 1)
        for side in self.size:
            check_count("resize.size", side, 0)
        check_share("resize.p", self.p)

    def fit(self, catalog: Catalog) -> Edit:
        """Nothing is learned."""
        return Edit(self._work, self.p, even=True)

    def _work(self, canvas: Canvas, keys: Keys, strength: Strength) -> Canvas:
        scale = 1 - (1 - spread(keys, 1, *self.scale_range)) * strength
        if (scale < 1).any():
            done = canvas.settled()
            canvas = done.repainted(done.hands.coarse(done.pixels, scale))
        if not all(self.size):
            return canvas
        ratio = np.array(canvas.size) / np.array(self.size)
        whole = moved(*(np.full(len(keys), (ratio[side] - 1) / 2) for side in (1, 0)))
        whole[:, 0, 0], whole[:, 1, 1] = ratio[1], ratio[0]
        return canvas.moved_by(whole, self.size)
