"""How does one task run over many shards on this machine?"""

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

from leaven.engines.shard_tasks import ONE_THREAD, Task, environment, run_all, run_one
from leaven.engines.shared_memory import Sender, Sent
from leaven.errors import LeavenError, SpecError
from leaven.protocols import Engine

_AHEAD = 2  # shards per worker that are on their way: bounds the memory, keeps the workers busy


@dataclass(frozen=True)
class Local:
    """One loop, or as many processes as there are `workers` (0: one a core), each on one thread.

    `task` must be importable (a function of a module), and a script that asks for workers needs
    `if __name__ == "__main__":`, as processes start afresh. `shared` lies in memory once for all workers, in a
    file of the temporary folder.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise SpecError("local.workers", "0 (one a core) or more", f"{self.workers}", "")

    @property
    def _processes(self) -> int:
        return self.workers or os.cpu_count() or 1

    def map(self, task: Task, shards: Sequence[Any], shared: Any) -> Iterator[Any]:
        """task(shared, shard) for each shard, in order, while later ones are already at work.

        Raises LeavenError that names the shard. Whatever ends the loop (an error, Ctrl-C, a `break`) ends the
        workers, too.
        """
        if min(self._processes, len(shards)) < 2:
            yield from run_all(task, shards, shared)
            return
        with _opened(min(self._processes, len(shards))) as workers:
            yield from workers.map(task, shards, shared)

    def opened(self, *modules: str, soon: Any = None) -> AbstractContextManager[Engine]:
        """This engine with workers that stay from map to map and end with the context.

        modules, soon: what is imported for them, and sent to them, beside what this process does meanwhile.
        """
        return nullcontext(self) if self._processes < 2 else _opened(self._processes, *modules, soon=soon)


@contextmanager
def _opened(processes: int, *modules: str, soon: Any = None) -> Iterator[_Workers]:
    """Workers fork from a process that is ready, and holds no thread: it is begun here, they when there is work."""
    forkserver.set_forkserver_preload(["leaven.engines.preload", *modules])
    with environment(ONE_THREAD):
        forkserver.ensure_running()
    workers = _Workers(processes)
    try:
        with workers.opened(soon=soon):
            yield workers
    finally:
        workers.end()


class _Workers:
    """Processes that stay from map to map; an engine, as `Local` is."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._begun: _Begun | None = None
        self._ahead: Future[None] | None = None

    def opened(self, *modules: str, soon: Any = None) -> AbstractContextManager[Engine]:
        """These; who opened them first ends them."""
        if soon is not None:
            self._wait()
            beside = ThreadPoolExecutor(1, "workers begin")
            self._ahead = beside.submit(self._get_ready, soon)
            beside.shutdown(wait=False)
        return nullcontext(self)

    def _get_ready(self, soon: Any) -> None:
        """Leaves this process's environment alone, which others may be reading meanwhile."""
        self._begun = self._begun or _begin(self.workers)
        self._begun.sender.send(soon)

    def _wait(self) -> None:
        """Until nobody else begins the workers or sends them something; what went wrong there goes wrong here again."""
        if self._ahead is not None:
            wait([self._ahead])
            self._ahead = None

    def map(self, task: Task, shards: Sequence[Any], shared: Any) -> Iterator[Any]:
        """As `Local.map`; a loop that ends early ends the workers, and the next one begins others."""
        if len(shards) < 2:
            yield from run_all(task, shards, shared)
            return
        waiting: deque[Future[Any]] = deque()
        done = 0
        try:
            self._wait()
            with environment(ONE_THREAD):
                begun = self._begun = self._begun or _begin(self.workers)
            sent = begun.sender.send((task, shared))
            for index, shard in enumerate(shards):
                with environment(ONE_THREAD):
                    waiting.append(begun.pool.submit(_work, sent, shard, index, len(shards)))
                if len(waiting) >= _AHEAD * self.workers:
                    yield _first(waiting)
                    done += 1
            while waiting:
                yield _first(waiting)
                done += 1
        except BrokenProcessPool as error:
            self.end()
            fix = "guard a script by `if __name__ == '__main__':`; look for a lack of memory; or use one worker"
            raise LeavenError(f"shard {done + 1} of {len(shards)}", "a worker", "one that ended", fix) from error
        finally:
            if waiting:
                self.end(at_work=True)

    def end(self, at_work: bool = False) -> None:
        """Leave no process and no file behind; those that are at work still are stopped."""
        self._wait()
        begun, self._begun = self._begun, None
        if begun is None:
            return
        for process in list((begun.pool._processes or {}).values()) if at_work else []:
            process.terminate()
        begun.pool.shutdown(wait=True, cancel_futures=True)
        begun.folder.cleanup()


class _Begun(NamedTuple):
    """Workers at hand, and the folder by which they are sent what they share."""

    pool: ProcessPoolExecutor
    folder: tempfile.TemporaryDirectory[str]
    sender: Sender


def _begin(workers: int) -> _Begun:
    """The first worker begins before anything is sent: it takes the folder away if this process is killed."""
    folder = tempfile.TemporaryDirectory(prefix="leaven-shared-", ignore_cleanup_errors=True)
    pool = ProcessPoolExecutor(workers, get_context("forkserver"), _watch, (folder.name,))
    pool.submit(int)
    return _Begun(pool, folder, Sender(Path(folder.name)))


def _first(waiting: deque[Future[Any]]) -> Any:
    """The answer of the first that waits, which waits until it is there."""
    found = waiting[0].result()
    waiting.popleft()
    return found


_JOB: dict[Sent, Any] = {}
"""In a worker: the task and what it shares with all shards."""


def _watch(folder: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its workers
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()


def _end_with_parent(folder: str) -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _work(sent: Sent, shard: Any, index: int, shards: int) -> Any:
    if sent not in _JOB:
        _JOB.clear()
        _JOB[sent] = sent.open()
    task, shared = _JOB[sent]
    return run_one(task, shared, shard, index, shards)
