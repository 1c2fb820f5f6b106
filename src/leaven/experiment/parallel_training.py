"""Parallel trainings of a run.

A training is a stage of the run folder: the process that comes first does it, and later ones read its result. A small
network keeps about two threads busy; on more cores parallel trainings keep all of them at work.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from leaven.engines.local import Local
from leaven.errors import LeavenError
from leaven.experiment.trial import Bench, Expanded, trial
from leaven.progress import Tell, quiet


@dataclass(frozen=True, eq=False)
class _Shared:
    bench: Bench
    arms: Sequence[Expanded]


def train(bench: Bench, arms: Sequence[Expanded], at_once: int, tell: Tell) -> None:
    """Run the trainings that are not done, `at_once` in parallel (0: one per core), each in a process on one thread.

    Variants whose controller waits for a pilot are left out, as several of them share it. Metrics may differ in their
    last digits from those of sequential trainings, which use all threads.

    Raises LeavenError that names the variant and the seed; finished trainings are kept.
    """
    todo = [
        (index, seed)
        for seed in range(1, bench.spec.evaluate.seeds + 1)
        for index, expanded in enumerate(arms)
        if expanded.arm.plan.controller is None and not bench.run.is_done(*bench.stage_of(expanded, seed))
    ]
    processes = min(at_once or os.cpu_count() or 1, len(todo))
    if processes < 2:
        return
    words = f"training, {processes} in parallel"
    tell(0, len(todo), words)
    for done, _ in enumerate(Local(processes).map(_train_one, todo, _Shared(bench, arms)), 1):
        tell(done, len(todo), words)


def _train_one(shared: _Shared, job: tuple[int, int]) -> None:
    index, seed = job
    expanded = shared.arms[index]
    try:
        trial(shared.bench, expanded, seed, quiet)
    except LeavenError as error:
        error.where = f"{expanded.arm.name}, seed {seed}: {error.where}"
        raise
