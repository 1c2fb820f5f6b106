"""Parallel trainings of a run.

A training is a stage of the run folder: the process that comes first does it, and later ones read its result. A small
network keeps about two threads busy; on more cores parallel trainings keep all of them at work.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leaven.engines.local import Local
from leaven.errors import LeavenError
from leaven.experiment.trial import ExpandedVariant, TrialContext, run_trial
from leaven.progress import ProgressCallback, no_progress
from leaven.run_folder import open_run


@dataclass(frozen=True, eq=False)
class _Shared:
    bench: TrialContext
    variants: Sequence[ExpandedVariant]


def train_in_parallel(
    bench: TrialContext, variants: Sequence[ExpandedVariant], n_jobs: int, on_progress: ProgressCallback
) -> None:
    """Run the trainings that are not done, `n_jobs` in parallel (0: one per core), each in a process on one thread.

    Variants whose controller waits for a pilot are left out, as several of them share it. Metrics may differ in their
    last digits from those of sequential trainings, which use all threads.

    Raises LeavenError that names the variant and the seed; finished trainings are kept.
    """
    todo = [
        (index, seed)
        for seed in range(1, bench.evaluate.seeds + 1)
        for index, expanded in enumerate(variants)
        if expanded.variant.plan.controller is None
        and not bench.run.is_stage_done(*bench.describe_stage(expanded, seed))
    ]
    processes = min(n_jobs or os.cpu_count() or 1, len(todo))
    if processes < 2:
        return
    description = f"training, {processes} in parallel"
    on_progress(0, len(todo), description)
    for done, _ in enumerate(
        Local(processes).map(_train_one, todo, _Shared(replace(bench, run=open_run(bench.run.path)), variants)), 1
    ):
        on_progress(done, len(todo), description)


def _train_one(shared: _Shared, job: tuple[int, int]) -> None:
    index, seed = job
    expanded = shared.variants[index]
    try:
        run_trial(shared.bench, expanded, seed, no_progress)
    except LeavenError as error:
        error.where = f"{expanded.variant.name}, seed {seed}: {error.where}"
        raise
