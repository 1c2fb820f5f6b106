"""Which rows does a plan make in rounds: learn, generate, filter, train, and learn again from all rows so far?

The recommender trains on while rounds go by, so that rows of a late round are those of a generator that learned from
the rows of the early ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from leaven import rng
from leaven.augmentation.apply_step import Made, add, check_gate, check_kept
from leaven.augmentation.expansion import step_facts
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.step_fitting import fit_step
from leaven.protocols import Rows


class RoundRows:
    """The rows of each round, made when they are first asked for, each round from those before it.

    Round r of n begins at progress r / n. They follow from (train, once, plan, seed, draw) alone, so an interrupted
    training makes the same ones again.
    """

    def __init__(self, train: Rows, once: Rows, plan: Plan, seed: int, draw: int) -> None:
        self.train, self.once, self.plan, self.seed, self.draw = train, once, plan, seed, draw
        self._rounds: list[dict[int, Made]] = []  # of each round: place of a step -> its rows

    def so_far(self, progress: float) -> list[Any]:
        """Rows of all rounds that began by then, the first ones first."""
        now = min(int(progress * self.plan.rounds + 1e-9), self.plan.rounds - 1)
        while len(self._rounds) <= now:
            self._rounds.append(self._round(len(self._rounds)))
        return [made.rows for one in self._rounds[: now + 1] for made in one.values()]

    def facts(self) -> list[dict[str, Any]]:
        """What each step makes in all rounds together; `rounds`: how many rows in each.

        Raises GateError where a step leaves more rows as they were than it may, or its filters refuse all it made.
        """
        self.so_far(1.0)
        told = []
        for place, step in enumerate(self.plan.all, 1):
            if step.when != "each_round":
                continue
            made = [one[place] for one in self._rounds if place in one]
            unchanged, refused = Counter[str](), Counter[str]()
            for one in made:
                unchanged.update(one.unchanged)
                refused.update(one.refused)
            tried, counts = sum(one.tried for one in made), [len(one.rows) for one in made]
            check_gate(step.called, step.fail_if_unchanged_over, tried, unchanged)
            check_kept(step.called, sum(counts), refused)
            fact = step_facts(self.plan, place) | {"made": sum(counts), "tried": tried, "rounds": counts}
            told.append(fact | {"unchanged": dict(unchanged), "refused": dict(refused)})
        return told

    def _round(self, number: int) -> dict[int, Made]:
        """place of a step -> its rows in this round; a step reads what others made before it."""
        made: dict[int, Made] = {}
        before = [self.once, *(old.rows for one in self._rounds for old in one.values())]
        for place, step in enumerate(self.plan.all, 1):
            if step.when != "each_round" or not step.acts(number / self.plan.rounds):
                continue
            so_far = [*before, *(new.rows for new in made.values())]
            fitted = fit_step(
                self.plan, place, self.train, rng.key(self.seed, "round", number), so_far[0].joined(so_far[1:])
            )
            fitted = replace(fitted, key=rng.key(fitted.key, "draw", self.draw))
            read = read_by(self.plan, step, self.train, so_far)
            copies = step.copies(read, rng.key(fitted.key, "copies"))
            made[place] = add(fitted, read, copies, 0, float(step.strength(1.0)))
        return made


def read_by(plan: Plan, step: Step, train: Any, so_far: Sequence[Any]) -> Any:
    """The rows that a step reads while training: real ones, all so far, or those of one step among them."""
    reads = plan.reads(step)
    if reads == "real":
        return train
    rows = so_far[0].joined(so_far[1:])
    if reads == "previous":
        return rows
    place = next(place for place, other in enumerate(plan.all, 1) if other.called == reads)
    return rows.take(rows.origin == place)
