"""What is a set of pictures to be judged?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.images import SUFFIXES, Pictures, Pixels, decoded, picture_files, resized
from leaven.errors import DataError
from leaven.quality.table_rows import read_table

SIDE = 64  # pixels of a side at which pictures are compared; smaller ones are not blown up
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Photos:
    """Pictures as they are compared, and where the whole ones are.

    pixels   uint8 (pictures, side, side, 3), cut to a square
    sources  the file of each, or uint8 (height, width, 3)
    labels   what each is said to show, "" unknown
    words    what is said of each, "" unknown
    unread   why -> how many files could not be read
    """

    pixels: Pixels
    sources: Sequence[Path | Pixels]
    labels: Sequence[str]
    words: Sequence[str]
    unread: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, pixels: Pixels, labels: Sequence[str] = (), words: Sequence[str] = ()) -> Photos:
        """From an array uint8 (pictures, height, width, 3); DataError for another."""
        return _sized(_Given(list(Pictures.of(pixels).pixels), labels, words), min(SIDE, *pixels.shape[1:3]))

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, index: Ints) -> Photos:
        """These pictures, int64, in that order."""
        sources, labels, words = ([one[at] for at in index.tolist()] for one in self._lists())
        return Photos(self.pixels[index], sources, labels, words, self.unread)

    def identities(self) -> npt.NDArray[np.uint64]:
        """uint64 (pictures,): a hash of the pixels of each."""
        digests = b"".join(hashlib.blake2b(one.tobytes(), digest_size=8).digest() for one in self.pixels)
        return np.frombuffer(digests, "<u8").astype(np.uint64)

    def _lists(self) -> tuple[Sequence[Any], ...]:
        return self.sources, self.labels, self.words

    def whole(self, place: int) -> Pixels:
        """uint8 (height, width, 3): one picture as it came; as it is compared where its file is gone."""
        source = self.sources[place]
        found = decoded(source) if isinstance(source, Path) else source
        return self.pixels[place] if isinstance(found, str) else found

    def name(self, place: int) -> str:
        """Its file, or its place."""
        source = self.sources[place]
        return str(source) if isinstance(source, Path) else str(place)


@dataclass(frozen=True)
class Columns:
    """Of a table of pictures: which columns hold the files, what they show, and what is said of them; "" is guessed,
    none, none."""

    files: str = ""
    label: str = ""
    words: str = ""


@dataclass(frozen=True, eq=False)
class _Given:
    """Pictures before they are read; no labels or words are as many unknown ones."""

    sources: Sequence[Path | Pixels]
    labels: Sequence[str] = ()
    words: Sequence[str] = ()


def read_photos(given: Sequence[Any], roles: Sequence[str], columns: Columns) -> list[Photos]:
    """Pictures from folders (what they show is the name of the folder that a picture lies in), tables with a column of
    files, lists of files, `leaven.datasets.images.Pictures` or arrays; at one size.

    Raises DataError where a side has no picture that can be read, or no column of files.
    """
    found = [_given(one, role, columns) for one, role in zip(given, roles, strict=True)]
    side = min(_side(one) for one in found)
    whole = [_sized(one, side) for one in found]
    for role, one in zip(roles, whole, strict=True):
        if not len(one):
            why = ", ".join(f"{count:,} × {reason}" for reason, count in one.unread.items()) or "none"
            raise DataError(f"{role} pictures", "one picture at least that can be read", why, "check the files")
    return whole


def _side(given: _Given | Photos) -> int:
    """At which size pictures are compared: arrays may be smaller than files are read."""
    if isinstance(given, Photos):
        return int(given.pixels.shape[1])
    first = given.sources[0] if given.sources else Path()
    return SIDE if isinstance(first, Path) else min(SIDE, *first.shape[:2])


def _given(source: Any, role: str, columns: Columns) -> _Given | Photos:
    if isinstance(source, Photos):
        return source
    if isinstance(source, Pictures):
        items = ["" if item == 0 else str(item) for item in source.items.tolist()]
        return _Given(list(source.pixels), items)
    if isinstance(source, np.ndarray):
        return _Given(list(Pictures.of(source).pixels))
    if isinstance(source, str | Path) and Path(source).is_dir():
        folder = Path(source)
        files = picture_files(folder)
        return _Given(files, [file.parent.name if file.parent != folder else "" for file in files])
    if isinstance(source, list):
        return _Given([Path(one) for one in source])
    return _of_table(source, role, columns)


def _of_table(source: Any, role: str, columns: Columns) -> _Given:
    cells = read_table(source, role).columns
    for name in (columns.files, columns.label, columns.words):
        if name and name not in cells:
            raise DataError(f"{role} pictures", f"a column {name!r}", ", ".join(cells), "name one of these")
    files = columns.files or _guessed(cells, role)
    folder = Path(source).parent if isinstance(source, str | Path) else Path()
    named = [folder / str(one) if one else Path() for one in cells[files]]
    texts = [[_text(one) for one in cells[name]] if name else [] for name in (columns.label, columns.words)]
    return _Given(named, *texts)


def _guessed(cells: Mapping[str, Any], role: str) -> str:
    """The one column whose values look like files of pictures."""
    looks = [name for name, column in cells.items() if column.dtype.kind != "f" and _like_files(column)]
    if len(looks) != 1:
        got = f"{len(looks)} of them: {', '.join(looks)}" if looks else f"none among {', '.join(cells)}"
        raise DataError(f"{role} pictures", "one column of files of pictures", got, "name it: --column NAME")
    return looks[0]


def _like_files(column: Any) -> bool:
    named = [str(one) for one in column if one][:100]
    return bool(named) and all(one.lower().endswith(SUFFIXES) for one in named)


def _text(cell: Any) -> str:
    """A cell as a name: numbers without a point where they are whole, "" where missing."""
    return ("" if np.isnan(cell) else f"{cell:g}") if isinstance(cell, float) else str(cell)


def _sized(given: _Given | Photos, side: int) -> Photos:
    """All of them at one size; those that cannot be read are counted."""
    size, unread = (side, side), dict[str, int]()
    if isinstance(given, Photos):
        same = given.pixels.shape[1] == side
        return given if same else replace(given, pixels=np.stack([resized(one, size, "cover") for one in given.pixels]))
    kept, pixels = list[int](), list[Pixels]()
    for place, source in enumerate(given.sources):
        found = decoded(source) if isinstance(source, Path) else source
        if isinstance(found, str):
            unread[found] = unread.get(found, 0) + 1
        else:
            kept.append(place)
            pixels.append(resized(found, size, "cover"))
    stacked = np.stack(pixels) if pixels else np.zeros((0, *size, 3), np.uint8)
    labels, words = ([one[at] for at in kept] if one else [""] * len(kept) for one in (given.labels, given.words))
    return Photos(stacked, [given.sources[at] for at in kept], labels, words, unread)
