"""Controllers during training: monitored users, the un-augmented pilot, and the log of decisions.

The training loop passes losses of monitored users: half are control users, who are in no training rows, half a probe of
training users. Each validation adds one entry to the log, and rows depend on the log alone: at any progress, the last
decision up to there holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.plan import Step
from leaven.datasets.histories import HeldOut, Histories, concat_histories, take_prefixes
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.protocols import (
    CallbackAction,
    CallbackState,
    Controller,
    ControllerState,
    Decision,
    Feedback,
    Rows,
    Signals,
)

DecisionLog = list[dict[str, Any]]
"""One entry per validation, JSON-able: step, progress, signals (the controller's input), decision, why."""
Losses = npt.NDArray[np.float64]
Doses = npt.NDArray[np.float32]

_MIN_USERS, _MAX_USERS = 10, 2048
"""Minimum of control users in a stratum, and maximum over all strata, above which estimates hardly improve."""


@dataclass(frozen=True, eq=False)
class MonitoredUsers:
    """Control and probe users whose losses a controller receives.

    rows        histories with targets, or labelled rows; those of control users first
    row_user    int64 (rows of `rows`,): index of each row's user
    n_control   number of control users; equally many probe users follow
    user_sizes  int64 (users,): events of a history, or labelled rows of a user
    strata      the controller's strata of sizes
    get_sizes   training rows -> int64 (rows,): size of each row's user
    size_unit   unit of sizes
    """

    rows: HeldOut | Samples
    row_user: npt.NDArray[np.int64]
    n_control: int
    user_sizes: npt.NDArray[np.int64]
    get_sizes: Callable[[Any], npt.NDArray[np.int64]]
    strata: tuple[int, ...] = ()
    size_unit: str = "events"

    @property
    def stratum_names(self) -> tuple[str, ...]:
        """Name of each stratum: its range of sizes."""
        if not self.strata:
            return ("all",)
        lows, highs = (1, *self.strata), (*self.strata, None)
        return tuple(
            f"{low}+" if high is None else f"{low} to {high - 1}" for low, high in zip(lows, highs, strict=True)
        )

    def split_by_stratum(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """(indices of control users, indices of probe users) of each stratum.

        Raises DataError where a stratum has too few users.
        """
        stratum = assign_strata(self.user_sizes, self.strata)
        parts = []
        for nth, name in enumerate(self.stratum_names):
            index = np.flatnonzero(stratum == nth)
            parts.append((index[index < self.n_control], index[index >= self.n_control]))
            smallest = min(map(len, parts[-1]))
            if smallest < _MIN_USERS:
                fix = "raise split.control_share, or name fewer strata"
                raise DataError(f"control users, {name} {self.size_unit}", f"at least {_MIN_USERS}", str(smallest), fix)
        return parts

    def average_per_user(self, losses: Losses) -> Losses:
        """float64 (users,): mean loss of each user's rows; users are the unit of sampling."""
        count = len(self.user_sizes)
        means: Losses = np.bincount(self.row_user, losses, minlength=count) / np.bincount(
            self.row_user, minlength=count
        )
        return means


def assign_strata(lengths: npt.NDArray[np.int64], strata: Sequence[int]) -> npt.NDArray[np.int64]:
    """int64 (rows,): stratum of each length."""
    return np.searchsorted(np.asarray(strata, np.int64), lengths, side="right")


def select_monitored_users(
    control: HeldOut | Samples | None, train: Histories | Samples, strata: tuple[int, ...], key: int
) -> MonitoredUsers:
    """Control users and equally many training users, drawn by the key.

    Of histories the last event is the target; of labelled rows all rows of a user count.

    Raises DataError without control users, or with too few.
    """
    if control is None:
        fix = "set split.control_share = 0.05"
        raise DataError("a conditional plan", "control users, who are kept out of training", "none", fix)
    if isinstance(train, Samples):
        assert isinstance(control, Samples)
        monitored = _select_samples(control, train, strata, key)
    else:
        assert isinstance(control, HeldOut)
        monitored = _select_histories(control, train, strata, key)
    monitored.split_by_stratum()
    return monitored


def _select_histories(control: HeldOut, train: Histories, strata: tuple[int, ...], key: int) -> MonitoredUsers:
    control = control.take(_draw_rows(control.histories, control.histories.lengths > 0, key, _MAX_USERS))
    rows = train.take(_draw_rows(train, (train.lengths > 1) & (train.n_targets > 0), key, len(control)))
    last = rows.starts[1:] - 1
    probe = HeldOut(
        take_prefixes(rows, rows.lengths - 1),
        rows.items[last],
        rows.times[last],
        np.arange(len(rows) + 1, dtype=np.int64),
    )
    starts = np.concatenate([control.target_starts, probe.target_starts[1:] + control.target_starts[-1]])
    items, times = (
        np.concatenate([control.target_items, probe.target_items]),
        np.concatenate([control.target_times, probe.target_times]),
    )
    users = HeldOut(concat_histories([control.histories, probe.histories]), items, times, starts)
    return MonitoredUsers(users, np.arange(len(users)), len(control), users.histories.lengths, _count_known, strata)


def _count_known(rows: Histories) -> npt.NDArray[np.int64]:
    """int64 (rows,): events of each row without the last one, the target."""
    counts: npt.NDArray[np.int64] = np.maximum(rows.lengths - 1, 1)
    return counts


def _select_samples(control: Samples, train: Samples, strata: tuple[int, ...], key: int) -> MonitoredUsers:
    held_out, (names, counts) = _draw_users(control, key, _MAX_USERS), np.unique(train.user_ids, return_counts=True)
    probe = _draw_users(train, key, len(held_out))
    parts = [rows.take(np.isin(rows.user_ids, of)) for rows, of in ((control, held_out), (train, probe))]
    owner = np.concatenate(
        [np.searchsorted(held_out, parts[0].user_ids), len(held_out) + np.searchsorted(probe, parts[1].user_ids)]
    )

    def get_sizes(rows: Samples) -> npt.NDArray[np.int64]:
        index = np.minimum(np.searchsorted(names, rows.user_ids), len(names) - 1)
        return np.where(names[index] == rows.user_ids, counts[index], 1)

    users = parts[0].concat_with(parts[1:])
    return MonitoredUsers(users, owner, len(held_out), np.bincount(owner), get_sizes, strata, "labelled rows")


def _draw_users(rows: Samples, key: int, max_users: int) -> npt.NDArray[np.uint64]:
    """uint64 (at most `max_users`,): users, sorted."""
    users = np.unique(rows.user_ids)
    order = np.argsort(rng.derive_row_keys(rng.derive_key(key, "watched"), users), kind="stable")[:max_users]
    return np.sort(users[order])


def _draw_rows(rows: Histories, among: npt.NDArray[np.bool_], key: int, max_rows: int) -> npt.NDArray[np.int64]:
    index = np.flatnonzero(among)
    order = np.argsort(rng.derive_row_keys(rng.derive_key(key, "watched"), rows.row_ids[index]), kind="stable")[
        :max_rows
    ]
    return np.sort(index[order])


class PilotCallback:
    """Callback of an un-augmented training up to a share of its steps; records every user's loss."""

    def __init__(self, monitored: MonitoredUsers, share: float) -> None:
        self.monitored, self.share = monitored, share
        self.steps: list[int] = []
        self.losses: list[list[float]] = []  # (validations, users)

    @property
    def validation_rows(self) -> HeldOut | Samples:
        """Rows whose losses `on_validation` receives."""
        return self.monitored.rows

    def on_validation(self, step: int, progress: float, losses: Losses) -> CallbackAction:
        """Record the losses; stop the training once its share is done."""
        self.steps.append(step)
        self.losses.append(self.monitored.average_per_user(losses).tolist())
        return CallbackAction.STOP if progress >= self.share - 1e-9 else CallbackAction.CONTINUE

    def state_dict(self) -> CallbackState:
        """All losses so far."""
        return {"steps": self.steps, "losses": self.losses}

    def load_state_dict(self, state: CallbackState) -> None:
        """Restore the state that `state_dict` gave."""
        self.steps, self.losses = list(state["steps"]), list(state["losses"])

    def best_losses(self, control: npt.NDArray[np.int64]) -> Losses:
        """float64 (users,): losses at the validation with the lowest mean loss of these control users."""
        losses = np.asarray(self.losses)
        lowest: Losses = losses[int(losses[:, control].mean(axis=1).argmin())]
        return lowest

    def losses_at(self, step: int) -> Losses | None:
        """float64 (users,): losses at a step; None without a validation there."""
        return np.asarray(self.losses[self.steps.index(step)]) if step in self.steps else None


class ControllerCallback:
    """Callback that runs a controller during training, and gives the strength of steps.

    log  its decisions so far
    """

    def __init__(
        self,
        controller: Controller,
        monitored: MonitoredUsers,
        steps: tuple[str, ...],
        key: int,
        pilot: PilotCallback | None = None,
    ) -> None:
        self.controller, self.monitored, self.steps, self.key, self.pilot = controller, monitored, steps, key, pilot
        self.log: DecisionLog = []
        self._parts = monitored.split_by_stratum()
        self._best = [] if pilot is None else [pilot.best_losses(control) for control, _ in self._parts]
        self._state: ControllerState = {}
        self._before: list[float] = []  # of every user, at the previous validation

    @property
    def validation_rows(self) -> HeldOut | Samples:
        """Rows whose losses `on_validation` receives."""
        return self.monitored.rows

    def on_validation(self, step: int, progress: float, losses: Losses) -> CallbackAction:
        """Make one decision; ask for fresh rows where it changes something."""
        losses = self.monitored.average_per_user(losses)
        feedback = self._build_feedback(step, progress, losses)
        before = self.decision_at(progress)
        decision, self._state = self.controller(feedback, self._state)
        self._before = losses.tolist()
        row = {"step": step, "progress": progress, "signals": asdict(feedback)}
        self.log.append(row | {"decision": asdict(decision), "why": decision.why})
        is_same = _get_effect(before) == _get_effect(decision)
        return CallbackAction.CONTINUE if is_same else CallbackAction.NEW_EPOCH

    def decision_at(self, progress: float) -> Decision | None:
        """Decision that holds at a progress; None before the first one, when nothing is augmented."""
        decisions = [row["decision"] for row in self.log if row["progress"] <= progress]
        if not decisions:
            return None
        strength, share = tuple(decisions[-1]["strength"]), tuple(decisions[-1]["share"])
        return Decision(**{**decisions[-1], "strength": strength, "share": share})

    def compute_dose(self, step: Step, rows: Rows, progress: float) -> tuple[Doses, Doses]:
        """(strength, share of the counts) of each row, both float32 (rows,)."""
        decision = self.decision_at(progress)
        if decision is None or decision.step not in ("", step.display_name):
            return np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
        stratum = assign_strata(self.monitored.get_sizes(rows), self.monitored.strata)
        own = float(step.strength(progress))
        strength = np.asarray([own * level for level in decision.strength], np.float32)
        return strength[stratum], np.asarray(decision.share, np.float32)[stratum]

    def state_dict(self) -> CallbackState:
        """The log, the controller's state, and the losses from which slopes are computed."""
        return {"log": self.log, "state": dict(self._state), "before": self._before}

    def load_state_dict(self, state: CallbackState) -> None:
        """Restore the state that `state_dict` gave."""
        self.log, self._state, self._before = list(state["log"]), state["state"], list(state["before"])

    def _build_feedback(self, step: int, progress: float, losses: Losses) -> Feedback:
        since = progress - (self.log[-1]["progress"] if self.log else 0.0)
        strata = tuple(self._build_signals(nth, losses) for nth in range(len(self._parts)))
        then = None if self.pilot is None else self.pilot.losses_at(step)
        excess, error = (
            (None, None)
            if then is None
            else _estimate_mean(losses[: self.monitored.n_control] - then[: self.monitored.n_control])
        )
        return Feedback(step, progress, min(progress + since, 1.0), strata, excess, error, self.steps, self.key)

    def _build_signals(self, nth: int, losses: Losses) -> Signals:
        control, probe = self._parts[nth]
        best = self._best[nth] if self._best else np.zeros_like(losses)
        target = float(best[control].mean() - best[probe].mean()) if self._best else None
        error = float(
            np.hypot(_estimate_mean(losses[control] - best[control])[1], _estimate_mean(losses[probe] - best[probe])[1])
        )
        before = np.asarray(self._before)
        slope, slope_error = _estimate_mean(losses[control] - before[control]) if self._before else (None, None)
        control_loss, probe_loss = float(losses[control].mean()), float(losses[probe].mean())
        return Signals(
            stratum=self.monitored.stratum_names[nth],
            users=len(control),
            control=control_loss,
            probe=probe_loss,
            gap=control_loss - probe_loss,
            gap_error=error,
            target=target,
            slope=slope,
            slope_error=slope_error,
        )


def _estimate_mean(values: Losses) -> tuple[float, float]:
    """(mean, its standard error)."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _get_effect(decision: Decision | None) -> tuple[object, ...]:
    """The parts of a decision that rows depend on; () while nothing is augmented."""
    if decision is None or not any(decision.share):
        return ()
    return decision.strength, decision.share, decision.step
