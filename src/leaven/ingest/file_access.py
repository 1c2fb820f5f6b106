"""Opens files and checks that they are complete, readable text.

A local UTF-8 file is checked and read in place. Everything else (compressed, remote, another encoding) is
written once, as UTF-8, into a temporary folder.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from leaven.errors import DataError
from leaven.ingest.encodings import guess_encoding

_BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 20
"""Bytes of the longest line that is read: longer ones come from an unclosed quote or an image in a cell."""
_SAMPLE_BYTES = 1 << 18
_ODD_BYTES = 1 << 20  # bytes of the lines that are not ASCII from which an encoding is found
_BINARY = {b"\x89PNG": "an image", b"\xff\xd8\xff": "an image", b"GIF8": "an image", b"%PDF": "a PDF"}
_BINARY |= {b"PAR1": "a Parquet file", b"SQLite format": "a SQLite database", b"ARROW1": "a Feather file"}
_BINARY |= {
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
}
_BINARY |= {b"\x80\x04\x95": "a pickle", b"\x93NUMPY": "a NumPy array", b"\x89HDF": "an HDF5 file"}
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, OSError, ValueError)


@dataclass(frozen=True)
class Text:
    """path: a local UTF-8 file; name: as the user gave it; encoding: of the original; newlines: number of line ends.

    dropped: lines that were left out because they are no text in that encoding.
    """

    path: Path
    name: str
    encoding: str
    newlines: int
    dropped: int = 0


@dataclass(frozen=True)
class Sample:
    """The first lines of a file. is_sure: whether the encoding was given or is beyond doubt."""

    text: str
    encoding: str
    is_sure: bool


def is_remote(name: str) -> bool:
    """Whether a name is a URL for fsspec."""
    return "://" in name and not name.startswith("file://")


def is_glob(name: str) -> bool:
    """Whether a name is a pattern, and not a path that happens to hold brackets."""
    return any(mark in name for mark in "*?[") and not Path(name.removeprefix("file://")).exists()


@contextmanager
def open_file(name: str) -> Iterator[IO[bytes]]:
    """A stream of the file's bytes, unpacked where it is gzip, zip, bz2, xz or zstd.

    Raises DataError for a file that is missing, a folder, not readable, or an archive of several files.
    """
    with _open_packed(name) as stream:
        start = stream.read(6)
        stream.seek(0)
        unpack = next((unpack for mark, unpack in _PACKED if start.startswith(mark)), None)
        if unpack is None:
            yield stream
        else:
            with unpack(stream, name) as unpacked:
                yield unpacked


@contextmanager
def _open_packed(name: str) -> Iterator[IO[bytes]]:
    """A stream of the file's bytes as they are."""
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
        yield stream


def _open_zip(stream: IO[bytes], name: str) -> Any:
    """The only file of a zip archive. Raises DataError for none or several, and for a workbook."""
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        raise DataError(name, "text", "a broken zip archive", "copy or download it again") from error
    inside = [one.filename for one in archive.infolist() if not one.is_dir() and not is_hidden(one.filename)]
    if "[Content_Types].xml" in archive.namelist():
        raise DataError(name, "text", "a workbook", "give it the ending .xlsx, or save it as CSV")
    if len(inside) != 1:
        got = f"{len(inside)} files: {', '.join(inside[:5])}" if inside else "an empty archive"
        raise DataError(name, "an archive with one file", got, "unpack it, and give the file or the folder")
    return archive.open(inside[0])


def _open_zstd(stream: IO[bytes], name: str) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


_PACKED: tuple[tuple[bytes, Callable[[IO[bytes], str], Any]], ...] = (
    (b"\x1f\x8b", lambda stream, name: gzip.GzipFile(fileobj=stream)),
    (b"BZh", lambda stream, name: bz2.BZ2File(stream)),
    (b"\xfd7zXZ\x00", lambda stream, name: lzma.LZMAFile(stream)),  # noqa: SIM115
    (b"PK\x03\x04", _open_zip),
    (b"PK\x05\x06", _open_zip),
    (b"\x28\xb5\x2f\xfd", _open_zstd),
)
"""First bytes of a compressed file -> what unpacks it."""


