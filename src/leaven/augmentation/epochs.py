"""Training rows of each epoch, and rows of steps that run in rounds.

A step of each round is fitted, generates and filters, and is fitted again at the next round on all rows so far. The
recommender keeps training between rounds; generators of a late round are fitted on the rows of earlier ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leaven import rng
from leaven.augmentation.adaptive import ControllerCallback
from leaven.augmentation.apply_step import (
    StepResult,
    append_rows,
    check_any_accepted,
    check_unchanged_share,
    replace_rows,
)
from leaven.augmentation.expansion import describe_step
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.facts import StepFacts
from leaven.protocols import Rows, RowsT


class RoundRows:
    """Rows of each round, made on first use from the rounds before.

    Round r of n begins at progress r / n. Rows depend only on (train, once, plan, seed, draw), so an interrupted
    training makes the same ones again.
    """

    def __init__(self, train: Rows, expanded: Rows, plan: Plan, seed: int, draw: int) -> None:
        self.train, self.expanded, self.plan, self.seed, self.draw = train, expanded, plan, seed, draw
        self._rounds: list[dict[int, StepResult]] = []  # per round: step number -> its rows

    def rows_until(self, progress: float) -> list[Rows]:
        """Rows of all rounds that have begun at this progress, in order."""
        now = min(int(progress * self.plan.rounds + 1e-9), self.plan.rounds - 1)
        while len(self._rounds) <= now:
            self._rounds.append(self._make_round(len(self._rounds)))
        return [made.rows for one in self._rounds[: now + 1] for made in one.values()]

    def describe_steps(self) -> list[StepFacts]:
        """Facts of each step over all rounds; `rounds`: number of rows in each.

        Raises GateError where a step leaves too many rows unchanged, or its filters reject all rows.
        """
        self.rows_until(1.0)
        facts = []
        for place, step in enumerate(self.plan.named_steps, 1):
            if step.when != "each_round":
                continue
            made = [one[place] for one in self._rounds if place in one]
            unchanged, rejected = Counter[str](), Counter[str]()
            for one in made:
                unchanged.update(one.unchanged)
                rejected.update(one.rejected)
            tried, counts = sum(one.n_tried for one in made), [len(one.rows) for one in made]
            check_unchanged_share(step.display_name, step.fail_if_unchanged_over, tried, unchanged)
            check_any_accepted(step.display_name, sum(counts), rejected)
            fact = replace(describe_step(self.plan, place), synthetic=sum(counts), tried=tried, rounds=tuple(counts))
            facts.append(replace(fact, unchanged=dict(unchanged), rejected=dict(rejected)))
        return facts

    def _make_round(self, number: int) -> dict[int, StepResult]:
        """Step number -> its rows in this round; a step reads the rows of the steps before it."""
        made: dict[int, StepResult] = {}
        before = [self.expanded, *(old.rows for one in self._rounds for old in one.values())]
        for place, step in enumerate(self.plan.named_steps, 1):
            if step.when != "each_round" or not step.is_active(number / self.plan.rounds):
                continue
            so_far = [*before, *(new.rows for new in made.values())]
            fitted = fit_step(
                self.plan,
                place,
                self.train,
                rng.derive_key(self.seed, "round", number),
                so_far[0].concat_with(so_far[1:]),
            )
            fitted = replace(fitted, key=rng.derive_key(fitted.key, "draw", self.draw))
            read = select_input_rows(self.plan, step, self.train, so_far)
            copies = step.count_copies(read, rng.derive_key(fitted.key, "copies"))
            made[place] = append_rows(fitted, read, copies, 0, float(step.strength(1.0)))
        return made


def select_input_rows(plan: Plan, step: Step, train: RowsT, so_far: Sequence[RowsT]) -> RowsT:
    """Rows that a step reads during training: the real ones, all so far, or those of one step."""
    reads = plan.get_input(step)
    if reads == "real":
        return train
    rows = so_far[0].concat_with(so_far[1:])
    if reads == "previous":
        return rows
    place = next(place for place, other in enumerate(plan.named_steps, 1) if other.display_name == reads)
    return rows.take(rows.origin == place)


@dataclass(frozen=True, eq=False)
class EpochRows:
    """`(epoch, progress) -> rows`: the real rows, rows made once and in past rounds, and fresh rows of this epoch.

    A pure function of epoch and progress (and of the controller's decisions up to there), so an interrupted training
    resumes with the same rows.

    train       the real rows, on which every step is fitted
    expanded    the real rows and those made once
    steps       the plan's steps of each epoch
    rounds      rows of the steps of each round; None: there are none
    controller  controller that adapts strength and counts; None: they are constant

    Steps in mode "in_place" change rows in place, one after the other; steps in mode "append" read the real rows, or
    with `input = "previous"` all rows of this epoch so far.
    """

    train: Rows
    expanded: Rows
    plan: Plan
    steps: tuple[FittedStep, ...]
    rounds: RoundRows | None = None
    controller: ControllerCallback | None = None

    @property
    def is_constant(self) -> bool:
        """Whether every epoch has the same rows."""
        return not self.steps and self.rounds is None

    def __call__(self, epoch: int, progress: float) -> Rows:
        """Rows of one epoch, the real ones first."""
        rows, new = self._get_base(progress), []
        for fitted, made in self._apply_steps(epoch, progress, self.controller):
            if fitted.step.mode == "in_place":
                rows = made.rows
            else:
                new.append(made.rows)
        return rows.concat_with(new)

    def describe_steps(self) -> list[StepFacts]:
        """Facts of each step: of one epoch in the middle of its active range, and of all rounds together.

        Raises GateError where a step leaves too many rows unchanged, or its filters reject all rows.
        """
        facts = [] if self.rounds is None else self.rounds.describe_steps()
        for middle in sorted({_find_middle(one.step) for one in self.steps}):
            for fitted, made in self._apply_steps(0, middle, None):
                step = fitted.step
                if _find_middle(step) != middle:
                    continue
                check_unchanged_share(step.display_name, step.fail_if_unchanged_over, made.n_tried, made.unchanged)
                count = len(made.rows) if step.mode == "append" else made.n_tried
                check_any_accepted(step.display_name, count, made.rejected)
                fact = replace(describe_step(self.plan, fitted.number), synthetic=count, tried=made.n_tried)
                facts.append(replace(fact, unchanged=dict(made.unchanged), rejected=dict(made.rejected)))
        return sorted(facts, key=lambda fact: fact.index)

    def _get_base(self, progress: float) -> Rows:
        """Rows that do not change from one epoch to the next."""
        return self.expanded if self.rounds is None else self.expanded.concat_with(self.rounds.rows_until(progress))

    def _apply_steps(
        self, epoch: int, progress: float, steering: ControllerCallback | None
    ) -> Iterator[tuple[FittedStep, StepResult]]:
        rows, new = self._get_base(progress), list[Rows]()
        for fitted in self.steps:
            step = fitted.step
            if not step.is_active(progress):
                continue
            strength = float(step.strength(progress))
            if step.mode == "in_place":
                level, share = (strength, 1.0) if steering is None else steering.compute_dose(step, rows, progress)
                if not np.any(share):
                    continue
                made = replace_rows(fitted, rows, epoch, level, share)
                rows = made.rows
            else:
                read = select_input_rows(self.plan, step, self.train, [rows, *new])
                copies = step.count_copies(read, rng.derive_key(fitted.key, "copies", epoch))
                level = strength
                if steering is not None:
                    level, share = steering.compute_dose(step, read, progress)
                    keys = rng.derive_row_keys(rng.derive_key(fitted.key, "share"), read.row_ids, 0, epoch)
                    thinned = copies * np.asarray(share, np.float64) + rng.draw_uniform(keys, 0)
                    copies = np.floor(thinned).astype(np.int32)  # fractions are rounded stochastically
                if not copies.any():
                    continue
                made = append_rows(fitted, read, copies, epoch, level)
                new.append(made.rows)
            yield fitted, made


def _find_middle(step: Step) -> float:
    """Progress at which facts are computed: schedules are more often 0 at the start and the end."""
    return (step.during[0] + step.during[1]) / 2


def build_epoch_rows(
    train: Rows, expanded: Rows, plan: Plan, seed: int, draw: int = 0, controller: ControllerCallback | None = None
) -> EpochRows:
    """Rows of every epoch of a plan. seed: of fits and draws; draw: varies the draws alone."""
    numbers = [
        number for number, step in enumerate(plan.named_steps, 1) if step.when == "each_epoch" and not step.is_on_items
    ]
    fitted = [fit_step(plan, number, train, seed, expanded) for number in numbers]
    steps = tuple(replace(one, key=rng.derive_key(one.key, "draw", draw)) for one in fitted)
    rounds = RoundRows(train, expanded, plan, seed, draw) if plan.rounds > 1 else None
    return EpochRows(train, expanded, plan, steps, rounds, controller)
