"""Opens files and checks that they are complete, readable text.

A local UTF-8 file is checked and read in place. Everything else (compressed, remote, another encoding) is
written once, as UTF-8, into a temporary folder.
"""

from __future__ import annotations

import codecs
import gzip
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from leaven.errors import DataError

_BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 20
"""Bytes of the longest line that is read: longer ones come from an unclosed quote or an image in a cell."""
_SAMPLE_BYTES = 1 << 18
_BINARY = {b"PK\x03\x04": "a zip archive or workbook", b"\x89PNG": "an image", b"\xff\xd8\xff": "an image"}
_BINARY |= {b"%PDF": "a PDF", b"PAR1": "a Parquet file", b"SQLite format": "a SQLite database"}


@dataclass(frozen=True)
class Text:
    """path: a local UTF-8 file; name: as the user gave it; encoding: of the original; newlines: number of line ends."""

    path: Path
    name: str
    encoding: str
    newlines: int


def is_remote(name: str) -> bool:
    """Whether a name is a URL for fsspec."""
    return "://" in name and not name.startswith("file://")


@contextmanager
def open_file(name: str) -> Iterator[IO[bytes]]:
    """A stream of the file's bytes, decompressed where it is gzipped.

    Raises DataError for a file that is missing, a folder, or not readable.
    """
    try:
        if is_remote(name):
            import fsspec

            stream: IO[bytes] = fsspec.open(name, "rb").open()
        else:
            stream = Path(name.removeprefix("file://")).open("rb")  # noqa: SIM115
    except FileNotFoundError as error:
        raise DataError(name, "a file", "nothing there", _suggest_name(name)) from error
    except (OSError, ImportError, ValueError) as error:
        raise DataError(name, "a file that can be opened", str(error), "check the path and your rights") from error
    with stream:
        start = stream.read(2)
        stream.seek(0)
        if start == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            yield stream


def _suggest_name(name: str) -> str:
    from leaven.errors import suggest_name

    folder = Path(name).parent
    if is_remote(name) or not folder.is_dir():
        return "check the path"
    return suggest_name(Path(name).name, sorted(path.name for path in folder.iterdir())[:50])


def read_sample(name: str, encoding: str | None = None, size: int = _SAMPLE_BYTES) -> tuple[str, str]:
    """The first lines as text, and the encoding. The last line is complete unless the sample is one line.

    Raises DataError for an empty or a binary file.
    """
    with open_file(name) as stream:
        try:
            block = stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _truncated_error(name, error) from error
    if not block.strip():
        raise DataError(name, "lines of events", "an empty file", "check how it was written")
    _check_text(name, block)
    found = encoding or _infer_encoding(block)
    text = _decode_block(name, block, found)
    cut = text.rfind("\n")
    return (text[: cut + 1] if len(block) == size and cut > 0 else text), found


def _infer_encoding(block: bytes) -> str:
    """utf-8-sig or utf-16 by the byte-order mark; else utf-8 where the bytes are valid, and latin-1 where not."""
    if block.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _check_text(name: str, block: bytes) -> None:
    for magic, kind in _BINARY.items():
        if block.startswith(magic):
            raise DataError(name, "text", kind, "give a CSV, Parquet or .inter file, with its usual ending")
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    head = block[:4096]
    control = sum(byte < 32 and byte not in (9, 10, 11, 12, 13, 27) for byte in head)
    if control > max(2, len(head) // 20):
        raise DataError(name, "text", "a binary file", "give a CSV, Parquet or .inter file")


def _decode_block(name: str, block: bytes, encoding: str) -> str:
    try:
        # An invalid byte is left to `stage_file`, which reports its line.
        return codecs.getincrementaldecoder(encoding)("replace").decode(block)
    except (UnicodeError, LookupError) as error:
        raise DataError(name, f"text in {encoding}", str(error), "name another encoding") from error


def _truncated_error(name: str, error: Exception) -> DataError:
    return DataError(name, "a complete gzip file", f"a truncated one ({error})", "copy or download it again")


def stage_file(name: str, folder: Path, encoding: str | None) -> Text:
    """The whole file as local UTF-8 text, every byte checked once.

    Raises DataError with the line for bytes outside the encoding, a NUL byte, or a truncated file.
    """
    with open_file(name) as stream:
        packed = isinstance(stream, gzip.GzipFile)
        in_place = not packed and not is_remote(name) and encoding in ("utf-8", "ascii")
        if in_place:
            return Text(
                Path(name.removeprefix("file://")), name, encoding or "", _check_lines(stream, name, "utf-8", None)
            )
        target = folder / f"{len(list(folder.iterdir()))}.txt"
        try:
            with target.open("wb") as out:
                lines = _check_lines(stream, name, encoding or "utf-8", out)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _truncated_error(name, error) from error
    return Text(target, name, encoding or "utf-8", lines)


def _check_lines(stream: IO[bytes], name: str, encoding: str, out: IO[bytes] | None) -> int:
    """Checks the text and returns the number of its line ends; writes it as UTF-8 where `out` is given."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = since_end = 0
    while True:
        block = stream.read(_BLOCK_BYTES)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            bad = lines + 1 + error.object[: error.start].count(b"\n")
            fix = "give the file's encoding, such as latin-1"
            raise DataError(
                f"{name}, line {bad}", f"text in {encoding}", f"the byte {error.object[error.start]:#04x}", fix
            ) from error
        if "\x00" in text:
            bad = lines + 1 + text[: text.index("\x00")].count("\n")
            raise DataError(f"{name}, line {bad}", "text", "a NUL byte", "remove it, or write the file again")
        ends = text.count("\n")
        since_end = len(text) - text.rfind("\n") - 1 if ends else since_end + len(text)
        if since_end > MAX_LINE_BYTES:
            got = f"one of more than {MAX_LINE_BYTES:,} characters"
            fix = "look for a quote that is never closed, or an image or document in a cell"
            raise DataError(f"{name}, line {lines + ends + 1}", "a line of events", got, fix)
        lines += ends
        if out is not None:
            out.write(text.encode())
        if not block:
            return lines


def fetch_file(name: str, folder: Path) -> Path:
    """The path of a local copy of a remote file."""
    target = folder / f"{len(list(folder.iterdir()))}-{Path(name).name}"
    with open_file(name) as stream, target.open("wb") as out:
        shutil.copyfileobj(stream, out, _BLOCK_BYTES)
    return target
