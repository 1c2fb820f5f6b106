"""What does a task say about a shard, or what went wrong in which shard?"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from leaven.errors import LeavenError

Task = Callable[[Any, Any], Any]
"""task(shared, shard) -> anything that can be sent between processes."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_NUM_THREADS": "1",
}
"""What a worker's environment says, as there is one worker a core; libraries read it when they load."""


@contextmanager
def environment(names: Mapping[str, str]) -> Iterator[None]:
    """Processes that start here find these variables; this process gets its own back."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def paths() -> dict[str, str]:
    """The variable by which other processes of this machine import what this one can."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def run_one(task: Task, shared: Any, shard: Any, index: int, shards: int) -> Any:
    """task(shared, shard). An error says in which shard it happened; ours keep their class and exit code.

    Raises LeavenError, also for errors that are not ours, so that it can be sent between processes.
    """
    place = f"shard {index + 1} of {shards}"
    try:
        return task(shared, shard)
    except LeavenError as error:
        error.where = f"{place}, {error.where}"
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise LeavenError(place, "a task without an error", got, "run with one worker to see where") from error


def run_all(task: Task, shards: Sequence[Any], shared: Any) -> Iterator[Any]:
    """`run_one` for each shard, one after the other."""
    for index, shard in enumerate(shards):
        yield run_one(task, shared, shard, index, len(shards))


def caught(task: Task, shared: Any, shard: Any, index: int, shards: int) -> Any:
    """What `run_one` answers or raises: as an answer, an error passes engines that would wrap it in their own."""
    try:
        return run_one(task, shared, shard, index, shards)
    except LeavenError as error:
        return error
