"""Engine of this machine: one loop, or worker processes.

Own code instead of loky (joblib), which is as fast (240 MB shared, 24 shards, 2 workers: 2.5 s there, 2.7 s here) but
has no workers that fork with compiled kernels loaded, errors that name their shard, or cleanup after a killed parent.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import connection, forkserver, get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple

from leaven.engines.shard_tasks import ONE_THREAD, run_all, run_one, set_environment
from leaven.engines.shared_memory import SharedMemoryWriter, SharedObject
from leaven.errors import LeavenError, SpecError
from leaven.protocols import Engine
from leaven.protocols.rows import ResultT, ShardT, ShardTask, SharedT

_AHEAD = 2  # submitted shards per worker: bounds memory, keeps workers busy


@dataclass(frozen=True)
class Local:
    """One loop, or `workers` processes (0: one per core), each on one thread.

    `task` must be importable (a function of a module), and a script with workers needs `if __name__ == "__main__":`, as
    processes start a new interpreter. `shared` is in memory once for all workers, in a file of the temporary folder.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise SpecError("local.workers", "0 (one per core) or more", f"{self.workers}", "")

    @property
    def n_workers(self) -> int:
        """Number of processes."""
        return self.workers or os.cpu_count() or 1

    def map(
        self, task: ShardTask[SharedT, ShardT, ResultT], shards: Sequence[ShardT], shared: SharedT
    ) -> Iterator[ResultT]:
        """task(shared, shard) for each shard, in order, while later ones already run.

        Raises LeavenError that names the shard. Any end of the loop (an error, Ctrl-C, a `break`) ends the workers.
        """
        if min(self.n_workers, len(shards)) < 2:
            yield from run_all(task, shards, shared)
            return
        with _start_pool(min(self.n_workers, len(shards))) as workers:
            yield from workers.map(task, shards, shared)

    def start_workers(self, *modules: str, preload: object = None) -> AbstractContextManager[Engine]:
        """This engine with workers that stay from map to map and end with the context.

        modules, preload: imported for the workers and sent to them in the background.
        """
        return nullcontext(self) if self.n_workers < 2 else _start_pool(self.n_workers, *modules, soon=preload)


@contextmanager
def _start_pool(processes: int, *modules: str, soon: object = None) -> Iterator[_Workers]:
    """Start the process that workers fork from, which has no threads; workers start when there is work."""
    forkserver.set_forkserver_preload(["leaven.engines.preload", *modules])
    with set_environment(ONE_THREAD):
        forkserver.ensure_running()
    workers = _Workers(processes)
    try:
        with workers.start_workers(preload=soon):
            yield workers
    finally:
        workers.end()


class _Workers:
    """An engine of processes that stay from map to map."""

    def __init__(self, workers: int) -> None:
        self.n_workers = workers
        self._pool: _Pool | None = None
        self._starting: Future[None] | None = None

    def start_workers(self, *modules: str, preload: object = None) -> AbstractContextManager[Engine]:
        """This engine; the outer context ends the workers."""
        if preload is not None:
            self._wait_for_start()
            thread = ThreadPoolExecutor(1, "start workers")
            self._starting = thread.submit(self._start, preload)
            thread.shutdown(wait=False)
        return nullcontext(self)

    def _start(self, soon: object) -> None:
        """Start the workers; the environment of this process stays unchanged, as other threads may read it."""
        self._pool = self._pool or _start_processes(self.n_workers)
        self._pool.sender.write(soon)

    def _wait_for_start(self) -> None:
        """Return once the background thread is done; its error occurs again in this thread."""
        if self._starting is not None:
            wait([self._starting])
            self._starting = None

    def map(
        self, task: ShardTask[SharedT, ShardT, ResultT], shards: Sequence[ShardT], shared: SharedT
    ) -> Iterator[ResultT]:
        """As `Local.map`; a loop that ends early ends the workers, and the next one starts new ones."""
        if len(shards) < 2:
            yield from run_all(task, shards, shared)
            return
        waiting: deque[Future[ResultT]] = deque()
        done = 0
        try:
            self._wait_for_start()
            with set_environment(ONE_THREAD):
                pool = self._pool = self._pool or _start_processes(self.n_workers)
            sent = pool.sender.write((task, shared))
            for index, shard in enumerate(shards):
                with set_environment(ONE_THREAD):
                    waiting.append(pool.executor.submit(_run_shard, sent, shard, index, len(shards)))
                if len(waiting) >= _AHEAD * self.n_workers:
                    yield _pop_first(waiting)
                    done += 1
            while waiting:
                yield _pop_first(waiting)
                done += 1
        except BrokenProcessPool as error:
            self.end()
            fix = "guard a script by `if __name__ == '__main__':`; check the memory; or use one worker"
            raise LeavenError(
                f"shard {done + 1} of {len(shards)}", "a running worker", "one that ended", fix
            ) from error
        finally:
            if waiting:
                self.end(at_work=True)

    def end(self, at_work: bool = False) -> None:
        """End all processes and delete all files. at_work: stop running tasks."""
        self._wait_for_start()
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool.executor._processes or {}).values()) if at_work else []:
            process.terminate()
        pool.executor.shutdown(wait=True, cancel_futures=True)
        pool.folder.cleanup()


class _Pool(NamedTuple):
    """Running workers, and the folder of the files that they share."""

    executor: ProcessPoolExecutor
    folder: tempfile.TemporaryDirectory[str]
    sender: SharedMemoryWriter


def _start_processes(workers: int) -> _Pool:
    """The first worker starts before anything is sent: it deletes the folder if this process is killed."""
    folder = tempfile.TemporaryDirectory(prefix="leaven-shared-", ignore_cleanup_errors=True)
    executor = ProcessPoolExecutor(workers, get_context("forkserver"), _watch_parent, (folder.name,))
    executor.submit(int)
    return _Pool(executor, folder, SharedMemoryWriter(Path(folder.name)))


def _pop_first(waiting: deque[Future[ResultT]]) -> ResultT:
    """Result of the first shard, which stays in the queue until it is done."""
    result = waiting[0].result()
    waiting.popleft()
    return result


_CACHE: dict[SharedObject[Any], Any] = {}
"""In a worker: the current task and its shared object."""


def _watch_parent(folder: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends its workers
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()


def _end_with_parent(folder: str) -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _run_shard(
    sent: SharedObject[tuple[ShardTask[SharedT, ShardT, ResultT], SharedT]], shard: ShardT, index: int, shards: int
) -> ResultT:
    if sent not in _CACHE:
        _CACHE.clear()
        _CACHE[sent] = sent.open()
    task: ShardTask[SharedT, ShardT, ResultT]
    task, shared = _CACHE[sent]
    return run_one(task, shared, shard, index, shards)
