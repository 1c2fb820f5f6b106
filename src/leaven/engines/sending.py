"""How does one thing get to all processes of this machine without a copy for each?"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import Any

_ALIGNED = 64  # bytes: where arrays begin, as a core's cache wants them


@dataclass(frozen=True)
class Sent:
    """A thing in a file: its arrays as they are, and from `tail` on what remains of it."""

    path: str
    tail: int

    def open(self) -> Any:
        """The thing. Its arrays are pages of the file, shared by all who opened it; who writes gets a copy."""
        with Path(self.path).open("rb") as file:
            held = memoryview(mmap(file.fileno(), 0, access=ACCESS_COPY))
        places, rest = pickle.loads(held[self.tail :])
        return pickle.loads(rest, buffers=[held[first:last] for first, last in places])


def send(thing: Any, path: Path) -> Sent:
    """Put a thing that can be pickled into a file; it may be opened until the file is taken away, and kept after."""
    arrays: list[pickle.PickleBuffer] = []
    rest = pickle.dumps(thing, protocol=5, buffer_callback=arrays.append)
    places = []
    with path.open("wb") as file:
        for array in arrays:
            file.write(bytes(-file.tell() % _ALIGNED))
            first = file.tell()
            file.write(array.raw())
            places.append((first, file.tell()))
        tail = file.tell()
        pickle.dump((places, rest), file, protocol=5)
    return Sent(str(path), tail)
