"""What does a step know once it has seen the training rows?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

from leaven import rng
from leaven.augmentation.conditional_sampling import Matching
from leaven.augmentation.plan import Plan, Step
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.progress import Tell, quiet
from leaven.protocols import Filter, Rows


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
    transform: Any
    generator: Any
    filters: tuple[Any, ...]


def fit_step(
    plan: Plan, place: int, train: Rows, seed: int, read: Rows | None = None, tell: Tell = quiet
) -> FittedStep:
    """Fit step number `place` (from 1) of a plan.

    Transforms and filters learn from `train`, the real rows; generators from the rows that they read,
    which are the real ones unless the plan is layered.

    A generator whose `fit` has a `tell` says how far it is. Raises DataError where there is nothing to learn from.
    """
    step = plan.all[place - 1]
    if not len(train) or (isinstance(train, Histories) and not train.events):
        raise DataError(f"step {step.called!r}", "training rows", "none", "loosen the cleaning rules or the split")
    key = rng.key(seed, "step", step.called)
    transform, generator = None, None
    use: Any = step.use
    if step.is_generator:
        told = {"tell": tell} if "tell" in signature(use.fit).parameters else {}
        learned = use.fit(train if read is None else read, rng.key(key, "fit"), **told)
        generator = Matching.of(learned, step, train)
    else:
        transform = use.fit(train)
    return FittedStep(step, place, key, transform, generator, fit_filters(step, train, seed, generator))


def filters_of(step: Step) -> tuple[Any, ...]:
    """The wishes for the filters that a step's rows pass, in order: its own, else those that its kind declares."""
    declared = tuple(getattr(step.use, "keep", ())) if step.is_generator else ()
    return step.keep if step.keep is not None else tuple(_filter(kind) for kind in declared)


def fit_filters(step: Step, train: Rows, seed: int, generator: Any = None) -> tuple[Any, ...]:
    """The filters of a step, which have learned from the real rows; generator: its own, once it is fitted."""
    key = rng.key(seed, "step", step.called)
    wishes = [_told(wish, generator) for wish in filters_of(step)]
    return tuple(wish.fit(train, rng.key(key, "filter", number)) for number, wish in enumerate(wishes))


def _told(wish: Any, generator: Any) -> Any:
    """A filter that asks whose rows it judges, and was not told, is told the step's own generator."""
    asks = generator is not None and getattr(wish, "generator", generator) is None
    return replace(wish, generator=generator) if asks else wish


def _filter(kind: str) -> Filter:
    from leaven.registry import made

    wish: Filter = made("filters", kind)
    return wish
