"""Schedules: the strength of a step as a function of training progress.

Every schedule is called with the progress of the training in 0..1 (values outside are clipped) and returns a strength
in 0..1.

"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

from leaven.errors import SpecError
from leaven.protocols import Schedule


def _clip_progress(progress: float) -> float:
    return min(max(progress, 0.0), 1.0)


def _find_stage(progress: float, stages: int, at: tuple[float, ...]) -> tuple[int, float]:
    """Return the stage index and the progress inside it; the end of training belongs to the last stage."""
    bounds = (0.0, *(at or [i / stages for i in range(1, stages)]), 1.0)
    stage = min(bisect.bisect_right(bounds, progress), stages) - 1
    low, high = bounds[stage], bounds[stage + 1]
    return stage, _clip_progress((progress - low) / (high - low))


def _check_shares(where: str, *shares: float) -> None:
    for share in shares:
        if not 0.0 <= share <= 1.0:
            raise SpecError(where, "numbers in 0..1", repr(share), "")


def _check_stages(where: str, stages: int, at: tuple[float, ...]) -> None:
    if stages < 1:
        raise SpecError(where, "at least one stage", "none", "")
    if at and len(at) != stages - 1:
        raise SpecError(f"{where}.at", f"{stages - 1} boundaries between stages", f"{len(at)}", "")
    if any(low >= high for low, high in zip((0.0, *at), (*at, 1.0), strict=True)):
        raise SpecError(f"{where}.at", "ascending shares between 0 and 1", repr(at), "")


@dataclass(frozen=True)
class Constant:
    """A constant strength."""

    strength: float = 1.0

    def __post_init__(self) -> None:
        _check_shares("constant.strength", self.strength)

    def __call__(self, progress: float) -> float:
        return self.strength


@dataclass(frozen=True)
class Linear:
    """Linear interpolation from `first` to `last`.

    >>> Linear(first=0.0, last=0.5)(0.5)
    0.25
    """

    first: float = 0.0
    last: float = 1.0

    def __post_init__(self) -> None:
        _check_shares("linear", self.first, self.last)

    def __call__(self, progress: float) -> float:
        done = _clip_progress(progress)
        return self.first * (1.0 - done) + self.last * done


@dataclass(frozen=True)
class Cosine:
    """Half-cosine interpolation from `first` to `last` (Loshchilov and Hutter, ICLR 2017, eq. 5)."""

    first: float = 1.0
    last: float = 0.0

    def __post_init__(self) -> None:
        _check_shares("cosine", self.first, self.last)

    def __call__(self, progress: float) -> float:
        done = 0.5 - 0.5 * math.cos(math.pi * _clip_progress(progress))
        return self.first * (1.0 - done) + self.last * done


@dataclass(frozen=True)
class Staircase:
    """One strength per stage; stage *i* + 1 begins at progress `at[i]`, stages have equal length if `boundaries` is
    empty.

    >>> [Staircase(strengths=(0.2, 0.6, 1.0))(p) for p in (0.0, 0.5, 1.0)]
    [0.2, 0.6, 1.0]
    """

    strengths: tuple[float, ...] = (1 / 3, 2 / 3, 1.0)
    boundaries: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check_shares("staircase.strengths", *self.strengths)
        _check_stages("staircase", len(self.strengths), self.boundaries)

    def __call__(self, progress: float) -> float:
        return self.strengths[_find_stage(_clip_progress(progress), len(self.strengths), self.boundaries)[0]]


@dataclass(frozen=True)
class WarmUp:
    """Linear rise from 0 to `strength` over the first `share` of training, then constant."""

    share: float = 0.1
    strength: float = 1.0

    def __post_init__(self) -> None:
        _check_shares("warm_up", self.share, self.strength)

    def __call__(self, progress: float) -> float:
        done = _clip_progress(progress)
        return self.strength if done >= self.share else self.strength * done / self.share


@dataclass(frozen=True)
class CoolDown:
    """`strength`, then a linear decay over `fall_share` of training; 0 in the last `clean_share`.

    >>> [CoolDown(fall_share=0.2, clean_share=0.2)(p) for p in (0.5, 0.8, 1.0)]
    [1.0, 0.0, 0.0]
    """

    strength: float = 1.0
    fall_share: float = 0.1
    clean_share: float = 0.1

    def __post_init__(self) -> None:
        _check_shares("cool_down", self.strength, self.fall_share, self.clean_share)
        _check_shares("cool_down.fall_share + clean_share", self.fall_share + self.clean_share)

    def __call__(self, progress: float) -> float:
        left = 1.0 - self.clean_share - _clip_progress(progress)
        if left <= 0.0:
            return 0.0
        return self.strength if left >= self.fall_share else self.strength * left / self.fall_share


@dataclass(frozen=True)
class JoinedSchedule:
    """Several schedules in sequence, each run from 0 to 1 within its own stage.

    Part *i* + 1 begins at progress `at[i]`; all stages have equal length if `boundaries` is empty.

    >>> rise_and_rest = JoinedSchedule((Linear(), Constant(0.5)), boundaries=(0.8,))
    >>> rise_and_rest(0.4), rise_and_rest(0.9)
    (0.5, 0.5)

    """

    parts: tuple[Schedule, ...] = (WarmUp(), CoolDown())
    boundaries: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check_stages("joined", len(self.parts), self.boundaries)

    def __call__(self, progress: float) -> float:
        stage, inside = _find_stage(_clip_progress(progress), len(self.parts), self.boundaries)
        return self.parts[stage](inside)
