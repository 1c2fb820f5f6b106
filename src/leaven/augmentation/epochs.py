"""Which rows does the recommender learn from in this epoch?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.adaptive import Steering
from leaven.augmentation.apply_step import Level, Made, add, check_gate, check_kept, replaced
from leaven.augmentation.expansion import step_facts
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.rounds import RoundRows, read_by
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.protocols import Rows


@dataclass(frozen=True, eq=False)
class EpochRows:
    """`(epoch, progress) -> rows`: the real rows, those made once and in rounds so far, and fresh rows of other steps.

    A pure function of epoch and progress (and of the log of decisions up to there, in a plan that steers itself), so
    that an interrupted training goes on with the same rows.

    train     the real rows, which every step is fitted on
    once      the real rows and those made once
    steps     those of the plan that run in each epoch
    rounds    rows of the steps that run in each round; None: there are none
    steering  who moves strength and counts; None: they are as the steps say

    Steps in mode "replace" change rows in place, one after the other; steps in mode "add" read the real
    rows, or with `reads = "previous"` all rows of this epoch so far.
    """

    train: Any
    once: Any
    plan: Plan
    steps: tuple[FittedStep, ...]
    rounds: RoundRows | None = None
    steering: Steering | None = None

    @property
    def is_still(self) -> bool:
        """Whether every epoch has the same rows."""
        return not self.steps and self.rounds is None

    def __call__(self, epoch: int, progress: float) -> Any:
        """The rows of one epoch, real ones first."""
        rows, new = self._standing(progress), []
        for fitted, made in self._made(epoch, progress, self.steering):
            if fitted.step.mode == "replace":
                rows = made.rows
            else:
                new.append(made.rows)
        return rows.joined(new)

    def facts(self) -> list[dict[str, Any]]:
        """What each of its steps does in one epoch, in the middle of its share of training, at full strength.

        Steps of each round tell of all rounds together.

        Raises GateError where a step leaves more rows as they were than it may, or its filters refuse all it made.
        """
        told = [] if self.rounds is None else self.rounds.facts()
        for middle in sorted({_middle(one.step) for one in self.steps}):
            for fitted, made in self._made(0, middle, None):
                step = fitted.step
                if _middle(step) != middle:
                    continue
                check_gate(step.called, step.fail_if_unchanged_over, made.tried, made.unchanged)
                count = len(made.rows) if step.mode == "add" else made.tried
                check_kept(step.called, count, made.refused)
                fact = step_facts(self.plan, fitted.place) | {"made": count, "tried": made.tried}
                told.append(fact | {"unchanged": dict(made.unchanged), "refused": dict(made.refused)})
        return sorted(told, key=lambda fact: int(fact["index"]))

    def _standing(self, progress: float) -> Any:
        """Rows that stay from one epoch to the next."""
        return self.once if self.rounds is None else self.once.joined(self.rounds.so_far(progress))

    def _made(self, epoch: int, progress: float, steering: Steering | None) -> Iterator[tuple[FittedStep, Made]]:
        rows, new = self._standing(progress), list[Any]()
        for fitted in self.steps:
            step = fitted.step
            if not step.acts(progress):
                continue
            strength = float(step.strength(progress))
            if step.mode == "replace":
                level, share = (strength, 1.0) if steering is None else steering.dose(step, rows, progress)
                if not np.any(share):
                    continue
                made = replaced(fitted, rows, epoch, level, share)
                rows = made.rows
            else:
                read = read_by(self.plan, step, self.train, [rows, *new])
                copies = step.copies(read, rng.key(fitted.key, "copies", epoch))
                level = strength
                if steering is not None:
                    level, share = steering.dose(step, read, progress)
                    copies = _some(copies, share, rng.row_keys(rng.key(fitted.key, "share"), read.keys, 0, epoch))
                if not copies.any():
                    continue
                made = add(fitted, read, copies, epoch, level)
                new.append(made.rows)
            yield fitted, made


def _middle(step: Step) -> float:
    """Progress that facts are told of: schedules begin and end at 0 more often than they rest there."""
    return (step.during[0] + step.during[1]) / 2


def _some(copies: npt.NDArray[np.int32], share: Level, keys: rng.Keys) -> npt.NDArray[np.int32]:
    """int32 (rows,): that share of each row's copies; of a part of a copy, the whole as often as the part is large."""
    return np.floor(copies * np.asarray(share, np.float64) + rng.uniform(keys, 0)).astype(np.int32)


def epoch_rows(
    train: Rows, once: Rows, plan: Plan, seed: int, draw: int = 0, steering: Steering | None = None
) -> EpochRows:
    """The rows of every epoch of a plan. seed: what its steps learn follows from it; draw: what they draw, too."""
    numbers = [number for number, step in enumerate(plan.all, 1) if step.when == "each_epoch" and not step.on_items]
    fitted = [fit_step(plan, number, train, seed, once) for number in numbers]
    steps = tuple(replace(one, key=rng.key(one.key, "draw", draw)) for one in fitted)
    rounds = RoundRows(train, once, plan, seed, draw) if plan.rounds > 1 else None
    return EpochRows(train, once, plan, steps, rounds, steering)