def is_packed(name: str) -> bool:
    """Whether a file is compressed, by its first bytes."""
    with _open_packed(name) as stream:
        start = stream.read(6)
    return any(start.startswith(mark) for mark, _ in _PACKED)


def is_hidden(name: str) -> bool:
    """Whether a file is one that systems leave behind: "._log.csv", ".DS_Store", "_SUCCESS", "__MACOSX/…"."""
    return any(part.startswith((".", "_")) and part not in (".", "..") for part in Path(name).parts)


def read_start(name: str, size: int = 8) -> bytes:
    """The first bytes of a file, unpacked."""
    try:
        with open_file(name) as stream:
            return stream.read(size)
    except _BROKEN as error:
        raise _truncated_error(name, error) from error


def _suggest_name(name: str) -> str:
    from leaven.errors import suggest_name

    folder = Path(name).parent
    if is_remote(name) or not folder.is_dir():
        return "check the path"
    return suggest_name(Path(name).name, sorted(path.name for path in folder.iterdir())[:50])


def read_sample(name: str, encoding: str | None = None, size: int = _SAMPLE_BYTES) -> Sample:
    """The first lines as text, and the encoding. The last line is complete unless the sample is one line.

    Raises DataError for an empty or a binary file, and where no encoding fits.
    """
    try:
        with open_file(name) as stream:
            block = stream.read(size)
    except _BROKEN as error:
        raise _truncated_error(name, error) from error
    if not block.strip(b"\xef\xbb\xbf \t\r\n"):
        raise DataError(name, "lines of events", "an empty file", "check how it was written")
    _check_text(name, block)
    found = encoding
    is_sure = encoding is not None
    if found is None:
        if block.isascii() and b"\x00" not in block:
            found, is_sure = "utf-8", True
        else:
            found, is_sure = find_encoding(name)
    text = _decode_block(name, block, found)
    cut = text.rfind("\n")
    return Sample(text[: cut + 1] if len(block) == size and cut > 0 else text, found, is_sure)


def find_encoding(name: str) -> tuple[str, bool]:
    """The encoding of a whole file, by its first lines and all lines that are not ASCII; and whether it is sure.

    Raises DataError where none fits, with the first line in question.
    """
    with open_file(name) as stream:
        start = stream.read(4096)
    guess = guess_encoding(start)
    if guess.encoding.startswith(("utf-16", "utf-32")) or guess.encoding == "utf-8-sig":
        return guess.encoding, True
    odd, first, line = b"", 0, 0
    with open_file(name) as stream:
        rest = b""
        while block := stream.read(_BLOCK_BYTES):
            block = rest + block
            if block.isascii():
                cut = block.rfind(b"\n") + 1
                line += block.count(b"\n")
                rest = block[cut:][:MAX_LINE_BYTES]
                continue
            *whole, rest = block.split(b"\n")
            rest = rest[:MAX_LINE_BYTES]
            for one in whole:
                line += 1
                if not one.isascii():
                    first = first or line
                    odd += one + b"\n"
            if len(odd) > _ODD_BYTES:
                break
        if not rest.isascii():
            first = first or line + 1
            odd += rest
    guess = guess_encoding(odd)
    if guess.encoding:
        return guess.encoding, guess.is_sure
    bad = next(byte for byte in odd if byte > 0x7F)
    fix = "give the file's encoding, such as gb18030, cp1251, cp1252, shift_jis or latin-1, or correct the line"
    raise DataError(f"{name}, line {first}", "text in utf-8", f"the byte {bad:#04x}, whose encoding is not clear", fix)


