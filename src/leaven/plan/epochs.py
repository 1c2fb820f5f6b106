"""Which rows does the recommender learn from in this epoch?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from leaven import seeds
from leaven.contracts import Rows
from leaven.plan.expansion import step_facts
from leaven.plan.fitting import FittedStep, fit_step
from leaven.plan.rows import Made, add, check_gate, replaced
from leaven.plan.steps import Plan

HALF = 0.5
"""Progress of the epoch that facts are told of: schedules begin and end at 0 more often than they rest there."""


@dataclass(frozen=True, eq=False)
class EpochRows:
    """`(epoch, progress) -> rows`: the real rows and those made once, with fresh rows of the other steps.

    A pure function of epoch and progress, so that an interrupted training goes on with the same rows.

    train  the real rows, which every step is fitted on
    once   the real rows and those made once
    steps  those of the plan that run in each epoch

    Steps in mode "replace" change rows in place, one after the other; steps in mode "add" read the real
    rows, or with `reads = "previous"` all rows of this epoch so far.
    """

    train: Any
    once: Any
    plan: Plan
    steps: tuple[FittedStep, ...]

    @property
    def is_still(self) -> bool:
        """Whether every epoch has the same rows."""
        return not self.steps

    def __call__(self, epoch: int, progress: float) -> Any:
        """The rows of one epoch, real ones first."""
        rows, new = self.once, []
        for fitted, made in self._made(epoch, progress):
            if fitted.step.mode == "replace":
                rows = made.rows
            else:
                new.append(made.rows)
        return rows.joined(new)

    def facts(self) -> list[dict[str, Any]]:
        """What each of its steps does in one epoch, half-way through training.

        Raises GateError where a step leaves more rows as they were than it may.
        """
        told = []
        for fitted, made in self._made(0, HALF):
            step = fitted.step
            check_gate(step.called, step.fail_if_unchanged_over, made.tried, made.unchanged)
            count = len(made.rows) if step.mode == "add" else made.tried
            fact = step_facts(self.plan, fitted.place) | {"made": count, "tried": made.tried}
            told.append(fact | {"unchanged": dict(made.unchanged), "refused": dict(made.refused)})
        return told

    def _made(self, epoch: int, progress: float) -> Iterator[tuple[FittedStep, Made]]:
        rows, new = self.once, list[Any]()
        for fitted in self.steps:
            strength = float(fitted.step.strength(progress))
            if fitted.step.mode == "replace":
                made = replaced(fitted, rows, epoch, strength)
                rows = made.rows
            else:
                read = rows.joined(new) if self.plan.reads(fitted.step) == "previous" else self.train
                copies = fitted.step.copies(read, seeds.key(fitted.key, "copies", epoch))
                made = add(fitted, read, copies, epoch, strength)
                new.append(made.rows)
            yield fitted, made


def epoch_rows(train: Rows, once: Rows, plan: Plan, seed: int, draw: int = 0) -> EpochRows:
    """The rows of every epoch of a plan. seed: what its steps learn follows from it; draw: what they draw, too."""
    numbers = [number for number, step in enumerate(plan.all, 1) if step.when == "each_epoch" and not step.on_words]
    fitted = [fit_step(plan, number, train, seed, once) for number in numbers]
    return EpochRows(train, once, plan, tuple(replace(one, key=seeds.key(one.key, "draw", draw)) for one in fitted))
