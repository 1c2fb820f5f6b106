"""Sets of images for a quality evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.images import IMAGE_SUFFIXES, Images, Pixels, decode_file, find_image_files, resize_image
from leaven.errors import DataError
from leaven.modalities.tabular import read_table

IMAGE_SIDE = 64  # side in pixels at which images are compared; smaller ones are not enlarged
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ImageRows:
    """Images at the size of comparison, with their originals.

    pixels      uint8 (images, side, side, 3), cropped to a square
    sources     the file of each, or uint8 (height, width, 3)
    labels      the class of each, "" unknown
    captions    the description of each, "" unknown
    unreadable  reason -> number of unreadable files
    """

    pixels: Pixels
    sources: Sequence[Path | Pixels]
    labels: Sequence[str]
    captions: Sequence[str]
    unreadable: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_pixels(cls, pixels: Pixels, labels: Sequence[str] = (), words: Sequence[str] = ()) -> ImageRows:
        """Return images from an array uint8 (images, height, width, 3). Raises DataError for another array."""
        return _resize_all(
            _ImageSources(list(Images.from_pixels(pixels).pixels), labels, words), min(IMAGE_SIDE, *pixels.shape[1:3])
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, index: Ints) -> ImageRows:
        """Return these images, int64 indices, in that order."""
        columns = (self.sources, self.labels, self.captions)
        sources, labels, words = ([column[at] for at in index.tolist()] for column in columns)
        return ImageRows(self.pixels[index], sources, labels, words, self.unreadable)

    def hash_rows(self) -> npt.NDArray[np.uint64]:
        """Return a hash of the pixels of each image, uint64 (images,)."""
        digests = b"".join(hashlib.blake2b(one.tobytes(), digest_size=8).digest() for one in self.pixels)
        return np.frombuffer(digests, "<u8").astype(np.uint64)

    def load_original(self, index: int) -> Pixels:
        """Return one image at its original size, uint8 (height, width, 3); at the size of comparison if its file is
        gone.
        """
        source = self.sources[index]
        found = decode_file(source) if isinstance(source, Path) else source
        return self.pixels[index] if isinstance(found, str) else found

    def get_name(self, index: int) -> str:
        """Return the file of an image, or its index."""
        source = self.sources[index]
        return str(source) if isinstance(source, Path) else str(index)


@dataclass(frozen=True)
class ImageColumns:
    """Columns of a table of images: the files ("": inferred), the class of each and its description ("": none)."""

    files: str = ""
    label: str = ""
    caption: str = ""


@dataclass(frozen=True, eq=False)
class _ImageSources:
    """Images before they are read; empty labels or words: all unknown."""

    sources: Sequence[Path | Pixels]
    labels: Sequence[str] = ()
    words: Sequence[str] = ()


def read_image_rows(given: Sequence[Any], roles: Sequence[str], columns: ImageColumns) -> list[ImageRows]:
    """Return images from folders (the label is the name of the image's folder), tables with a column of files, lists of
    files, `leaven.datasets.images.Images` or arrays; all at one size.

    Raises DataError for a side without a readable image, or a table without a column of files.
    """
    sources = [_collect_sources(one, role, columns) for one, role in zip(given, roles, strict=True)]
    side = min(_choose_side(one) for one in sources)
    resized_images = [_resize_all(one, side) for one in sources]
    for role, one in zip(roles, resized_images, strict=True):
        if not len(one):
            why = ", ".join(f"{count:,} × {reason}" for reason, count in one.unreadable.items()) or "none"
            raise DataError(f"{role} images", "at least one readable image", why, "check the files")
    return resized_images


def _choose_side(given: _ImageSources | ImageRows) -> int:
    """Return the size of comparison of a source: arrays may be smaller than the size for files."""
    if isinstance(given, ImageRows):
        return int(given.pixels.shape[1])
    first = given.sources[0] if given.sources else Path()
    return IMAGE_SIDE if isinstance(first, Path) else min(IMAGE_SIDE, *first.shape[:2])


def _collect_sources(source: Any, role: str, columns: ImageColumns) -> _ImageSources | ImageRows:
    """Return the sources of one side, without reading files."""
    if isinstance(source, ImageRows):
        return source
    if isinstance(source, Images):
        items = ["" if item == 0 else str(item) for item in source.items.tolist()]
        return _ImageSources(list(source.pixels), items)
    if isinstance(source, np.ndarray):
        return _ImageSources(list(Images.from_pixels(source).pixels))
    if isinstance(source, str | Path) and Path(source).is_dir():
        folder = Path(source)
        files = find_image_files(folder)
        return _ImageSources(files, [file.parent.name if file.parent != folder else "" for file in files])
    if isinstance(source, list):
        return _ImageSources([Path(one) for one in source])
    return _read_table_of_files(source, role, columns)


def _read_table_of_files(source: Any, role: str, columns: ImageColumns) -> _ImageSources:
    """Return the sources of a table with a column of files."""
    cells = read_table(source, role).columns
    for name in (columns.files, columns.label, columns.caption):
        if name and name not in cells:
            raise DataError(f"{role} images", f"a column {name!r}", ", ".join(cells), "name one of these")
    files = columns.files or _find_file_column(cells, role)
    folder = Path(source).parent if isinstance(source, str | Path) else Path()
    named = [folder / str(one) if one else Path() for one in cells[files]]
    texts = [[_format_cell(one) for one in cells[name]] if name else [] for name in (columns.label, columns.caption)]
    return _ImageSources(named, texts[0], texts[1])


def _find_file_column(cells: Mapping[str, Any], role: str) -> str:
    """Return the one column whose values look like image files. Raises DataError for none or several."""
    candidates = [name for name, column in cells.items() if column.dtype.kind != "f" and _is_file_column(column)]
    if len(candidates) != 1:
        got = f"{len(candidates)} of them: {', '.join(candidates)}" if candidates else f"none among {', '.join(cells)}"
        raise DataError(f"{role} images", "one column of image files", got, "name it: --column NAME")
    return candidates[0]


def _is_file_column(column: Any) -> bool:
    named = [str(one) for one in column if one][:100]
    return bool(named) and all(one.lower().endswith(IMAGE_SUFFIXES) for one in named)


def _format_cell(cell: Any) -> str:
    """Return a cell as text: whole numbers without a decimal point, "" if missing."""
    return ("" if np.isnan(cell) else f"{cell:g}") if isinstance(cell, float) else str(cell)


def _resize_all(given: _ImageSources | ImageRows, side: int) -> ImageRows:
    """Return all images at one size; unreadable ones are counted."""
    size, unread = (side, side), dict[str, int]()
    if isinstance(given, ImageRows):
        same = given.pixels.shape[1] == side
        return (
            given
            if same
            else replace(given, pixels=np.stack([resize_image(one, size, "cover") for one in given.pixels]))
        )
    readable, pixels = list[int](), list[Pixels]()
    for index, source in enumerate(given.sources):
        image = decode_file(source) if isinstance(source, Path) else source
        if isinstance(image, str):
            unread[image] = unread.get(image, 0) + 1
        else:
            readable.append(index)
            pixels.append(resize_image(image, size, "cover"))
    stacked = np.stack(pixels) if pixels else np.zeros((0, *size, 3), np.uint8)
    labels, words = (
        [one[at] for at in readable] if one else [""] * len(readable) for one in (given.labels, given.words)
    )
    return ImageRows(stacked, [given.sources[at] for at in readable], labels, words, unread)
