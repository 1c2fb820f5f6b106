"""Images of one size, and decoding, resizing and encoding of image files."""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkstemp
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.errors import DataError, MissingExtra, SpecError

Pixels = npt.NDArray[np.uint8]
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jfif", ".jpe", ".avif")
FIT_MODES = ("cover", "contain", "stretch")
_JPEG, _JPEG_SCAN, _JPEG_END, _PNG = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9", b"\x89PNG"
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # no stuffed byte, no restart
_LAST_RESERVED_MARKER = 0xBF
_CODEC_PREFIXES = (b"Corrupt JPEG data", b"Premature end of JPEG", b"libpng ", b"Invalid SOS", b"Unsupported marker")
_STDERR = 2
_MIN_SIDE = 8  # pixels: smaller files show nothing; 1 × 1 placeholders are common in catalogs
_WHITE = 255
_ORIENTATION, _MAX_TAGS = 274, 100


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size.

    pixels  uint8 (images, height, width, 3): red, green, blue
    items   int32 (images,): dense item id of each image, 0 where unknown

    >>> len(Images.from_pixels(np.zeros((2, 8, 8, 3), np.uint8)))
    2
    """

    pixels: Pixels
    items: npt.NDArray[np.int32]

    @classmethod
    def from_pixels(cls, pixels: Pixels, items: npt.NDArray[np.int32] | None = None) -> Images:
        """Images from an array; DataError unless it is uint8 (images, height, width, 3)."""
        if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
            got = f"{pixels.dtype} {pixels.shape}"
            raise DataError("pixels", "uint8 (images, height, width, 3)", got, "use channels last and values in 0..255")
        item_ids = np.zeros(len(pixels), np.int32) if items is None else np.asarray(items, np.int32)
        if item_ids.shape != (len(pixels),):
            raise DataError("items", f"one item per image, ({len(pixels)},)", str(item_ids.shape))
        return cls(pixels, item_ids)

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: npt.NDArray[np.generic]) -> Images:
        """The images at these indices, in that order."""
        return Images(self.pixels[indices], self.items[indices])


@dataclass(frozen=True, eq=False)
class LoadedImages:
    """The result of reading image files.

    images    the images that could be read, in the order of the files
    paths     the file of each image
    failures  reason -> the files that could not be read
    """

    images: Images
    paths: list[str]
    failures: Mapping[str, list[str]] = field(default_factory=dict)


def find_image_files(folder: Path) -> list[Path]:
    """All image files in a folder and its subfolders, sorted, without hidden ones; DataError where there are none."""
    candidates = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    paths = sorted(path for path in candidates if not path.name.startswith(".") and path.is_file())
    if not paths:
        raise DataError(str(folder), f"image files ({', '.join(IMAGE_SUFFIXES[:3])} ...)", "none")
    return paths


def load_images(
    paths: Sequence[str | Path],
    size: tuple[int, int] = (112, 112),
    items: Iterable[int] | None = None,
    fit: str = "cover",
) -> LoadedImages:
    """Load files as images of one size; missing and broken files are reported in the result.

    size: height and width in pixels. fit: "cover" crops, "contain" pads with white, "stretch" changes the aspect ratio.
    Exif orientation is applied (JPEG, PNG, WebP); 16-bit values become 8-bit, gray and CMYK become RGB, transparency
    becomes white; of an animation the first frame is used.

    Raises SpecError for an unknown `fit`, and MissingExtra without OpenCV.
    """
    if fit not in FIT_MODES:
        raise SpecError("fit", f"one of {', '.join(FIT_MODES)}", repr(fit))
    owners = [0] * len(paths) if items is None else list(items)
    images: list[Pixels] = []
    indices: list[int] = []
    unread: dict[str, list[str]] = {}
    for index, path in enumerate(paths):
        result = decode_file(Path(path)) if str(path) else "no path"
        if isinstance(result, str):
            unread.setdefault(result, []).append(str(path))
        else:
            images.append(resize_image(result, size, fit))
            indices.append(index)
    pictures = Images(_stack(images, size), np.array([owners[index] for index in indices], np.int32))
    return LoadedImages(pictures, [str(paths[index]) for index in indices], unread)


def load_catalog_images(catalog: Catalog, size: tuple[int, int] = (112, 112), fit: str = "cover") -> LoadedImages:
    """Load the images of a catalog's items, in their order; items without a readable image are left out.

    Raises DataError for a catalog without image paths.
    """
    if catalog.image_paths is None:
        raise DataError("data.item_columns.image", "the column of image paths", "none", 'image = "..."')
    if catalog.pixels is None:
        paths = [str(catalog.image_folder / path) if path else "" for path in catalog.image_paths]
        return load_images(paths, size, range(1, len(paths) + 1), fit)
    rows = [row for row, path in enumerate(catalog.image_paths) if path]
    images = [resize_image(catalog.pixels[row], size, fit) for row in rows]
    pictures = Images(_stack(images, size), np.array(rows, np.int32) + np.int32(1))
    return LoadedImages(pictures, [catalog.image_paths[row] for row in rows])


def _stack(images: Sequence[Pixels], size: tuple[int, int]) -> Pixels:
    return np.stack(images) if images else np.zeros((0, *size, 3), np.uint8)


def decode_file(path: Path) -> Pixels | str:
    """uint8 (height, width, 3) of a file, or the reason why it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    return decode_image(content)


