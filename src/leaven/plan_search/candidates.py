"""Candidates of a plan search, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from leaven.augmentation import Plan
from leaven.protocols import Recommender

Values = npt.NDArray[np.float64]
C = TypeVar("C")


@dataclass(frozen=True)
class NumberRange:
    """Range of a numeric setting that a search may tune. is_log: sampled on a logarithmic scale."""

    low: float
    high: float
    is_log: bool = False
    is_integer: bool = False


@dataclass(frozen=True)
class Candidate:
    """One way to train on the user's data: a recommender and a plan of its rows.

    name         unique in a search
    recommender  its config
    plan         the plan of its training rows; empty for cheap rivals
    recipe       kind of the recipe that proposed it; "" for rivals and the user's own plans
    reason       what the recipe expects, one sentence
    evidence     page of the documentation that speaks for it; "" for none
    space        setting -> range that the search tunes
    build        settings -> the candidate with these settings; None: nothing is tuned
    """

    name: str
    recommender: Recommender
    plan: Plan = field(default_factory=Plan)
    recipe: str = ""
    reason: str = ""
    evidence: str = ""
    space: Mapping[str, NumberRange] = field(default_factory=dict)
    build: Callable[[Mapping[str, float]], Candidate] | None = None

    @property
    def changes_rows(self) -> bool:
        """Whether its plan has steps."""
        return bool(self.plan.steps)

    def combine(self, other: Candidate, base: Recommender) -> Candidate | None:
        """Both candidates in one: the steps of both plans, and the settings in which each differs from `base`.

        A recommender that holds `base` holds the other one instead; of two such ones, this candidate's is outside.
        None where they contradict each other: the same setting with two values, other kinds of recommenders, or plans
        that are not simply lists of steps.
        """
        if self.changes_rows and other.changes_rows and (self.plan.controller or other.plan.controller):
            return None
        merged = _merge_configs(base, self.recommender, other.recommender)
        if merged is None:
            return None
        plan = self.plan if self.changes_rows else other.plan
        if self.changes_rows and other.changes_rows:
            if {step.display_name for step in self.plan.named_steps} & {
                one.display_name for one in other.plan.named_steps
            }:
                return None
            plan = replace(self.plan, steps=(*self.plan.named_steps, *other.plan.named_steps))
        if (merged == self.recommender and plan == self.plan) or (merged == other.recommender and plan == other.plan):
            return None
        reason = f"{self.name} and {other.name} together"
        return Candidate(f"{self.name} + {other.name}", merged, plan, "combination", reason)


def _merge_configs(base: C, one: C, other: C) -> C | None:
    """Config with the changes of both against `base`; None where they contradict each other."""
    if one == base:
        return other
    if other == base:
        return one
    if not type(base) is type(one) is type(other):
        return _replace_base(base, one, other) or _replace_base(base, other, one)
    changed: dict[str, object] = {}
    for config in (one, other):
        for each in fields(base):  # type: ignore[arg-type]
            value = getattr(config, each.name)
            if value != getattr(base, each.name):
                if each.name in changed and changed[each.name] != value:
                    return None
                changed[each.name] = value
    return replace(base, **changed)  # type: ignore[type-var]


def _replace_base(base: C, outer: C, inner: C) -> C | None:
    """`outer` with `inner` in the place of `base`; None where it does not hold `base`."""
    holders = [each.name for each in fields(outer) if getattr(outer, each.name) == base]  # type: ignore[arg-type]
    return replace(outer, **{holders[0]: inner}) if holders else None  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class Score:
    """Result of one training. values float64 (users,): the metric on validation; seconds: its cost."""

    values: Values
    seconds: float


@dataclass(frozen=True)
class Rung:
    """Effort of one round of a race. fraction: of the full optimizer steps; n_seeds: trainings of each candidate."""

    fraction: float = 1.0
    n_seeds: int = 1
