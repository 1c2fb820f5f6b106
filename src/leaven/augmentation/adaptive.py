"""Controllers during training: monitored users, the un-augmented pilot, and the log of decisions.

The training loop passes losses of monitored users: half are control users, who are in no training rows, half a probe of
training users. Each validation adds one entry to the log, and rows depend on the log alone: at any progress, the last
decision up to there holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.plan import Step
from leaven.datasets.histories import HeldOut, Histories, beginnings, concat
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.protocols import Controller, Decision, Feedback, Say, Signals

Losses = npt.NDArray[np.float64]
Doses = npt.NDArray[np.float32]

_MIN_USERS, _MAX_USERS = 10, 2048
"""Minimum of control users in a stratum, and maximum over all strata, above which estimates hardly improve."""


@dataclass(frozen=True, eq=False)
class Watched:
    """Control and probe users whose losses a controller receives.

    users    histories with targets, or labelled rows; those of control users first
    owner    int64 (rows of `users`,): index of each row's user
    control  number of control users; equally many probe users follow
    sizes    int64 (users,): events of a history, or labelled rows of a user
    strata   the controller's strata of sizes
    size_of  training rows -> int64 (rows,): size of each row's user
    counted  unit of sizes
    """

    users: HeldOut | Samples
    owner: npt.NDArray[np.int64]
    control: int
    sizes: npt.NDArray[np.int64]
    size_of: Callable[[Any], npt.NDArray[np.int64]]
    strata: tuple[int, ...] = ()
    counted: str = "events"

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each stratum: its range of sizes."""
        if not self.strata:
            return ("all",)
        lows, highs = (1, *self.strata), (*self.strata, None)
        return tuple(
            f"{low}+" if high is None else f"{low} to {high - 1}" for low, high in zip(lows, highs, strict=True)
        )

    def parts(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """(indices of control users, indices of probe users) of each stratum.

        Raises DataError where a stratum has too few users.
        """
        stratum = assign_strata(self.sizes, self.strata)
        parts = []
        for nth, name in enumerate(self.names):
            index = np.flatnonzero(stratum == nth)
            parts.append((index[index < self.control], index[index >= self.control]))
            smallest = min(map(len, parts[-1]))
            if smallest < _MIN_USERS:
                fix = "raise split.control_share, or name fewer strata"
                raise DataError(f"control users, {name} {self.counted}", f"at least {_MIN_USERS}", str(smallest), fix)
        return parts

    def of_owners(self, losses: Losses) -> Losses:
        """float64 (users,): mean loss of each user's rows; users are the unit of sampling."""
        count = len(self.sizes)
        means: Losses = np.bincount(self.owner, losses, minlength=count) / np.bincount(self.owner, minlength=count)
        return means


def assign_strata(lengths: npt.NDArray[np.int64], strata: Sequence[int]) -> npt.NDArray[np.int64]:
    """int64 (rows,): stratum of each length."""
    return np.searchsorted(np.asarray(strata, np.int64), lengths, side="right")


def watched(control: Any, train: Any, strata: tuple[int, ...], key: int) -> Watched:
    """Control users and equally many training users, drawn by the key.

    Of histories the last event is the target; of labelled rows all rows of a user count.

    Raises DataError without control users, or with too few.
    """
    if control is None:
        fix = "set split.control_share = 0.05"
        raise DataError("a conditional plan", "control users, who are kept out of training", "none", fix)
    select = _select_samples if isinstance(train, Samples) else _select_histories
    monitored = select(control, train, strata, key)
    monitored.parts()
    return monitored


def _select_histories(control: HeldOut, train: Histories, strata: tuple[int, ...], key: int) -> Watched:
    control = control.take(_draw_rows(control.histories, control.histories.lengths > 0, key, _MAX_USERS))
    probe = _hold_out_last(train.take(_draw_rows(train, (train.lengths > 1) & (train.targets > 0), key, len(control))))
    users = _concat_held_out(control, probe)
    return Watched(users, np.arange(len(users)), len(control), users.histories.lengths, _count_known, strata)


def _count_known(rows: Histories) -> npt.NDArray[np.int64]:
    """int64 (rows,): events of each row without the last one, the target."""
    counts: npt.NDArray[np.int64] = np.maximum(rows.lengths - 1, 1)
    return counts


def _select_samples(control: Samples, train: Samples, strata: tuple[int, ...], key: int) -> Watched:
    held_out, (names, counts) = _draw_users(control, key, _MAX_USERS), np.unique(train.users, return_counts=True)
    probe = _draw_users(train, key, len(held_out))
    parts = [rows.take(np.isin(rows.users, of)) for rows, of in ((control, held_out), (train, probe))]
    owner = np.concatenate(
        [np.searchsorted(held_out, parts[0].users), len(held_out) + np.searchsorted(probe, parts[1].users)]
    )

    def get_sizes(rows: Samples) -> npt.NDArray[np.int64]:
        index = np.minimum(np.searchsorted(names, rows.users), len(names) - 1)
        return np.where(names[index] == rows.users, counts[index], 1)

    users = parts[0].joined(parts[1:])
    return Watched(users, owner, len(held_out), np.bincount(owner), get_sizes, strata, "labelled rows")


def _draw_users(rows: Samples, key: int, max_users: int) -> npt.NDArray[np.uint64]:
    """uint64 (at most `max_users`,): users, sorted."""
    users = np.unique(rows.users)
    order = np.argsort(rng.row_keys(rng.key(key, "watched"), users), kind="stable")[:max_users]
    return np.sort(users[order])


def _draw_rows(rows: Histories, among: npt.NDArray[np.bool_], key: int, max_rows: int) -> npt.NDArray[np.int64]:
    index = np.flatnonzero(among)
    order = np.argsort(rng.row_keys(rng.key(key, "watched"), rows.keys[index]), kind="stable")[:max_rows]
    return np.sort(index[order])


def _hold_out_last(rows: Histories) -> HeldOut:
    """Histories without their last event, and that event as the target."""
    last = rows.starts[1:] - 1
    return HeldOut(
        beginnings(rows, rows.lengths - 1), rows.items[last], rows.times[last], np.arange(len(rows) + 1, dtype=np.int64)
    )


def _concat_held_out(one: HeldOut, other: HeldOut) -> HeldOut:
    starts = np.concatenate([one.starts, other.starts[1:] + one.starts[-1]])
    items, times = np.concatenate([one.items, other.items]), np.concatenate([one.times, other.times])
    return HeldOut(concat([one.histories, other.histories]), items, times, starts)


class Pilot:
    """Callback of an un-augmented training up to a share of its steps; records every user's loss."""

    def __init__(self, watched: Watched, share: float) -> None:
        self.watched, self.share = watched, share
        self.steps: list[int] = []
        self.losses: list[list[float]] = []  # (validations, users)

    @property
    def users(self) -> HeldOut | Samples:
        """Rows whose losses `look` receives."""
        return self.watched.users

    def look(self, step: int, progress: float, losses: Losses) -> Say:
        """Record the losses; stop the training once its share is done."""
        self.steps.append(step)
        self.losses.append(self.watched.of_owners(losses).tolist())
        return Say.STOP if progress >= self.share - 1e-9 else Say.CONTINUE

    def memory(self) -> dict[str, Any]:
        """All losses so far."""
        return {"steps": self.steps, "losses": self.losses}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Restore the state of `memory`."""
        self.steps, self.losses = list(memory["steps"]), list(memory["losses"])

    def best(self, control: npt.NDArray[np.int64]) -> Losses:
        """float64 (users,): losses at the validation with the lowest mean loss of these control users."""
        losses = np.asarray(self.losses)
        lowest: Losses = losses[int(losses[:, control].mean(axis=1).argmin())]
        return lowest

    def at(self, step: int) -> Losses | None:
        """float64 (users,): losses at a step; None without a validation there."""
        return np.asarray(self.losses[self.steps.index(step)]) if step in self.steps else None


class Steering:
    """Callback that runs a controller during training, and gives the strength of steps.

    log  one entry per validation: step, progress, signals (the controller's input), decision, why
    """

    def __init__(
        self, controller: Controller, watched: Watched, steps: tuple[str, ...], key: int, pilot: Pilot | None = None
    ) -> None:
        self.controller, self.watched, self.steps, self.key, self.pilot = controller, watched, steps, key, pilot
        self.log: list[dict[str, Any]] = []
        self._parts = watched.parts()
        self._best = [] if pilot is None else [pilot.best(control) for control, _ in self._parts]
        self._state: Mapping[str, Any] = {}
        self._before: list[float] = []  # of every user, at the previous validation

    @property
    def users(self) -> HeldOut | Samples:
        """Rows whose losses `look` receives."""
        return self.watched.users

    def look(self, step: int, progress: float, losses: Losses) -> Say:
        """Make one decision; ask for fresh rows where it changes something."""
        losses = self.watched.of_owners(losses)
        feedback = self._build_feedback(step, progress, losses)
        before = self.at(progress)
        decision, self._state = self.controller(feedback, self._state)
        self._before = losses.tolist()
        row = {"step": step, "progress": progress, "signals": asdict(feedback)}
        self.log.append(row | {"decision": asdict(decision), "why": decision.why})
        is_same = _get_effect(before) == _get_effect(decision)
        return Say.CONTINUE if is_same else Say.NEW_EPOCH

    def at(self, progress: float) -> Decision | None:
        """Decision that holds at a progress; None before the first one, when nothing is augmented."""
        decisions = [row["decision"] for row in self.log if row["progress"] <= progress]
        if not decisions:
            return None
        strength, share = tuple(decisions[-1]["strength"]), tuple(decisions[-1]["share"])
        return Decision(**{**decisions[-1], "strength": strength, "share": share})

    def dose(self, step: Step, rows: Any, progress: float) -> tuple[Doses, Doses]:
        """(strength, share of the counts) of each row, both float32 (rows,)."""
        decision = self.at(progress)
        if decision is None or decision.step not in ("", step.called):
            return np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
        stratum = assign_strata(self.watched.size_of(rows), self.watched.strata)
        own = float(step.strength(progress))
        strength = np.asarray([own * level for level in decision.strength], np.float32)
        return strength[stratum], np.asarray(decision.share, np.float32)[stratum]

    def memory(self) -> dict[str, Any]:
        """The log, the controller's state, and the losses from which slopes are computed."""
        return {"log": self.log, "state": dict(self._state), "before": self._before}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Restore the state of `memory`."""
        self.log, self._state, self._before = list(memory["log"]), memory["state"], list(memory["before"])

    def _build_feedback(self, step: int, progress: float, losses: Losses) -> Feedback:
        since = progress - (self.log[-1]["progress"] if self.log else 0.0)
        strata = tuple(self._build_signals(nth, losses) for nth in range(len(self._parts)))
        then = None if self.pilot is None else self.pilot.at(step)
        excess, error = (
            (None, None)
            if then is None
            else _estimate_mean(losses[: self.watched.control] - then[: self.watched.control])
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
            stratum=self.watched.names[nth],
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


def _get_effect(decision: Decision | None) -> tuple[Any, ...]:
    """The parts of a decision that rows depend on; () while nothing is augmented."""
    if decision is None or not any(decision.share):
        return ()
    return decision.strength, decision.share, decision.step
