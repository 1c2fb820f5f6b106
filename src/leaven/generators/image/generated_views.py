"""How is a generator of pictures an operator on the items' own: one of the item's category beside its real one?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pictures, resized
from leaven.generators.image.image_generator import Codes
from leaven.protocols import FittedImageGenerator, ImageGenerator, Keys, Strength

SIDE = 32
"""Pixels along each side of what is learned from: small nets draw no more in minutes on a processor."""
_WHETHER = 200_000  # the draw of a key that says whether a picture is drawn at all, far behind those of its noise


@dataclass(frozen=True, eq=False)
class DrawnViews:
    """A fitted generator as an operator: with chance `strength` a picture gives way to one drawn of its category.

    codes  int32 (items + 1,): category of each item as the generator knows it, 0: any
    """

    generator: FittedImageGenerator
    codes: Codes

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """One picture a picture, of its size."""
        rows = np.flatnonzero(rng.uniform(keys, _WHETHER) < strength)
        made = np.array(pictures.pixels)
        if len(rows):
            size = (int(made.shape[1]), int(made.shape[2]))
            drawn = self.generator.sample(keys[rows], self.codes[pictures.items[rows]]).pixels
            made[rows] = np.stack([resized(one, size, "stretch") for one in drawn])
        return Pictures(made, pictures.items)

    def reasons(self, pictures: Pictures) -> Mapping[str, npt.NDArray[np.bool_]]:
        """None: every picture may be drawn anew."""
        return {}


def drawn_views(
    config: ImageGenerator, catalog: Catalog, pictures: Pictures, key: int, folder: Path | None = None
) -> DrawnViews:
    """Learns from the items' pictures, told apart by the catalogue's categories where it has any.

    folder: what was learned is kept there, and taken from there where the config, the key and the pictures are the same.

    Raises FitError for too few pictures, or a loss that is no finite number.
    """
    small = np.stack([resized(one, (SIDE, SIDE), "cover") for one in pictures.pixels])
    codes = np.zeros(len(catalog) + 1, np.int32) if catalog.category is None else np.asarray(catalog.category, np.int32)
    seen = codes[pictures.items]
    said = repr([type(config).__name__, asdict(config), key]).encode()  # type: ignore[call-overload]
    mark = hashlib.blake2b(said + small.tobytes() + seen.tobytes(), digest_size=16).hexdigest()
    fitted = _kept(config, folder, mark)
    if fitted is None:
        fitted = config.fit(Pictures(small, pictures.items), key, seen)
        if folder is not None:
            fitted.save(folder)
            (folder / "mark").write_text(mark)
    known = np.isin(codes, seen)
    return DrawnViews(fitted, np.where(known, codes, 0).astype(np.int32))


def _kept(config: Any, folder: Path | None, mark: str) -> Any:
    """What the folder holds, where it is the same."""
    if folder is None or not (folder / "mark").is_file() or (folder / "mark").read_text() != mark:
        return None
    return type(config).load(folder)
