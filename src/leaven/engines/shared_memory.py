"""How does one thing get to all processes of this machine without a copy for each?"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_ALIGNED = 64  # bytes: where arrays begin, as a core's cache wants them
_PIECE = 1 << 23  # bytes that a thread writes at a time


class _Place(NamedTuple):
    """Bytes first..last - 1 of a file."""

    path: Path
    first: int
    last: int


@dataclass(frozen=True)
class Sent:
    """A thing in files: its arrays as they are, and all else of it in a place of their own."""

    rest: _Place

    def open(self) -> Any:
        """The thing. Its arrays are pages of the files, shared by all who opened it; who writes gets a copy."""
        files: dict[Path, memoryview] = {}
        places, rest = pickle.loads(_bytes(self.rest, files))
        return pickle.loads(rest, buffers=[_bytes(place, files) for place in places])


def _bytes(place: _Place, files: dict[Path, memoryview]) -> memoryview:
    """What lies at a place; files: those that are mapped already."""
    if place.path not in files:
        with place.path.open("rb") as file:
            files[place.path] = memoryview(mmap(file.fileno(), 0, access=ACCESS_COPY))
    return files[place.path][place.first : place.last]


def _write(path: Path, parts: Sequence[tuple[memoryview, int]]) -> None:
    """Each part at its place, the last one at the end.

    Most of the time goes into new pages. The system gives them to threads side by side in a mapped file, one after the
    other to those that write to one.
    """
    size = max(first + raw.nbytes for raw, first in parts)
    with path.open("w+b") as file, ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, and below the end of the process
        else:
            file.truncate(size)
        room = np.frombuffer(mmap(file.fileno(), size), np.uint8)
        arrays = [(room[first : first + raw.nbytes], np.frombuffer(raw, np.uint8)) for raw, first in parts]
        pieces = [(to[at:][:_PIECE], of[at:][:_PIECE]) for to, of in arrays for at in range(0, len(of), _PIECE)]
        list(pool.map(lambda piece: np.copyto(*piece), pieces))


class Sender:
    """Puts things that can be pickled into files of a folder, one after the other.

    An array that the thing before held too is not written again: it must not have changed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._held: dict[tuple[int, int], tuple[pickle.PickleBuffer, _Place]] = {}

    def send(self, thing: Any) -> Sent:
        """A thing that may be opened until the next is sent, and kept for longer."""
        arrays: list[pickle.PickleBuffer] = []
        rest = pickle.dumps(thing, protocol=5, buffer_callback=arrays.append)
        self._number += 1
        path = self._folder / f"shared-{self._number}"
        held: dict[tuple[int, int], tuple[pickle.PickleBuffer, _Place]] = {}
        places, new, end = [], [], 0
        for array in arrays:
            raw = array.raw()
            name = (np.frombuffer(raw, np.uint8).ctypes.data, raw.nbytes)  # nobody else's while we hold the array
            if name not in held and name not in self._held:
                first = -(-end // _ALIGNED) * _ALIGNED
                end = first + raw.nbytes
                held[name] = array, _Place(path, first, end)
                new.append((raw, first))
            held[name] = held.get(name) or self._held[name]
            places.append(held[name][1])
        about = memoryview(pickle.dumps((places, rest), protocol=5))
        _write(path, [*new, (about, end)])
        self._held = held  # not before: what could not be written is written with the next thing
        self._tidy({path, *(place.path for _, place in self._held.values())})
        return Sent(_Place(path, end, end + about.nbytes))

    def _tidy(self, needed: set[Path]) -> None:
        for path in self._folder.iterdir():
            if path not in needed:
                path.unlink()
