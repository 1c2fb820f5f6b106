"""How do pictures look before and after, how many changed, and which could not be read?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels
from leaven.errors import DataError
from leaven.progress import Tell, quiet
from leaven.protocols import ImageTransform
from leaven.transforms.image.image_sources import BLOCK, Sources, block, called_by, said
from leaven.transforms.image.image_views import changed, unchanged


@dataclass(frozen=True, eq=False)
class PicturePreview:
    """Some pictures before and after, and counts of all.

    operator   the kind
    says       its fields, as a spec would write them
    names      of the pictures that are shown
    before     uint8 (shown, height, width, 3)
    after      uint8 (shown, copies, height, width, 3), the views of each
    pictures   how many were read; changed: how many of their first views differ
    unchanged  why -> how many do not
    unread     why -> files that could not be read
    """

    operator: str
    says: str
    names: list[str]
    before: Pixels
    after: Pixels
    pictures: int
    changed: int
    unchanged: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, list[str]] = field(default_factory=dict)

    def sheet(self, gap: int = 4) -> Pixels:
        """uint8 (height, width, 3): a row a picture, the first as it was, white between."""
        rows = [np.concatenate([_on(one, many.shape[1:3])[None], many]) for one, many in self._pairs()]
        if not rows:
            return np.full((gap, gap, 3), 255, np.uint8)
        tall, wide = rows[0].shape[1] + gap, rows[0].shape[2] + gap
        whole = np.full((tall * len(rows) + gap, wide * len(rows[0]) + 2 * gap, 3), 255, np.uint8)
        for line, row in enumerate(rows):
            for place, picture in enumerate(row):
                top, left = line * tall + gap, place * wide + gap + (gap if place else 0)
                whole[top : top + tall - gap, left : left + wide - gap] = picture
        return whole

    def _pairs(self) -> list[tuple[Pixels, Pixels]]:
        return list(zip(self.before, self.after, strict=True))


def _on(picture: Pixels, size: tuple[int, ...]) -> Pixels:
    """A picture in the corner of a white one at least as large; cut where it is larger."""
    whole = np.full((*size, 3), 255, np.uint8)
    part = picture[: size[0], : size[1]]
    whole[: part.shape[0], : part.shape[1]] = part
    return whole


@dataclass(frozen=True)
class Show:
    """How many pictures are shown, in how many views, of which size in pixels, from which seed, how strong."""

    rows: int = 8
    copies: int = 5
    size: tuple[int, int] = (112, 112)
    seed: int = 7
    strength: float = 1.0


def previewed(
    sources: Sources,
    wish: ImageTransform,
    show: Show,
    catalog: Catalog | None = None,
    names: Sequence[str] | None = None,
    tell: Tell = quiet,
) -> PicturePreview:
    """A preview of files or of pictures; those shown lie evenly over all of them.

    names: what each picture's chance follows from, and what stands beside it; by default the file, or its place. With a
    catalogue, source *n* belongs to item *n + 1*.

    Raises DataError where no picture could be read.
    """
    fitted = wish.fit(catalog or Catalog(ids=[]))
    kind = registry.kind_of("image_transforms", wish)
    place = rng.key(show.seed, "picture", kind)
    called = [str(one) for one in names] if names is not None else called_by(sources)
    wanted = np.linspace(0, len(sources), min(show.rows, len(sources)), endpoint=False).astype(np.int64)
    seen, read_in_all, counts = _Seen(), 0, dict[str, int]()
    unread: dict[str, list[str]] = {}
    for begin in range(0, len(sources), BLOCK):
        tell(begin, len(sources), f"{kind} on pictures")
        end = min(begin + BLOCK, len(sources))
        pictures, places, missed = block(sources, begin, end, show.size, catalog)
        for why, files in missed.items():
            unread.setdefault(why, []).extend(files)
        keys = rng.user_keys([called[one] for one in places])
        first = changed(fitted, pictures, rng.row_keys(place, keys, 0), show.strength)
        for why, count in unchanged(fitted, pictures, first).items():
            counts[why] = counts.get(why, 0) + count
        read_in_all += len(pictures)
        chosen = _next(wanted, places, len(seen.names))
        part, own = pictures.take(chosen), keys[chosen]
        views = [changed(fitted, part, rng.row_keys(place, own, copy), show.strength) for copy in range(show.copies)]
        seen.add([called[places[row]] for row in chosen.tolist()], part.pixels, [one.pixels for one in views])
    if not read_in_all:
        why = "; ".join(f"{reason}: {len(files):,}" for reason, files in unread.items()) or "no picture"
        raise DataError("pictures", "at least one that can be read", why, "look at the files, and at the column")
    before, after = seen.stacked()
    moved = read_in_all - sum(counts.values())
    return PicturePreview(kind, said(wish), seen.names, before, after, read_in_all, moved, counts, unread)


def _next(wanted: npt.NDArray[np.int64], places: list[int], taken: int) -> npt.NDArray[np.int64]:
    """Which pictures of a block are shown: for each wanted place the next one that could be read."""
    chosen: list[int] = []
    for row, place in enumerate(places):
        if (wanted <= place).sum() > taken + len(chosen):
            chosen.append(row)
    return np.array(chosen, np.int64)


@dataclass
class _Seen:
    names: list[str] = field(default_factory=list)
    before: list[Pixels] = field(default_factory=list)
    after: list[Pixels] = field(default_factory=list)

    def add(self, names: list[str], before: Pixels, views: list[Pixels]) -> None:
        if names:
            self.names += names
            self.before.append(before)
            self.after.append(np.stack(views, axis=1))

    def stacked(self) -> tuple[Pixels, Pixels]:
        return np.concatenate(self.before), np.concatenate(self.after)
