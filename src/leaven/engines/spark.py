"""Engine of a Spark cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from leaven.engines.shard_tasks import ONE_THREAD, build_python_path, run_and_catch
from leaven.errors import LeavenError, MissingExtra
from leaven.protocols import Engine
from leaven.protocols.rows import ResultT, ShardT, ShardTask, SharedT

_WAVE = 4  # shards per core in one job: bounds the memory of the driver


@dataclass(frozen=True)
class Spark:
    """Each shard is a Spark task; `shared` is broadcast once. Needs the extra `[spark]` and a Java runtime.

    An active session is used as it is (leaven must be installed on its executors); else one is started, which ends with
    this process.

    master  of a new session: `local[2]`, `spark://…`, `yarn`; empty: spark-submit's, else this machine
    """

    master: str = ""

    @property
    def n_workers(self) -> int:
        """Cores of this machine, for the cluster is not known before its session."""
        return os.cpu_count() or 1

    def map(
        self, task: ShardTask[SharedT, ShardT, ResultT], shards: Sequence[ShardT], shared: SharedT
    ) -> Iterator[ResultT]:
        """task(shared, shard) for each shard, in order; shards run in waves, a few per core of the cluster.

        Raises LeavenError that names the shard; MissingExtra without pyspark.
        """
        if not len(shards):
            return
        context = self._get_session().sparkContext
        sent = context.broadcast((task, shared))
        wave, count = _WAVE * max(context.defaultParallelism, 1), len(shards)

        def run_shard(numbered_shard: tuple[int, ShardT]) -> ResultT | LeavenError:
            index, shard = numbered_shard
            job, common = sent.value
            return run_and_catch(job, common, shard, index, count)

        try:
            for first in range(0, count, wave):
                numbered = [(index, shards[index]) for index in range(first, min(first + wave, count))]
                for answer in context.parallelize(numbered, len(numbered)).map(run_shard).collect():
                    if isinstance(answer, LeavenError):
                        raise answer
                    yield answer
        finally:
            sent.unpersist()

    def start_workers(self, *modules: str, preload: object = None) -> AbstractContextManager[Engine]:
        """This engine; its session stays from map to map."""
        return nullcontext(self)

    def _get_session(self) -> Any:
        try:
            from pyspark.sql import SparkSession
        except ModuleNotFoundError:
            raise MissingExtra("pyspark", "spark") from None
        active = SparkSession.getActiveSession()
        if active is not None:
            return active
        builder = SparkSession.builder.appName("leaven").config("spark.ui.enabled", "false")
        builder = builder.config("spark.ui.showConsoleProgress", "false")
        is_local = not self.master or self.master.startswith("local")
        for name, value in (ONE_THREAD | (build_python_path() if is_local else {})).items():
            builder = builder.config(f"spark.executorEnv.{name}", value)
        if is_local:
            builder = builder.config("spark.pyspark.python", sys.executable)
            builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        return (builder.master(self.master) if self.master else builder).getOrCreate()
