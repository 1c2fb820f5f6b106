"""How does a controller see a training, and what do its decisions mean for rows?

The loop shows losses of some users' histories or labelled rows; half of the users are control users, who are in
nobody's training rows, half a probe of those who are. Each look is one row of the log, and the log is all that rows
depend on: what holds at a progress is the last decision made by then.
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

FEWEST_USERS, MOST_USERS = 10, 2048
"""Control users of a stratum below which nothing is known of it; of all strata, above which nothing is gained."""


@dataclass(frozen=True, eq=False)
class Watched:
    """Whose losses steer.

    users    histories and what came next, or labelled rows; those of control users first
    owner    int64 (entries of `users`,): whose each is, counted from 0
    control  how many of the owners are control users; as many of the probe come behind them
    sizes    int64 (owners,): events of a history, or labelled rows of a user
    strata   as a controller's, of sizes
    size_of  rows to learn from -> int64 (rows,): the size of each one's owner
    counted  what sizes count
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
        """How each stratum calls itself, by sizes."""
        if not self.strata:
            return ("all",)
        lows, highs = (1, *self.strata), (*self.strata, None)
        return tuple(
            f"{low}+" if high is None else f"{low} to {high - 1}" for low, high in zip(lows, highs, strict=True)
        )

    def parts(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """(control users, probe users) of each stratum, as places among the owners.

        Raises DataError where a stratum has too few.
        """
        stratum = stratum_of(self.sizes, self.strata)
        found = []
        for nth, name in enumerate(self.names):
            places = np.flatnonzero(stratum == nth)
            found.append((places[places < self.control], places[places >= self.control]))
            fewest = min(map(len, found[-1]))
            if fewest < FEWEST_USERS:
                fix = "raise split.control_share, or name fewer strata"
                raise DataError(f"control users, {name} {self.counted}", f"at least {FEWEST_USERS}", str(fewest), fix)
        return found

    def of_owners(self, losses: Losses) -> Losses:
        """float64 (owners,): the mean of each one's entries; users, not their rows, are what chance draws."""
        count = len(self.sizes)
        means: Losses = np.bincount(self.owner, losses, minlength=count) / np.bincount(self.owner, minlength=count)
        return means


def stratum_of(lengths: npt.NDArray[np.int64], strata: Sequence[int]) -> npt.NDArray[np.int64]:
    """int64 (rows,): which stratum a history of so many events belongs to."""
    return np.searchsorted(np.asarray(strata, np.int64), lengths, side="right")


def watched(control: Any, train: Any, strata: tuple[int, ...], key: int) -> Watched:
    """Control users, and as many of those who are learned from; drawn by the key.

    Of histories, the last event of as many rows is asked for; of labelled rows, all those of as many users.

    Raises DataError without control users, or with too few.
    """
    if control is None:
        fix = "set split.control_share = 0.05"
        raise DataError("a plan that steers itself", "control users, who are kept out of training", "none", fix)
    of_rows = isinstance(train, Samples)
    found = _watched_samples(control, train, strata, key) if of_rows else _watched(control, train, strata, key)
    found.parts()
    return found


def _watched(control: HeldOut, train: Histories, strata: tuple[int, ...], key: int) -> Watched:
    control = control.take(_drawn(control.histories, control.histories.lengths > 0, key, MOST_USERS))
    probe = _last_held_out(train.take(_drawn(train, (train.lengths > 1) & (train.targets > 0), key, len(control))))
    users = _both(control, probe)
    return Watched(users, np.arange(len(users)), len(control), users.histories.lengths, _known, strata)


def _known(rows: Histories) -> npt.NDArray[np.int64]:
    """A row's last event is no part of what was known."""
    found: npt.NDArray[np.int64] = np.maximum(rows.lengths - 1, 1)
    return found


def _watched_samples(control: Samples, train: Samples, strata: tuple[int, ...], key: int) -> Watched:
    apart, (names, counts) = _drawn_users(control, key, MOST_USERS), np.unique(train.users, return_counts=True)
    probe = _drawn_users(train, key, len(apart))
    parts = [rows.take(np.isin(rows.users, of)) for rows, of in ((control, apart), (train, probe))]
    owner = np.concatenate(
        [np.searchsorted(apart, parts[0].users), len(apart) + np.searchsorted(probe, parts[1].users)]
    )

    def size_of(rows: Samples) -> npt.NDArray[np.int64]:
        place = np.minimum(np.searchsorted(names, rows.users), len(names) - 1)
        return np.where(names[place] == rows.users, counts[place], 1)

    users = parts[0].joined(parts[1:])
    return Watched(users, owner, len(apart), np.bincount(owner), size_of, strata, "labelled rows")


def _drawn_users(rows: Samples, key: int, most: int) -> npt.NDArray[np.uint64]:
    """uint64 (at most `most`,): users, sorted."""
    users = np.unique(rows.users)
    order = np.argsort(rng.row_keys(rng.key(key, "watched"), users), kind="stable")[:most]
    return np.sort(users[order])


def _drawn(rows: Histories, among: npt.NDArray[np.bool_], key: int, most: int) -> npt.NDArray[np.int64]:
    places = np.flatnonzero(among)
    order = np.argsort(rng.row_keys(rng.key(key, "watched"), rows.keys[places]), kind="stable")[:most]
    return np.sort(places[order])


def _last_held_out(rows: Histories) -> HeldOut:
    """Rows as what was known before their last event, and that event."""
    last = rows.starts[1:] - 1
    return HeldOut(
        beginnings(rows, rows.lengths - 1), rows.items[last], rows.times[last], np.arange(len(rows) + 1, dtype=np.int64)
    )


def _both(one: HeldOut, other: HeldOut) -> HeldOut:
    starts = np.concatenate([one.starts, other.starts[1:] + one.starts[-1]])
    items, times = np.concatenate([one.items, other.items]), np.concatenate([one.times, other.times])
    return HeldOut(concat([one.histories, other.histories]), items, times, starts)


class Pilot:
    """Looks on at an un-augmented training up to a share of it, and keeps every user's loss at every look."""

    def __init__(self, watched: Watched, share: float) -> None:
        self.watched, self.share = watched, share
        self.steps: list[int] = []
        self.losses: list[list[float]] = []  # looks × users

    @property
    def users(self) -> HeldOut | Samples:
        """Whose loss it wants to see."""
        return self.watched.users

    def look(self, step: int, progress: float, losses: Losses) -> Say:
        """Keeps them; stops the training once its share is done."""
        self.steps.append(step)
        self.losses.append(self.watched.of_owners(losses).tolist())
        return "stop" if progress >= self.share - 1e-9 else "go on"

    def memory(self) -> dict[str, Any]:
        """All looks so far."""
        return {"steps": self.steps, "losses": self.losses}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """The looks that another one kept."""
        self.steps, self.losses = list(memory["steps"]), list(memory["losses"])

    def best(self, control: npt.NDArray[np.int64]) -> Losses:
        """float64 (users,): losses at the look where these control users were served best."""
        looks = np.asarray(self.losses)
        found: Losses = looks[int(looks[:, control].mean(axis=1).argmin())]
        return found

    def at(self, step: int) -> Losses | None:
        """float64 (users,) at a step; None where it did not look then."""
        return np.asarray(self.losses[self.steps.index(step)]) if step in self.steps else None


class Steering:
    """A controller at work: looks on at a training (`Watch`), keeps the log, and says how strong steps are.

    log  one row a look: step, progress, signals (all that the controller was told), decision, why
    """

    def __init__(
        self, controller: Controller, watched: Watched, steps: tuple[str, ...], key: int, pilot: Pilot | None = None
    ) -> None:
        self.controller, self.watched, self.steps, self.key, self.pilot = controller, watched, steps, key, pilot
        self.log: list[dict[str, Any]] = []
        self._parts = watched.parts()
        self._best = [] if pilot is None else [pilot.best(control) for control, _ in self._parts]
        self._state: Mapping[str, Any] = {}
        self._before: list[float] = []  # of every user, at the look before

    @property
    def users(self) -> HeldOut | Samples:
        """Whose loss it wants to see."""
        return self.watched.users

    def look(self, step: int, progress: float, losses: Losses) -> Say:
        """One decision; fresh rows where it changes something."""
        losses = self.watched.of_owners(losses)
        feedback = self._feedback(step, progress, losses)
        before = self.at(progress)
        decision, self._state = self.controller(feedback, self._state)
        self._before = losses.tolist()
        row = {"step": step, "progress": progress, "signals": asdict(feedback)}
        self.log.append(row | {"decision": asdict(decision), "why": decision.why})
        return "go on" if _acting(before) == _acting(decision) else "fresh rows"

    def at(self, progress: float) -> Decision | None:
        """What holds at a progress; None: nothing was decided yet, and nothing is augmented."""
        made = [row["decision"] for row in self.log if row["progress"] <= progress]
        if not made:
            return None
        strength, share = tuple(made[-1]["strength"]), tuple(made[-1]["share"])
        return Decision(**{**made[-1], "strength": strength, "share": share})

    def dose(self, step: Step, rows: Any, progress: float) -> tuple[Doses, Doses]:
        """(strength, share of the counts) of each row, float32 (rows,)."""
        decision = self.at(progress)
        if decision is None or decision.step not in ("", step.called):
            return np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
        stratum = stratum_of(self.watched.size_of(rows), self.watched.strata)
        own = float(step.strength(progress))
        strength = np.asarray([own * level for level in decision.strength], np.float32)
        return strength[stratum], np.asarray(decision.share, np.float32)[stratum]

    def memory(self) -> dict[str, Any]:
        """The log, the controller's state, and the losses that slopes are counted from."""
        return {"log": self.log, "state": dict(self._state), "before": self._before}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Back to what `memory` said."""
        self.log, self._state, self._before = list(memory["log"]), memory["state"], list(memory["before"])

    def _feedback(self, step: int, progress: float, losses: Losses) -> Feedback:
        since = progress - (self.log[-1]["progress"] if self.log else 0.0)
        strata = tuple(self._signals(nth, losses) for nth in range(len(self._parts)))
        then = None if self.pilot is None else self.pilot.at(step)
        excess, error = (
            (None, None) if then is None else _mean(losses[: self.watched.control] - then[: self.watched.control])
        )
        return Feedback(step, progress, min(progress + since, 1.0), strata, excess, error, self.steps, self.key)

    def _signals(self, nth: int, losses: Losses) -> Signals:
        control, probe = self._parts[nth]
        best = self._best[nth] if self._best else np.zeros_like(losses)
        target = float(best[control].mean() - best[probe].mean()) if self._best else None
        error = float(np.hypot(_mean(losses[control] - best[control])[1], _mean(losses[probe] - best[probe])[1]))
        before = np.asarray(self._before)
        slope, slope_error = _mean(losses[control] - before[control]) if self._before else (None, None)
        of_control, of_probe = float(losses[control].mean()), float(losses[probe].mean())
        seen = (len(control), of_control, of_probe, of_control - of_probe, error)
        return Signals(self.watched.names[nth], *seen, target, slope, slope_error)


def _mean(values: Losses) -> tuple[float, float]:
    """(mean, its standard error)."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _acting(decision: Decision | None) -> tuple[Any, ...]:
    """What of a decision rows depend on; nothing, as long as nothing is augmented."""
    if decision is None or not any(decision.share):
        return ()
    return decision.strength, decision.share, decision.step
