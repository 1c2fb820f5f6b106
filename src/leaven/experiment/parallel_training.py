"""How are trainings of a run done side by side, before the run goes through them one after the other?

A training is a stage: who comes first does it, and who comes later reads what it left, so that nothing else of a run
knows of this. A small net keeps about two threads busy; on more cores this keeps them all at work.
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
    """What all processes know."""

    bench: Bench
    arms: Sequence[Expanded]


def train(bench: Bench, arms: Sequence[Expanded], at_once: int, tell: Tell) -> None:
    """The trainings that are still to be done, so many at once (0: one a core), each by a process on one thread.

    Left out are arms whose controller waits for a pilot, which several of them share. Figures may differ in their last
    digits from those of trainings one after the other, which take all threads.

    Raises LeavenError that names the arm and the seed; what was finished stays.
    """
    todo = [
        (place, seed)
        for seed in range(1, bench.spec.evaluate.seeds + 1)
        for place, one in enumerate(arms)
        if one.arm.plan.controller is None and not bench.run.is_done(*bench.stage_of(one, seed))
    ]
    processes = min(at_once or os.cpu_count() or 1, len(todo))
    if processes < 2:
        return
    words = f"training, {processes} at once"
    tell(0, len(todo), words)
    for done, _ in enumerate(Local(processes).map(_trained, todo, _Shared(bench, arms)), 1):
        tell(done, len(todo), words)


def _trained(shared: _Shared, which: tuple[int, int]) -> None:
    one, seed = shared.arms[which[0]], which[1]
    try:
        trial(shared.bench, one, seed, quiet)
    except LeavenError as error:
        error.where = f"{one.arm.name}, seed {seed}: {error.where}"
        raise