def decode_image(content: bytes) -> Pixels | str:
    """uint8 (height, width, 3) of the bytes of a file, or the reason why they cannot be decoded."""
    cv2 = import_opencv()
    if not content:
        return "an empty file"
    if _is_truncated(content):
        return "a truncated file"
    is_jpeg = content.startswith(_JPEG)  # never transparent; other formats are decoded with all channels
    flags = cv2.IMREAD_COLOR_RGB if is_jpeg else cv2.IMREAD_UNCHANGED
    try:
        with _CODEC_MESSAGES.hide():
            decoded_pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        decoded_pixels = None
    if decoded_pixels is None:
        return "not an image, or a broken one"
    if min(decoded_pixels.shape[:2]) < _MIN_SIDE:
        return f"smaller than {_MIN_SIDE} pixels"
    if is_jpeg:
        return np.asarray(decoded_pixels, np.uint8)
    return _convert_to_rgb(_apply_orientation(decoded_pixels, _read_orientation(content)))


def _read_orientation(held: bytes) -> int:
    """The Exif orientation (Exif 2.3, tag 274: 1..8) of a PNG or WebP file; OpenCV applies it to JPEG only."""
    exif = max(held.find(b"eXIf"), held.find(b"EXIF"))
    begin = next((at for mark in (b"MM\0*", b"II*\0") if (at := held.find(mark, exif, exif + 32)) >= 0), -1)
    if exif < 0 or begin < 0:
        return 1
    order: Literal["big", "little"] = "big" if held[begin : begin + 1] == b"M" else "little"

    def read_number(at: int, size: int) -> int:
        return int.from_bytes(held[begin + at : begin + at + size], order)

    first = read_number(4, 4)
    entries = (first + 2 + 12 * entry for entry in range(min(read_number(first, 2), _MAX_TAGS)))
    value = next((read_number(at + 8, 2) for at in entries if read_number(at, 2) == _ORIENTATION), 1)
    return value if 1 <= value <= 8 else 1


def _apply_orientation(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """The upright image."""
    upright = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    down, across = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(upright[:: -1 if down else 1, :: -1 if across else 1])


def _is_truncated(content: bytes) -> bool:
    """Whether the end of the image is missing: OpenCV would silently fill the rest with gray.

    Bytes after the end of the image do not count.
    """
    if content.startswith(_JPEG):
        return _JPEG_SCAN in content and not (content.endswith(_JPEG_END) or _has_jpeg_end(content))
    return content.startswith(_PNG) and not _has_png_end(content)


def _has_jpeg_end(content: bytes) -> bool:
    """Whether the segments of a JPEG file lead to the end marker (ITU-T T.81, annex B)."""
    begin = 2
    while marker := _JPEG_MARKER.search(content, begin):
        code = marker[0][1]
        if code == _JPEG_END[1]:
            return True
        if code <= _LAST_RESERVED_MARKER:  # never written by an encoder: the data are damaged
            return False
        begin = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2])
    return False


def _has_png_end(content: bytes) -> bool:
    """Whether the chunks of a PNG file lead to the last one (PNG specification, section 5)."""
    begin = 8
    while begin + 12 <= len(content):
        is_last = content[begin + 4 : begin + 8] == b"IEND"
        begin += 12 + int.from_bytes(content[begin : begin + 4])
        if is_last:
            return begin <= len(content)
    return False


