"""Execution of a task on shards, with errors that name the shard."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from leaven.errors import LeavenError
from leaven.protocols.rows import ResultT, ShardT, ShardTask, SharedT

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_NUM_THREADS": "1",
}
"""Environment of a worker, as there is one worker per core; libraries read it at import."""


@contextmanager
def set_environment(names: Mapping[str, str]) -> Iterator[None]:
    """Set variables for processes that start in this context; afterwards the environment is restored."""
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


def build_python_path() -> dict[str, str]:
    """PYTHONPATH with which other processes of this machine import the same modules."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def run_one(
    task: ShardTask[SharedT, ShardT, ResultT], shared: SharedT, shard: ShardT, index: int, shards: int
) -> ResultT:
    """task(shared, shard). An error names its shard; LeavenErrors keep their class and exit code.

    Raises LeavenError, for other errors too, so that it can be sent between processes.
    """
    where = f"shard {index + 1} of {shards}"
    try:
        return task(shared, shard)
    except LeavenError as error:
        error.where = f"{where}, {error.where}"
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise LeavenError(where, "a task without an error", got, "run with one worker to see where") from error


def run_all(task: ShardTask[SharedT, ShardT, ResultT], shards: Sequence[ShardT], shared: SharedT) -> Iterator[ResultT]:
    """Results of `run_one` for each shard, in order."""
    for index, shard in enumerate(shards):
        yield run_one(task, shared, shard, index, len(shards))


def run_and_catch(
    task: ShardTask[SharedT, ShardT, ResultT], shared: SharedT, shard: ShardT, index: int, shards: int
) -> ResultT | LeavenError:
    """Result or error of `run_one`: a returned error is not wrapped by other engines."""
    try:
        return run_one(task, shared, shard, index, shards)
    except LeavenError as error:
        return error
