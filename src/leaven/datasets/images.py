"""What is a set of pictures, and how do files become one?"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, MissingExtra, SpecError

Pixels = npt.NDArray[np.uint8]
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
FITS = ("cover", "contain", "stretch")
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG"
_LEAST_SIDE = 8  # pixels: below that there is nothing to see, and 1 × 1 is what broken shops serve
_WHITE = 255
_ORIENTATION, _MOST_TAGS = 274, 100


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of one size.

    pixels  uint8 (pictures, height, width, 3): red, green, blue
    items   int32 (pictures,): dense id of each one's item, 0 where it is not known

    >>> len(Pictures.of(np.zeros((2, 8, 8, 3), np.uint8)))
    2
    """

    pixels: Pixels
    items: npt.NDArray[np.int32]

    @classmethod
    def of(cls, pixels: Pixels, items: npt.NDArray[np.int32] | None = None) -> Pictures:
        """Pictures from an array; DataError unless it is uint8 (pictures, height, width, 3)."""
        if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
            got = f"{pixels.dtype} {pixels.shape}"
            raise DataError("pixels", "uint8 (pictures, height, width, 3)", got, "turn channels last, in 0..255")
        known = np.zeros(len(pixels), np.int32) if items is None else np.asarray(items, np.int32)
        if known.shape != (len(pixels),):
            raise DataError("items", f"one item a picture, ({len(pixels)},)", str(known.shape), "")
        return cls(pixels, known)

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, places: npt.NDArray[Any]) -> Pictures:
        """Some of the pictures, in that order."""
        return Pictures(self.pixels[places], self.items[places])


@dataclass(frozen=True, eq=False)
class Gallery:
    """What was read from files.

    pictures  those that could be read, in the files' order
    paths     the file of each of them
    unread    why -> the files that could not be read; nobody stops for them
    """

    pictures: Pictures
    paths: list[str]
    unread: Mapping[str, list[str]] = field(default_factory=dict)


def picture_files(folder: Path) -> list[Path]:
    """All files of pictures below a folder, sorted; DataError where there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(str(folder), f"files of pictures ({', '.join(SUFFIXES[:3])} …)", "none", "")
    return found


def read(
    paths: Sequence[str | Path],
    size: tuple[int, int] = (112, 112),
    items: Iterable[int] | None = None,
    fit: str = "cover",
) -> Gallery:
    """Files as pictures of one size; a file that is missing or broken is named and counted.

    size  height and width in pixels. fit: "cover" cuts what stands over, "contain" fills up with white, "stretch".
    Photographs stand as their camera says (JPEG, PNG, WebP); 16 bits become 8; grey and CMYK become colours; what is
    transparent becomes white; of a moving picture the first one is taken.

    Raises SpecError for an unknown `fit`, and MissingExtra without OpenCV.
    """
    if fit not in FITS:
        raise SpecError("fit", f"one of {', '.join(FITS)}", repr(fit), "")
    owners = [0] * len(paths) if items is None else list(items)
    made: list[Pixels] = []
    kept: list[int] = []
    unread: dict[str, list[str]] = {}
    for place, path in enumerate(paths):
        found = decoded(Path(path)) if str(path) else "no file is named"
        if isinstance(found, str):
            unread.setdefault(found, []).append(str(path))
        else:
            made.append(resized(found, size, fit))
            kept.append(place)
    pixels = np.stack(made) if made else np.zeros((0, *size, 3), np.uint8)
    pictures = Pictures(pixels, np.array([owners[place] for place in kept], np.int32))
    return Gallery(pictures, [str(paths[place]) for place in kept], unread)


def of_catalog(catalog: Catalog, size: tuple[int, int] = (112, 112), fit: str = "cover") -> Gallery:
    """The pictures of a catalogue's items, in their order; an item without a readable one keeps its words.

    Raises DataError for a catalogue that names no pictures.
    """
    if catalog.images is None:
        raise DataError("data.item_columns.image", "the column that names pictures", "none", 'image = "…"')
    if catalog.pixels is None:
        paths = [str(catalog.folder / path) if path else "" for path in catalog.images]
        return read(paths, size, range(1, len(paths) + 1), fit)
    rows = [row for row, path in enumerate(catalog.images) if path]
    made = [resized(catalog.pixels[row], size, fit) for row in rows]
    pixels = np.stack(made) if made else np.zeros((0, *size, 3), np.uint8)
    pictures = Pictures(pixels, np.array(rows, np.int32) + np.int32(1))
    return Gallery(pictures, [catalog.images[row] for row in rows])


def decoded(path: Path) -> Pixels | str:
    """uint8 (height, width, 3) of a file, or in a few words why there is none."""
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    return of_bytes(held)


def of_bytes(held: bytes) -> Pixels | str:
    """uint8 (height, width, 3) of a file's bytes, or in a few words why there is none."""
    cv2 = opencv()
    if not held:
        return "an empty file"
    if _cut_off(held):
        return "a file that was cut off"
    plain = held.startswith(_JPEG)  # never transparent; the others are read with all that they have
    flags = cv2.IMREAD_COLOR_RGB if plain else cv2.IMREAD_UNCHANGED
    try:
        found = cv2.imdecode(np.frombuffer(held, np.uint8), flags)
    except cv2.error:
        found = None
    if found is None:
        return "not a picture, or a broken one"
    if min(found.shape[:2]) < _LEAST_SIDE:
        return f"smaller than {_LEAST_SIDE} pixels"
    return found if plain else _as_colours(_turned(found, _orientation(held)))