class _CodecMessages:
    """Keeps the lines of OpenCV, libjpeg and libpng off the screen: what cannot be decoded is counted by reason.

    The two libraries write to the standard error of the process, past Python and the log level of OpenCV. All other
    output of the time is written back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_open = 0  # decoding threads
        self._screen = -1
        self._log_level = 0  # of OpenCV, to be restored
        self._captured = -1  # a file without a name

    @contextmanager
    def hide(self) -> Iterator[None]:
        """Hide the lines while the context is open, in any number of threads."""
        with self._lock:
            self._n_open += 1
            if self._n_open == 1:
                self._redirect()
        try:
            yield
        finally:
            with self._lock:
                self._n_open -= 1
                if not self._n_open:
                    self._restore()

    def _redirect(self) -> None:
        logging = import_opencv().utils.logging
        self._log_level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            self._screen = os.dup(_STDERR)
        except OSError:  # a process without standard error
            return
        if self._captured < 0:
            self._captured, name = mkstemp()
            Path(name).unlink()
        os.dup2(self._captured, _STDERR)

    def _restore(self) -> None:
        import_opencv().utils.logging.setLogLevel(self._log_level)
        if self._screen < 0:
            return
        os.dup2(self._screen, _STDERR)
        os.close(self._screen)
        self._screen = -1
        if n_bytes := os.lseek(self._captured, 0, os.SEEK_CUR):
            lines = os.pread(self._captured, n_bytes, 0).splitlines(keepends=True)
            os.write(_STDERR, b"".join(line for line in lines if not line.startswith(_CODEC_PREFIXES)))
            os.lseek(self._captured, 0, os.SEEK_SET)


_CODEC_MESSAGES = _CodecMessages()


def _convert_to_rgb(pixels: npt.NDArray[Any]) -> Pixels | str:
    """RGB on white from decoded pixels: 8 or 16 bits, gray or BGR, with or without an alpha channel."""
    if pixels.dtype == np.uint16:
        pixels = (pixels // 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        return f"pixels of type {pixels.dtype}"
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    channels = pixels.shape[2]
    colors = np.repeat(pixels[..., :1], 3, 2) if channels < 3 else pixels[..., 2::-1]
    if channels not in (2, 4):
        return np.ascontiguousarray(colors)
    alpha = pixels[..., -1:].astype(np.uint16)
    return ((colors * alpha + _WHITE * (255 - alpha) + 127) // 255).astype(np.uint8)


def resize_image(image: Pixels, size: tuple[int, int], fit: str) -> Pixels:
    """The image at height and width `size`; area interpolation to shrink, linear to enlarge."""
    (height, width), (target_height, target_width) = image.shape[:2], size
    if (height, width) == (target_height, target_width):
        return image
    if fit == "stretch":
        return _scale(image, target_height, target_width)
    choose = max if fit == "cover" else min
    scale = choose(target_height / height, target_width / width)
    inner = _scale(image, max(round(height * scale), 1), max(round(width * scale), 1))
    if fit == "cover":
        top, left = (inner.shape[0] - target_height) // 2, (inner.shape[1] - target_width) // 2
        return inner[top : top + target_height, left : left + target_width]
    padded = np.full((target_height, target_width, 3), _WHITE, np.uint8)
    top, left = (target_height - inner.shape[0]) // 2, (target_width - inner.shape[1]) // 2
    padded[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return padded


def _scale(picture: Pixels, target_height: int, target_width: int) -> Pixels:
    cv2 = import_opencv()
    shrinks = target_height <= picture.shape[0] and target_width <= picture.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (target_width, target_height), interpolation=interpolation), np.uint8)


def encode_image(image: Pixels, suffix: str, quality: int = 95) -> bytes:
    """The bytes of a ".png" or ".jpg" file; quality: of a JPEG, 1..100."""
    cv2 = import_opencv()
    bgr = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(suffix, bgr, [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else [])
    return bytes(content)


def encode_data_uri(image: Pixels) -> str:
    """A data URI that contains the image as PNG."""
    return "data:image/png;base64," + base64.b64encode(encode_image(image, ".png")).decode()


def import_opencv() -> ModuleType:
    """The module cv2, limited to one thread, since callers parallelize; MissingExtra where it is not installed."""
    try:
        import cv2
    except ModuleNotFoundError:
        raise MissingExtra("opencv-python-headless", "image") from None
    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)
    return cv2
