"""How strong is a step at this point of the training?

Every schedule is called with the progress of the training, 0..1 (what lies outside is taken as the nearer
end), and answers with a strength in 0..1.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

from leaven.errors import SpecError
from leaven.protocols import Schedule


def _inside(progress: float) -> float:
    return min(max(progress, 0.0), 1.0)


def _stage(progress: float, stages: int, at: tuple[float, ...]) -> tuple[int, float]:
    """(which stage, progress inside it): the end of the training is the end of the last one."""
    bounds = (0.0, *(at or [i / stages for i in range(1, stages)]), 1.0)
    stage = min(bisect.bisect_right(bounds, progress), stages) - 1
    low, high = bounds[stage], bounds[stage + 1]
    return stage, _inside((progress - low) / (high - low))


def _check(where: str, *shares: float) -> None:
    for share in shares:
        if not 0.0 <= share <= 1.0:
            raise SpecError(where, "numbers in 0..1", repr(share), "")


def _check_stages(where: str, stages: int, at: tuple[float, ...]) -> None:
    if stages < 1:
        raise SpecError(where, "at least one stage", "none", "")
    if at and len(at) != stages - 1:
        raise SpecError(f"{where}.at", f"{stages - 1} places where a stage ends", f"{len(at)}", "")
    if any(low >= high for low, high in zip((0.0, *at), (*at, 1.0), strict=True)):
        raise SpecError(f"{where}.at", "ascending places between 0 and 1", repr(at), "")


@dataclass(frozen=True)
class Constant:
    """The same strength all the time."""

    strength: float = 1.0

    def __post_init__(self) -> None:
        _check("constant.strength", self.strength)

    def __call__(self, progress: float) -> float:
        return self.strength


@dataclass(frozen=True)
class Linear:
    """From `first` to `last` along a line.

    >>> Linear(first=0.0, last=0.5)(0.5)
    0.25
    """

    first: float = 0.0
    last: float = 1.0

    def __post_init__(self) -> None:
        _check("linear", self.first, self.last)

    def __call__(self, progress: float) -> float:
        done = _inside(progress)
        return self.first * (1.0 - done) + self.last * done


@dataclass(frozen=True)
class Cosine:
    """From `first` to `last` along half a cosine: slow at both ends (Loshchilov and Hutter, ICLR 2017, eq. 5)."""

    first: float = 1.0
    last: float = 0.0

    def __post_init__(self) -> None:
        _check("cosine", self.first, self.last)

    def __call__(self, progress: float) -> float:
        done = 0.5 - 0.5 * math.cos(math.pi * _inside(progress))
        return self.first * (1.0 - done) + self.last * done


@dataclass(frozen=True)
class Staircase:
    """One strength a stage; stage *i* + 1 begins at progress `at[i]`, or all last equally long where `at` is empty.

    >>> [Staircase(strengths=(0.2, 0.6, 1.0))(p) for p in (0.0, 0.5, 1.0)]
    [0.2, 0.6, 1.0]
    """

    strengths: tuple[float, ...] = (1 / 3, 2 / 3, 1.0)
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check("staircase.strengths", *self.strengths)
        _check_stages("staircase", len(self.strengths), self.at)

    def __call__(self, progress: float) -> float:
        return self.strengths[_stage(_inside(progress), len(self.strengths), self.at)[0]]


@dataclass(frozen=True)
class WarmUp:
    """From 0 to `strength` over the first `share` of the training, then constant."""

    share: float = 0.1
    strength: float = 1.0

    def __post_init__(self) -> None:
        _check("warm_up", self.share, self.strength)

    def __call__(self, progress: float) -> float:
        done = _inside(progress)
        return self.strength if done >= self.share else self.strength * done / self.share


@dataclass(frozen=True)
class CoolDown:
    """`strength`, then down over `fall_share` of the training to a clean finish: 0 in its last `clean_share`.

    >>> [CoolDown(fall_share=0.2, clean_share=0.2)(p) for p in (0.5, 0.8, 1.0)]
    [1.0, 0.0, 0.0]
    """

    strength: float = 1.0
    fall_share: float = 0.1
    clean_share: float = 0.1

    def __post_init__(self) -> None:
        _check("cool_down", self.strength, self.fall_share, self.clean_share)
        _check("cool_down.fall_share + clean_share", self.fall_share + self.clean_share)

    def __call__(self, progress: float) -> float:
        left = 1.0 - self.clean_share - _inside(progress)
        if left <= 0.0:
            return 0.0
        return self.strength if left >= self.fall_share else self.strength * left / self.fall_share


@dataclass(frozen=True)
class Joined:
    """One schedule after another, each run through from 0 to 1 in its own stage.

    Part *i* + 1 begins at progress `at[i]`; all stages are equally long where `at` is empty.

    >>> rise_and_rest = Joined((Linear(), Constant(0.5)), at=(0.8,))
    >>> rise_and_rest(0.4), rise_and_rest(0.9)
    (0.5, 0.5)
    """

    parts: tuple[Schedule, ...] = (WarmUp(), CoolDown())
    at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check_stages("joined", len(self.parts), self.at)

    def __call__(self, progress: float) -> float:
        stage, inside = _stage(_inside(progress), len(self.parts), self.at)
        return self.parts[stage](inside)
