"""Protocols of strategies, schedules and controllers: number of copies, strength, and adaptation during training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples


class Strategy(Protocol):
    """int32 (rows,): number of copies of each row, never negative; with an exact total where one is given."""

    def __call__(self, train: Any, key: int) -> npt.NDArray[np.int32]: ...


class TabularStrategy(Protocol):
    """Strategy of labelled rows."""

    def __call__(self, train: Samples, key: int) -> npt.NDArray[np.int32]: ...


GroupOf = Callable[[Samples], npt.NDArray[np.int64]]
"""Rows -> int64 (rows,): the group of each row."""


@runtime_checkable
class GroupedStrategy(Protocol):
    """A strategy that balances groups of rows: a generated row has the group of its source row."""

    def groups(self, train: Any) -> GroupOf | None:
        """The groups that it balances; None: no groups."""
        ...


class Schedule(Protocol):
    """Maps training progress in 0..1 to strength in 0..1."""

    def __call__(self, progress: float) -> float: ...


@dataclass(frozen=True)
class Signals:
    """Validation losses of one stratum of the control users, in nats per target, without dropout.

    stratum  its name: range of numbers of events
    users    number of control users
    control, probe  mean loss of control users, who are not in training, and of equally many training users
    gap      control - probe
    target   the gap at the pilot's best control loss; None without a pilot
    gap_error  standard error of gap - target, paired by user; without a pilot, of gap
    slope    change of the control loss since the previous validation, paired by user; slope_error its standard error;
             None at the first validation
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
    """Input of a controller at a validation: losses of control and probe users, nothing of validation or test users.

    step, progress  of training; until: progress at the next validation
    strata   by length of histories, short ones first
    excess   control loss minus that of the un-augmented pilot at the same step, paired by user; excess_error its
             standard error; None beyond the pilot's last step
    steps    names of the controlled steps
    key      rng key of the controller
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
    def from_dict(cls, row: Mapping[str, Any]) -> Feedback:
        """Feedback from the dictionary that `dataclasses.asdict` gives."""
        return cls(**{**row, "strata": tuple(Signals(**one) for one in row["strata"]), "steps": tuple(row["steps"])})


@dataclass(frozen=True)
class Decision:
    """Decision of a controller, which holds until the next one.

    strength  of each stratum, 0..1: a factor on the step's own strength
    share     of each stratum, 0..1: a factor on the step's own counts (copies, or p where rows are replaced)
    why       reason, as text
    step      name of the only active step; "": all controlled steps
    flag      warning for the report; "": none
    """

    strength: tuple[float, ...]
    share: tuple[float, ...]
    why: str
    step: str = ""
    flag: str = ""


ControllerState = Mapping[str, Any]
"""State of a controller between validations, JSON-able."""


class Controller(Protocol):
    """Maps feedback and state to a decision and the next state. The first state is {}; states are JSON-able.

    The same feedback gives the same decisions.

    strata       lengths at which the next stratum of histories begins
    pilot_share  share of a training that the un-augmented pilot runs; 0: no pilot
    """

    @property
    def strata(self) -> tuple[int, ...]: ...

    @property
    def pilot_share(self) -> float: ...

    def __call__(self, feedback: Feedback, state: ControllerState) -> tuple[Decision, ControllerState]: ...
