"""Rows of steps that run in rounds: fit, generate, filter, train, and fit again on all rows so far.

The recommender keeps training between rounds; generators of a late round are fitted on the rows of earlier ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from leaven import rng
from leaven.augmentation.apply_step import StepResult, append_rows, check_any_accepted, check_unchanged_share
from leaven.augmentation.expansion import describe_step
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.step_fitting import fit_step
from leaven.protocols import Rows


class RoundRows:
    """Rows of each round, made on first use from the rounds before.

    Round r of n begins at progress r / n. Rows depend only on (train, once, plan, seed, draw), so an interrupted
    training makes the same ones again.
    """

    def __init__(self, train: Rows, expanded: Rows, plan: Plan, seed: int, draw: int) -> None:
        self.train, self.expanded, self.plan, self.seed, self.draw = train, expanded, plan, seed, draw
        self._rounds: list[dict[int, StepResult]] = []  # per round: step number -> its rows

    def rows_until(self, progress: float) -> list[Any]:
        """Rows of all rounds that have begun at this progress, in order."""
        now = min(int(progress * self.plan.rounds + 1e-9), self.plan.rounds - 1)
        while len(self._rounds) <= now:
            self._rounds.append(self._make_round(len(self._rounds)))
        return [made.rows for one in self._rounds[: now + 1] for made in one.values()]

    def describe_steps(self) -> list[dict[str, Any]]:
        """Facts of each step over all rounds; `rounds`: number of rows in each.

        Raises GateError where a step leaves too many rows unchanged, or its filters reject all rows.
        """
        self.rows_until(1.0)
        facts = []
        for place, step in enumerate(self.plan.named_steps, 1):
            if step.when != "each_round":
                continue
            made = [one[place] for one in self._rounds if place in one]
            unchanged, refused = Counter[str](), Counter[str]()
            for one in made:
                unchanged.update(one.unchanged)
                refused.update(one.rejected)
            tried, counts = sum(one.n_tried for one in made), [len(one.rows) for one in made]
            check_unchanged_share(step.display_name, step.fail_if_unchanged_over, tried, unchanged)
            check_any_accepted(step.display_name, sum(counts), refused)
            fact = describe_step(self.plan, place) | {"made": sum(counts), "tried": tried, "rounds": counts}
            facts.append(fact | {"unchanged": dict(unchanged), "refused": dict(refused)})
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
            copies = step.copies(read, rng.derive_key(fitted.key, "copies"))
            made[place] = append_rows(fitted, read, copies, 0, float(step.strength(1.0)))
        return made


def select_input_rows(plan: Plan, step: Step, train: Any, so_far: Sequence[Any]) -> Any:
    """Rows that a step reads during training: the real ones, all so far, or those of one step."""
    reads = plan.get_input(step)
    if reads == "real":
        return train
    rows = so_far[0].concat_with(so_far[1:])
    if reads == "previous":
        return rows
    place = next(place for place, other in enumerate(plan.named_steps, 1) if other.display_name == reads)
    return rows.take(rows.origin == place)
