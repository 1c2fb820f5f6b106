"""How does one task run over many shards on this machine?"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from typing import Any

from leaven.engines.shards import ONE_THREAD, Task, environment, run_one
from leaven.errors import LeavenError, SpecError

_SLOW = ("numba", "pyarrow.parquet")  # to import
_AHEAD = 2  # shards per worker that are on their way: bounds the memory, keeps the workers busy


@dataclass(frozen=True)
class Local:
    """One loop, or as many processes as there are `workers` (0: one a core), each on one thread.

    `task` must be importable (a function of a module), and a script that asks for workers needs
    `if __name__ == "__main__":`, as processes start afresh. `shared` is sent once to each worker.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise SpecError("local.workers", "0 (one a core) or more", f"{self.workers}", "")

    def map(self, task: Task, shards: Sequence[Any], shared: Any) -> Iterator[Any]:
        """task(shared, shard) for each shard, in order, while later ones are already at work.

        Raises LeavenError that names the shard. Whatever ends the loop (an error, Ctrl-C, a `break`) ends the
        workers, too.
        """
        workers = min(self.workers or os.cpu_count() or 1, len(shards))
        if workers > 1:
            yield from _by_processes(task, shards, shared, workers)
        else:
            for index, shard in enumerate(shards):
                yield run_one(task, shared, shard, index, len(shards))


def _by_processes(task: Task, shards: Sequence[Any], shared: Any, workers: int) -> Iterator[Any]:
    context = get_context("forkserver")  # processes fork from one that has imported all, and holds no thread
    context.set_forkserver_preload([*_SLOW, task.__module__])
    pool = ProcessPoolExecutor(workers, context, _begin, (task, shared))
    waiting: deque[Future[Any]] = deque()
    at = 0
    try:
        for index, shard in enumerate(shards):
            with environment(ONE_THREAD):
                waiting.append(pool.submit(_work, shard, index, len(shards)))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
                at += 1
        while waiting:
            yield waiting.popleft().result()
            at += 1
    except BrokenProcessPool as error:
        fix = "guard a script by `if __name__ == '__main__':`; look for a lack of memory; or use one worker"
        raise LeavenError(f"shard {at + 1} of {len(shards)}", "a worker", "one that ended", fix) from error
    finally:
        _end(pool)


def _end(pool: ProcessPoolExecutor) -> None:
    """Leave no process behind, whatever it was doing."""
    processes = list((pool._processes or {}).values())
    if any(p.exitcode is None for p in processes) and sys.exc_info()[0] is not None:
        for process in processes:
            process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


_JOB: dict[str, Any] = {}
"""In a worker: the task and what it shares with all shards."""


def _begin(task: Task, shared: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _JOB.update(task=task, shared=shared)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(shard: Any, index: int, shards: int) -> Any:
    return run_one(_JOB["task"], _JOB["shared"], shard, index, shards)
