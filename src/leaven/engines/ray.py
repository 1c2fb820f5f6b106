"""Engine of a Ray cluster."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from leaven.engines.shard_tasks import ONE_THREAD, build_python_path, run_and_catch, set_environment
from leaven.errors import LeavenError, MissingExtra, SpecError
from leaven.protocols import Engine
from leaven.protocols.rows import ResultT, ShardT, ShardTask, SharedT

_AHEAD = 2  # submitted shards per core


@dataclass(frozen=True)
class Ray:
    """Each shard is a Ray task on one core; `shared` is put into the object store once. Needs the extra `[ray]`.

    A Ray session of this process is used as it is; else one is started or joined, and left with this process.

    address  of a cluster to join (`auto`, `ray://host:port`); empty: this machine
    workers  cores of this machine; 0: all
    """

    address: str = ""
    workers: int = 0

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise SpecError("ray.workers", "0 (all cores) or more", f"{self.workers}", "")

    @property
    def n_workers(self) -> int:
        """Cores of this machine that it uses; those of a cluster are not known before its session."""
        return self.workers or os.cpu_count() or 1

    def map(
        self, task: ShardTask[SharedT, ShardT, ResultT], shards: Sequence[ShardT], shared: SharedT
    ) -> Iterator[ResultT]:
        """task(shared, shard) for each shard, in order, while later ones already run.

        Raises LeavenError that names the shard; MissingExtra without ray.
        """
        if not len(shards):
            return
        ray = self._connect()
        sent = ray.put((task, shared))
        remote = ray.remote(num_cpus=1, max_retries=0)(_run_shard)
        room = _AHEAD * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        waiting: deque[Any] = deque()  # references to results
        try:
            for index, shard in enumerate(shards):
                waiting.append(remote.remote(sent, shard, index, len(shards)))
                if len(waiting) >= room:
                    yield _raise_error(ray.get(waiting.popleft()))
            while waiting:
                yield _raise_error(ray.get(waiting.popleft()))
        finally:
            for pending in waiting:
                ray.cancel(pending, force=True)

    def start_workers(self, *modules: str, preload: object = None) -> AbstractContextManager[Engine]:
        """This engine; Ray stays from map to map."""
        return nullcontext(self)

    def _connect(self) -> ModuleType:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
        try:
            ray = import_module("ray")
        except ModuleNotFoundError:
            raise MissingExtra("ray", "ray") from None
        if not ray.is_initialized():
            resources = {} if self.address or not self.workers else {"num_cpus": self.workers}
            options = {"address": self.address} if self.address else {"include_dashboard": False, **resources}
            with set_environment(ONE_THREAD | build_python_path()):
                ray.init(**options, log_to_driver=False, configure_logging=False)
        return ray


def _run_shard(
    sent: tuple[ShardTask[SharedT, ShardT, ResultT], SharedT], shard: ShardT, index: int, shards: int
) -> ResultT | LeavenError:
    task, shared = sent
    return run_and_catch(task, shared, shard, index, shards)


def _raise_error(answer: ResultT | LeavenError) -> ResultT:
    if isinstance(answer, LeavenError):
        raise answer
    return answer