def _orientation(held: bytes) -> int:
    """How the camera was held (Exif 2.3, tag 274: 1..8) by a PNG or WebP; OpenCV turns JPEG alone by itself."""
    place = max(held.find(b"eXIf"), held.find(b"EXIF"))
    begin = next((at for mark in (b"MM\0*", b"II*\0") if (at := held.find(mark, place, place + 32)) >= 0), -1)
    if place < 0 or begin < 0:
        return 1
    order: Literal["big", "little"] = "big" if held[begin : begin + 1] == b"M" else "little"

    def number(at: int, size: int) -> int:
        return int.from_bytes(held[begin + at : begin + at + size], order)

    first = number(4, 4)
    entries = (first + 2 + 12 * entry for entry in range(min(number(first, 2), _MOST_TAGS)))
    found = next((number(at + 8, 2) for at in entries if number(at, 2) == _ORIENTATION), 1)
    return found if 1 <= found <= 8 else 1


def _turned(found: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """The picture as it stands."""
    upright = found.swapaxes(0, 1) if orientation >= 5 else found
    down, across = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(upright[:: -1 if down else 1, :: -1 if across else 1])


def _cut_off(held: bytes) -> bool:
    """A file whose end is missing: OpenCV would paint the rest grey, and say nothing."""
    if held.startswith(_JPEG):
        return held.rfind(b"\xff\xd9") < held.rfind(b"\xff\xda")  # no end after the last scan
    return held.startswith(_PNG) and b"IEND" not in held


def _as_colours(found: npt.NDArray[Any]) -> Pixels | str:
    """Red, green and blue on white, of what OpenCV read: 8 or 16 bits; grey, with or without transparency."""
    if found.dtype == np.uint16:
        found = (found // 257).astype(np.uint8)
    if found.dtype != np.uint8:
        return f"pixels of type {found.dtype}"
    channels = found.shape[2] if found.ndim == 3 else 1
    colours = np.repeat(found.reshape(*found.shape[:2], channels)[..., :1], 3, 2) if channels < 3 else found[..., 2::-1]
    if channels not in (2, 4):
        return np.ascontiguousarray(colours)
    cover = found[..., -1:].astype(np.uint16)
    return ((colours * cover + _WHITE * (255 - cover) + 127) // 255).astype(np.uint8)


def resized(picture: Pixels, size: tuple[int, int], fit: str) -> Pixels:
    """The picture at height and width `size`; shrunk by areas, grown by lines."""
    cv2 = opencv()
    (height, width), (tall, wide) = picture.shape[:2], size
    if (height, width) == (tall, wide):
        return picture
    if fit == "stretch":
        return _scaled(cv2, picture, tall, wide)
    choose = max if fit == "cover" else min
    scale = choose(tall / height, wide / width)
    inner = _scaled(cv2, picture, max(round(height * scale), 1), max(round(width * scale), 1))
    if fit == "cover":
        top, left = (inner.shape[0] - tall) // 2, (inner.shape[1] - wide) // 2
        return inner[top : top + tall, left : left + wide]
    whole = np.full((tall, wide, 3), _WHITE, np.uint8)
    top, left = (tall - inner.shape[0]) // 2, (wide - inner.shape[1]) // 2
    whole[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return whole


def _scaled(cv2: Any, picture: Pixels, tall: int, wide: int) -> Pixels:
    shrinks = tall <= picture.shape[0] and wide <= picture.shape[1]
    made: Pixels = cv2.resize(picture, (wide, tall), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return made


def encoded(picture: Pixels, suffix: str, quality: int = 95) -> bytes:
    """The bytes of a file of this kind, ".png" or ".jpg"; quality: of a JPEG, 1..100."""
    cv2 = opencv()
    turned = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
    _, held = cv2.imencode(suffix, turned, [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else [])
    return bytes(held)


def png_address(picture: Pixels) -> str:
    """The address of a picture that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(encoded(picture, ".png")).decode()


def opencv() -> Any:
    """The module cv2; MissingExtra without it. It works on one core at a time: whoever calls divides the work."""
    try:
        import cv2
    except ModuleNotFoundError:
        raise MissingExtra("opencv-python-headless", "image") from None
    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)
    return cv2
