"""How many rows, how strong, and who decides while a recommender trains?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples


class Strategy(Protocol):
    """How many copies of each row? None negative; the exact total where one was asked."""

    def __call__(self, train: Any, key: int) -> npt.NDArray[np.int32]: ...


class TableStrategy(Protocol):
    """The same for samples. It may have `groups(train)`: rows -> int64 (rows,), the group that it fills up: a row that
    a generator makes is then of the group of the row that it stands for."""

    def __call__(self, train: Samples, key: int) -> npt.NDArray[np.int32]: ...


class Schedule(Protocol):
    """Training progress in 0..1 to strength in 0..1."""

    def __call__(self, progress: float) -> float: ...


@dataclass(frozen=True)
class Signals:
    """What a look says of one stratum of the control users; losses in nats a target, dropout off.

    stratum  its name: how many events a history holds
    users    control users in it
    control, probe  mean loss of control users, who are not learned from, and of as many who are
    gap      control - probe
    target   the gap where the un-augmented pilot did best on control; None: there was no pilot
    gap_error  standard error of gap - target, user by user: who is hard to serve is so in both; without a pilot, of gap
    slope    change of the control loss since the look before, user by user; slope_error its standard error; None:
             there was none before
    """

    stratum: str
    users: int
    control: float
    probe: float
    gap: float
    gap_error: float
    target: float | None = None
    slope: float | None = None
    slope_error: float | None = None


@dataclass(frozen=True)
class Feedback:
    """All that a controller is told at a look: control users and a training probe, nothing of valid or test.

    step, progress  where training stands; until: progress at which it is asked again
    strata   by the length of histories, short ones first
    excess   control loss above the un-augmented pilot's at the same step, user by user; excess_error its standard
             error; None: the pilot did not go so far
    steps    names of the steps that it steers
    key      its draws follow from it
    """

    step: int
    progress: float
    until: float
    strata: tuple[Signals, ...]
    excess: float | None = None
    excess_error: float | None = None
    steps: tuple[str, ...] = ()
    key: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Feedback:
        """What `dataclasses.asdict` made of one, back from JSON."""
        return cls(**{**row, "strata": tuple(Signals(**one) for one in row["strata"]), "steps": tuple(row["steps"])})


@dataclass(frozen=True)
class Decision:
    """What holds from here on.

    strength  of each stratum, 0..1: a factor on the step's own strength
    share     of each stratum, 0..1: a factor on the step's own counts (copies, or p where rows are replaced)
    why       in words
    step      the one step that acts; "": all that are steered
    flag      what a reader of the report must know; "": nothing
    """

    strength: tuple[float, ...]
    share: tuple[float, ...]
    why: str
    step: str = ""
    flag: str = ""


class Controller(Protocol):
    """Feedback in, decision out; {} is the first state, and states are JSON-able. Same feedback, same decisions.

    strata       lengths at which a further stratum of histories begins
    pilot_share  how much of a training an un-augmented pilot runs before; 0: none is needed
    """

    @property
    def strata(self) -> tuple[int, ...]: ...

    @property
    def pilot_share(self) -> float: ...

    def __call__(self, feedback: Feedback, state: Mapping[str, Any]) -> tuple[Decision, Mapping[str, Any]]: ...
