"""Which bytes does a file hold, and are they whole, readable text?

A local UTF-8 file is checked and read where it lies. Everything else (compressed, remote, another
encoding) is written once, as UTF-8, into a temporary folder that lives as long as the reading.
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

BLOCK = 1 << 20
LONGEST_LINE = 1 << 20
"""Bytes of the longest line that is read: longer ones are a lost quote or a picture in a cell."""
SAMPLE = 1 << 18
_BINARY = {b"PK\x03\x04": "a zip archive or workbook", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture"}
_BINARY |= {b"%PDF": "a PDF", b"PAR1": "a Parquet file", b"SQLite format": "a SQLite database"}


@dataclass(frozen=True)
class Text:
    """path: a local UTF-8 file; name: what the user called it;
    encoding: the one it came in; newlines: how many line ends it has."""

    path: Path
    name: str
    encoding: str
    newlines: int


def is_remote(name: str) -> bool:
    """Whether a name is a URL of fsspec's."""
    return "://" in name and not name.startswith("file://")


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it is gzipped.

    Raises DataError for a file that is missing, a folder, or may not be read.
    """
    try:
        if is_remote(name):
            import fsspec

            stream: IO[bytes] = fsspec.open(name, "rb").open()
        else:
            stream = Path(name.removeprefix("file://")).open("rb")  # noqa: SIM115
    except FileNotFoundError as error:
        raise DataError(name, "a file", "nothing there", _nearby(name)) from error
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


def _nearby(name: str) -> str:
    from leaven.errors import nearest

    folder = Path(name).parent
    if is_remote(name) or not folder.is_dir():
        return "check the path"
    return nearest(Path(name).name, sorted(path.name for path in folder.iterdir())[:50])


def sample(name: str, encoding: str | None = None, size: int = SAMPLE) -> tuple[str, str]:
    """(the first lines as text, encoding). The last line is whole unless the sample is one line.

    Raises DataError for an empty or a binary file.
    """
    with opened(name) as stream:
        try:
            block = stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _cut_short(name, error) from error
    if not block.strip():
        raise DataError(name, "lines of events", "an empty file", "check how it was written")
    _refuse_binary(name, block)
    found = encoding or guess_encoding(block)
    text = _decoded(name, block, found)
    cut = text.rfind("\n")
    return (text[: cut + 1] if len(block) == size and cut > 0 else text), found


def guess_encoding(block: bytes) -> str:
    """utf-8, utf-8-sig or utf-16 by their marks; else utf-8 where that reads, and latin-1 where not."""
    if block.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _refuse_binary(name: str, block: bytes) -> None:
    for magic, words in _BINARY.items():
        if block.startswith(magic):
            raise DataError(name, "text", words, "give a CSV, Parquet or .inter file, with its usual ending")
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    head = block[:4096]
    strange = sum(byte < 32 and byte not in (9, 10, 11, 12, 13, 27) for byte in head)
    if strange > max(2, len(head) // 20):
        raise DataError(name, "text", "a binary file", "give a CSV, Parquet or .inter file")


def _decoded(name: str, block: bytes, encoding: str) -> str:
    try:
        # A wrong byte is left to `stage`, which knows its line.
        return codecs.getincrementaldecoder(encoding)("replace").decode(block)
    except (UnicodeError, LookupError) as error:
        raise DataError(name, f"text in {encoding}", str(error), "name another encoding") from error


def _cut_short(name: str, error: Exception) -> DataError:
    return DataError(name, "a whole gzip file", f"one that breaks off ({error})", "copy or download it again")


def stage(name: str, folder: Path, encoding: str | None) -> Text:
    """The whole file as local UTF-8 text, every byte looked at once.

    Raises DataError for bytes that are not of the encoding, a NUL byte, or a file cut short, with the line.
    """
    with opened(name) as stream:
        packed = isinstance(stream, gzip.GzipFile)
        in_place = not packed and not is_remote(name) and encoding in ("utf-8", "ascii")
        if in_place:
            return Text(Path(name.removeprefix("file://")), name, encoding or "", _copy(stream, name, "utf-8", None))
        target = folder / f"{len(list(folder.iterdir()))}.txt"
        try:
            with target.open("wb") as out:
                lines = _copy(stream, name, encoding or "utf-8", out)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _cut_short(name, error) from error
    return Text(target, name, encoding or "utf-8", lines)


def _copy(stream: IO[bytes], name: str, encoding: str, out: IO[bytes] | None) -> int:
    """Number of line ends; writes the text as UTF-8 where `out` is given."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = since_end = 0
    while True:
        block = stream.read(BLOCK)
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
        if since_end > LONGEST_LINE:
            got = f"one of more than {LONGEST_LINE:,} characters"
            fix = "look for a quote that is never closed, or a picture or document in a cell"
            raise DataError(f"{name}, line {lines + ends + 1}", "a line of events", got, fix)
        lines += ends
        if out is not None:
            out.write(text.encode())
        if not block:
            return lines


def fetched(name: str, folder: Path) -> Path:
    """A local copy of a remote file, byte by byte."""
    target = folder / f"{len(list(folder.iterdir()))}-{Path(name).name}"
    with opened(name) as stream, target.open("wb") as out:
        shutil.copyfileobj(stream, out, BLOCK)
    return target