def _check_text(name: str, block: bytes) -> None:
    for magic, kind in _BINARY.items():
        if block.startswith(magic):
            raise DataError(name, "text", kind, "give a CSV, JSON, Parquet or .inter file, with its usual ending")
    if guess_encoding(block[:4096]).encoding.startswith(("utf-16", "utf-32")):
        return
    head = block[:4096]
    # Byte 1 is Hive's separator.
    control = sum(byte < 32 and byte not in (1, 9, 10, 11, 12, 13, 27) for byte in head)
    if control > max(2, len(head) // 20):
        raise DataError(name, "text", "a binary file", "give a CSV, JSON, Parquet or .inter file")


def _decode_block(name: str, block: bytes, encoding: str) -> str:
    try:
        # An invalid byte is left to `stage_file`, which reports its line.
        return codecs.getincrementaldecoder(encoding)("replace").decode(block)
    except (UnicodeError, LookupError) as error:
        fix = "name another encoding, such as utf-8, gb18030, cp1251, shift_jis"
        raise DataError(name, f"text in {encoding}", str(error), fix) from error


def _truncated_error(name: str, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    kind = "gzip" if name.lower().endswith(".gz") else "compressed"
    return DataError(name, f"a complete {kind} file", f"a truncated one ({error})", "copy or download it again")


def stage_file(name: str, folder: Path, encoding: str, drop: bool = False) -> Text:
    """The whole file as local UTF-8 text, every byte checked once. drop: leaves lines out that are no text.

    Raises DataError with the line for bytes outside the encoding, a NUL byte, or a truncated file.
    """
    in_place = not is_remote(name) and encoding in ("utf-8", "ascii") and not is_packed(name)
    if in_place:
        try:
            with open_file(name) as stream:
                lines = _check_lines(stream, name, "utf-8", None)
            return Text(link_plainly(Path(name.removeprefix("file://")), folder), name, encoding, lines)
        except DataError:
            if not drop:
                raise
    target = folder / f"{len(list(folder.iterdir()))}.txt"
    try:
        with open_file(name) as stream, target.open("wb") as out:
            if drop:
                return _copy_readable_lines(stream, name, encoding, out, target)
            return Text(target, name, encoding, _check_lines(stream, name, encoding, out))
    except _BROKEN as error:
        raise _truncated_error(name, error) from error


def link_plainly(path: Path, folder: Path) -> Path:
    """The path, or a link to it where its name would read as a pattern: "log [old].csv"."""
    if not any(mark in str(path) for mark in "*?["):
        return path
    link = folder / f"{len(list(folder.iterdir()))}{path.suffix}"
    try:
        link.symlink_to(path.resolve())
    except OSError:  # systems without links
        shutil.copyfile(path, link)
    return link


def _copy_readable_lines(stream: IO[bytes], name: str, encoding: str, out: IO[bytes], target: Path) -> Text:
    """Copies the lines that decode and hold no NUL byte."""
    lines = dropped = 0
    if encoding.startswith(("utf-16", "utf-32")):  # their line ends are wider than a byte
        return Text(target, name, encoding, _check_lines(stream, name, encoding, out))
    for number, line in enumerate(stream):
        try:
            text = line.decode("utf-8-sig" if number == 0 and encoding.startswith("utf-8") else encoding)
        except UnicodeDecodeError:
            dropped += 1
            continue
        if "\x00" in text:
            dropped += 1
            continue
        lines += 1
        out.write(text.encode())
    return Text(target, name, encoding, lines, dropped)


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
            fix = "correct the byte, give the file's encoding, such as gb18030 or latin-1, or on_bad_line = 'drop'"
            raise DataError(
                f"{name}, line {bad}", f"text in {encoding}", f"the byte {error.object[error.start]:#04x}", fix
            ) from error
        if "\x00" in text:
            bad = lines + 1 + text[: text.index("\x00")].count("\n")
            raise DataError(f"{name}, line {bad}", "text", "a NUL byte", "remove it, or write the file again")
        ends = text.count("\n")
        since_end = len(text) - text.rfind("\n") - 1 if ends else since_end + len(text)
        if since_end > MAX_LINE_BYTES and "\r" not in text:
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
