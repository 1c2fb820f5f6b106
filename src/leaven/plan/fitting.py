"""What does a step know once it has seen the training rows?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from leaven import seeds
from leaven.contracts import Filter, FittedFilter, FittedGenerator, FittedTransform
from leaven.data.histories import Histories
from leaven.errors import DataError
from leaven.plan.steps import Plan, Step


@dataclass(frozen=True, eq=False)
class FittedStep:
    """A step at work.

    place     its number in the plan, from 1: the `origin` of its rows
    key       every draw of its rows follows from it
    transform, generator   one of the two
    filters   what refuses rows, in order
    """

    step: Step
    place: int
    key: int
    transform: FittedTransform | None
    generator: FittedGenerator | None
    filters: tuple[FittedFilter, ...]


def fit_step(plan: Plan, place: int, train: Histories, seed: int, read: Histories | None = None) -> FittedStep:
    """Fit step number `place` (from 1) of a plan.

    Transforms and filters learn from `train`, the real rows; generators from the rows that they read,
    which are the real ones unless the plan is layered.

    Raises DataError where there is nothing to learn from.
    """
    step = plan.all[place - 1]
    if not len(train) or not train.events:
        raise DataError(f"step {step.called!r}", "training rows", "none", "loosen the cleaning rules or the split")
    key = seeds.key(seed, "step", step.called)
    transform, generator = None, None
    declared: tuple[str, ...] = ()
    use: Any = step.use
    if step.is_generator:
        generator = use.fit(train if read is None else read, seeds.key(key, "fit"))
        declared = tuple(use.keep)
    else:
        transform = use.fit(train)
    wishes = step.keep if step.keep is not None else tuple(_filter(kind) for kind in declared)
    wishes = tuple(_told(wish, generator) for wish in wishes)
    filters = tuple(wish.fit(train, seeds.key(key, "filter", number)) for number, wish in enumerate(wishes))
    return FittedStep(step, place, key, transform, generator, filters)


def _told(wish: Filter, generator: FittedGenerator | None) -> Filter:
    """A filter that asks whose rows it judges, and was not told, is told the step's own generator."""
    asks = generator is not None and getattr(wish, "generator", generator) is None
    told: Any = wish
    return replace(told, generator=generator) if asks else wish


def _filter(kind: str) -> Filter:
    from leaven.registry import made

    wish: Filter = made("filters", kind)
    return wish
