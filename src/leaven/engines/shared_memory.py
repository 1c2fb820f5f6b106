"""Objects shared with all processes of this machine without a copy for each."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np

Thing = TypeVar("Thing")
_ALIGNMENT = 64  # bytes: alignment of arrays, a cache line
_CHUNK = 1 << 23  # bytes of one write


class _Span(NamedTuple):
    """Bytes first..last - 1 of a file."""

    path: Path
    first: int
    last: int


@dataclass(frozen=True)
class SharedObject(Generic[Thing]):
    """A pickled object in files: its arrays as raw bytes, the rest in a separate span."""

    rest: _Span

    def open(self) -> Thing:
        """The object. Its arrays are mapped from the files and shared by all processes; writes go to a private copy."""
        files: dict[Path, memoryview] = {}
        spans, rest = pickle.loads(_map_span(self.rest, files))
        thing: Thing = pickle.loads(rest, buffers=[_map_span(span, files) for span in spans])
        return thing


def _map_span(span: _Span, files: dict[Path, memoryview]) -> memoryview:
    """Bytes of a span. files: the mapped ones, extended here."""
    if span.path not in files:
        with span.path.open("rb") as file:
            files[span.path] = memoryview(mmap(file.fileno(), 0, access=ACCESS_COPY))
    return files[span.path][span.first : span.last]


def _write_parts(path: Path, parts: Sequence[tuple[memoryview, int]]) -> None:
    """Write each (bytes, offset), the last part at the end.

    Most of the time goes into new pages: threads get them in parallel in a mapped file, but one after the other with
    file writes.
    """
    size = max(first + raw.nbytes for raw, first in parts)
    with path.open("w+b") as file, ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk raises here; below it would end the process
        else:
            file.truncate(size)
        mapped = np.frombuffer(mmap(file.fileno(), size), np.uint8)
        arrays = [(mapped[first : first + raw.nbytes], np.frombuffer(raw, np.uint8)) for raw, first in parts]
        chunks = [(to[at:][:_CHUNK], of[at:][:_CHUNK]) for to, of in arrays for at in range(0, len(of), _CHUNK)]
        list(pool.map(lambda chunk: np.copyto(chunk[0], chunk[1]), chunks))


class SharedMemoryWriter:
    """Writes picklable objects to files of a folder.

    An array that the previous object contained is not written again, so it must not change.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._held: dict[tuple[int, int], tuple[pickle.PickleBuffer, _Span]] = {}

    def write(self, thing: Thing) -> SharedObject[Thing]:
        """Write an object, which may be opened until the next one is sent."""
        arrays: list[pickle.PickleBuffer] = []
        rest = pickle.dumps(thing, protocol=5, buffer_callback=arrays.append)
        self._number += 1
        path = self._folder / f"shared-{self._number}"
        held: dict[tuple[int, int], tuple[pickle.PickleBuffer, _Span]] = {}
        spans, new, end = [], [], 0
        for array in arrays:
            raw = array.raw()
            name = (np.frombuffer(raw, np.uint8).ctypes.data, raw.nbytes)  # unique while the array is held
            if name not in held and name not in self._held:
                first = -(-end // _ALIGNMENT) * _ALIGNMENT
                end = first + raw.nbytes
                held[name] = array, _Span(path, first, end)
                new.append((raw, first))
            held[name] = held.get(name) or self._held[name]
            spans.append(held[name][1])
        index = memoryview(pickle.dumps((spans, rest), protocol=5))
        _write_parts(path, [*new, (index, end)])
        self._held = held  # only now: an array that could not be written is written with the next object
        needed = {path, *(span.path for _, span in self._held.values())}
        for unused in set(self._folder.iterdir()) - needed:
            unused.unlink()
        return SharedObject(_Span(path, end, end + index.nbytes))
