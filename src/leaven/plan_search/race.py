"""A paired race: successive halving of candidates over the same users and seeds.

All candidates start with little effort, are compared with the leader user by user on validation, and leave when they
are behind with confidence or when better ones need their time (Jamieson and Talwalkar, "Non-stochastic best arm
identification and hyperparameter optimization", AISTATS 2016, algorithm 1). Where we differ: comparisons are paired per
user and count the noise of training, the baseline and the control with duplicated rows never leave, and the numeric
settings of the leaders are tuned within the same race.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from leaven.errors import DataError, SpecError
from leaven.plan_search.budget import TimeBudget
from leaven.plan_search.candidates import Candidate, Rung, Score, Values
from leaven.progress import ProgressCallback, no_progress
from leaven.stats.resampling_tests import estimate_training_noise

DROP_Z = 1.645
"""A candidate leaves where it is behind the leader by more than this many standard errors (one-sided 5 %)."""
CHOICE_Z = 0.84
"""A candidate is chosen where it is ahead of the baseline by more than this many standard errors (one-sided 20 %): the
test users, not the race, protect against chance.
"""
HARM_Z = 1.96
"""A candidate is harmful if its 95 % interval is below the baseline."""
MAX_FINALISTS = 2
"""Candidates that are trained with all seeds."""


class Scorer(Protocol):
    """Trains candidates and scores them on validation users."""

    def score(self, candidate: Candidate, seed: int, fraction: float) -> Score:
        """Score of one training. Raises any error of the candidate."""
        ...

    def estimate_seconds(self, candidate: Candidate, fraction: float) -> float:
        """Expected seconds of one training; 0 where it is stored."""
        ...

    def is_deterministic(self, candidate: Candidate) -> bool:
        """Whether neither seed nor effort changes its score."""
        ...


@dataclass(frozen=True)
class RaceConfig:
    """Settings of a race.

    rungs        effort of each round, ascending
    keep_share   share of the candidates that at most enters the next round
    n_tuned      settings tried for each of the two leaders that can be tuned; 0: none
    n_combined   leaders of which all pairs are tried together; below 2: none
    """

    rungs: tuple[Rung, ...] = (Rung(0.1, 1), Rung(0.3, 1), Rung(1.0, 1), Rung(1.0, 3))
    keep_share: float = 1 / 3
    n_tuned: int = 6
    n_combined: int = 3

    def __post_init__(self) -> None:
        if not self.rungs:
            raise SpecError("race.rungs", "at least one round", "none")
        if not 0 < self.keep_share <= 1:
            raise SpecError("race.keep_share", "a share above 0, at most 1", str(self.keep_share))


@dataclass(frozen=True)
class Standing:
    """State of a candidate after a round.

    rung         number of the round, from 1
    mean         of the metric over seeds and users
    lift         relative to the baseline at the same effort
    low, high    95 % interval of the lift
    status       "leads", "stays", "leaves", "harms", "baseline", "control", "no time" or "failed"
    note         why it left; "" where it stays
    """

    name: str
    rung: int
    fraction: float
    n_seeds: int
    seconds: float
    mean: float
    lift: float
    low: float
    high: float
    status: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class RaceResult:
    """Result of a race. chosen: the candidate to confirm; None: none is ahead of the baseline with any confidence."""

    chosen: Candidate | None
    standings: Sequence[Standing]
    candidates: Mapping[str, Candidate]


@dataclass(eq=False)
class Race:
    """Runs a race.

    baseline  never leaves; all lifts are relative to it
    control   the baseline on duplicated rows; never leaves and cannot be chosen. None: no control
    """

    scorer: Scorer
    baseline: Candidate
    control: Candidate | None
    config: RaceConfig
    budget: TimeBudget
    seed: int = 0
    on_progress: ProgressCallback = no_progress
    standings: list[Standing] = field(default_factory=list)
    scores: dict[tuple[str, int, float], Score] = field(default_factory=dict)
    known: dict[str, Candidate] = field(default_factory=dict)

    def run(self, candidates: Sequence[Candidate]) -> RaceResult:
        """Run all rounds.

        Raises DataError where the baseline cannot be trained, with its error as the cause.
        """
        alive = list(candidates)
        self.known = {one.name: one for one in (self.baseline, *([self.control] if self.control else []), *alive)}
        if len(self.known) != len(alive) + 1 + (self.control is not None):
            raise SpecError("candidates", "unique names", str(sorted(one.name for one in alive)))
        n_rungs = len(self.config.rungs)
        for number, rung in enumerate(self.config.rungs, 1):
            is_last = number == n_rungs
            alive = self._run_rung(number, rung, alive, is_last)
            if number == max(1, n_rungs - 1):  # before further seeds are spent
                alive = self._extend(number, rung, alive)
                alive = alive if is_last else self._sort(alive, rung)[:MAX_FINALISTS]
        return RaceResult(self._choose(self.config.rungs[-1], alive), self.standings, self.known)

    def _extend(self, number: int, rung: Rung, alive: list[Candidate]) -> list[Candidate]:
        """Candidates with those that tuning and combining add.

        Combined are the best of this round, also those that leave it: what is behind the leader may still add to it.
        """
        alive = [*alive, *self._tune(number, rung, alive)]
        ahead = [one for one in self._list_trained(rung) if self._is_ahead(one, rung, CHOICE_Z)]
        leaders = self._sort(ahead, rung)[: self.config.n_combined]
        pairs = [
            both
            for index, one in enumerate(leaders)
            for other in leaders[index + 1 :]
            if one.recipe != other.recipe and (both := one.combine(other, self.baseline.recommender)) is not None
        ]
        return [*alive, *self._add(number, rung, pairs)]

    def _list_trained(self, rung: Rung) -> list[Candidate]:
        """Candidates with scores at the effort of a round."""
        names = {self.baseline.name, self.control.name if self.control is not None else ""}
        candidates = [one for name, one in self.known.items() if name not in names]
        return [one for one in candidates if all(key in self.scores for key in self._list_keys(one, rung))]

    def _list_keys(self, candidate: Candidate, rung: Rung) -> list[tuple[str, int, float]]:
        seeds, fraction = self._effort(candidate, rung)
        return [(candidate.name, seed, fraction) for seed in range(seeds)]

    def _add(self, number: int, rung: Rung, new: Sequence[Candidate]) -> list[Candidate]:
        """Those of the new candidates that could be trained."""
        fresh = [one for one in new if one.name not in self.known]
        self.known |= {one.name: one for one in fresh}
        added = []
        for one in fresh:
            note = self._train(one, rung)
            self._record(number, rung, one, _name_status(note) or "stays", note)
            added += [] if note else [one]
        return added

    def _tune(self, number: int, rung: Rung, alive: list[Candidate]) -> list[Candidate]:
        """The best settings of the leaders that can be tuned."""
        leaders = [one for one in self._sort(alive, rung) if one.build is not None and one.space][:2]
        if not leaders or not self.config.n_tuned:
            return []
        from leaven.plan_search.tuning import SettingsSampler

        best: list[Candidate] = []
        for leader in leaders:
            sampler = SettingsSampler(leader.space, self.seed)
            tried: list[Candidate] = []
            for _ in range(self.config.n_tuned):
                assert leader.build is not None
                if not self.budget.allows(self.scorer.estimate_seconds(leader, rung.fraction)):
                    break
                candidate = leader.build(sampler.ask())
                added = self._add(number, rung, [candidate])
                sampler.tell(self._mean(candidate, rung) if added else None)
                tried += added
            best += self._sort(tried, rung)[:1]
        return best

    def _run_rung(self, number: int, rung: Rung, alive: list[Candidate], is_last: bool) -> list[Candidate]:
        """Train all candidates that are left, and return those that stay."""
        if note := self._train(self.baseline, rung):
            raise DataError("the baseline", "a recommender that can be trained on this log", note)
        self._record(number, rung, self.baseline, "baseline", "")
        if self.control is not None:
            note = self._train(self.control, rung)
            self._record(number, rung, self.control, _name_status(note) or "control", note)
        trained = []
        for one in alive:
            used, total = round(self.budget.used), round(self.budget.total)
            self.on_progress(min(used, total), total, f"round {number} of {len(self.config.rungs)}: {one.name}")
            note = self._train(one, rung)
            if note:
                self._record(number, rung, one, _name_status(note), note)
            else:
                trained.append(one)
        return self._select(number, rung, trained, is_last)

    def _select(self, number: int, rung: Rung, trained: list[Candidate], is_last: bool) -> list[Candidate]:
        """Those that are not behind the leader with confidence, and at most the share that is kept."""
        ordered = self._sort(trained, rung)
        leader = ordered[0] if ordered and self._is_ahead(ordered[0], rung, 0.0) else self.baseline
        quota = len(ordered) if is_last else max(2, math.ceil(self.config.keep_share * len(ordered)))
        staying = []
        for place, one in enumerate(ordered):
            difference, error = self._compare(one, leader, rung)
            note = ""
            if one is not leader and difference + DROP_Z * error < 0:
                note = "behind the leader"
            elif place >= quota:
                note = f"place {place + 1} of {len(ordered)}: its time goes to better ones"
            status = "leaves" if note else "leads" if one is leader else "stays"
            if self._is_harmful(one, rung):
                status, note = "harms", "below the baseline with confidence"
            self._record(number, rung, one, status, note)
            staying += [] if note else [one]
        return staying

    def _train(self, candidate: Candidate, rung: Rung) -> str:
        """Train with all seeds of a round; "" or why that failed."""
        seeds, fraction = self._effort(candidate, rung)
        for seed in range(seeds):
            key = (candidate.name, seed, fraction)
            if key in self.scores:
                continue
            if candidate is not self.baseline and not self.budget.allows(
                self.scorer.estimate_seconds(candidate, fraction)
            ):
                return _NO_TIME
            try:
                self.scores[key] = self.scorer.score(candidate, seed, fraction)
            except Exception as error:  # a candidate of any kind may fail; the race goes on without it
                return f"{type(error).__name__}: {error}".splitlines()[0]
        return ""

    def _effort(self, candidate: Candidate, rung: Rung) -> tuple[int, float]:
        return (1, 1.0) if self.scorer.is_deterministic(candidate) else (rung.n_seeds, rung.fraction)

    def _values(self, candidate: Candidate, rung: Rung) -> Values:
        """float64 (seeds, users): values of a candidate in a round; deterministic ones are repeated."""
        seeds, fraction = self._effort(candidate, rung)
        rows = [self.scores[candidate.name, seed, fraction].values for seed in range(seeds)]
        return np.broadcast_to(np.stack(rows), (rung.n_seeds, len(rows[0])))

    def _mean(self, candidate: Candidate, rung: Rung) -> float:
        return float(self._values(candidate, rung).mean())

    def _compare(self, one: Candidate, other: Candidate, rung: Rung) -> tuple[float, float]:
        """(difference of the means, its standard error from users and training)."""
        pair = np.stack([self._values(one, rung), self._values(other, rung)])
        per_user = (pair[0] - pair[1]).mean(axis=0)
        users = float(per_user.var(ddof=1)) / len(per_user) if len(per_user) > 1 else math.inf
        training = 2 * estimate_training_noise(pair).variance / rung.n_seeds
        return float(per_user.mean()), math.sqrt(users + training)

    def _is_ahead(self, candidate: Candidate, rung: Rung, z: float) -> bool:
        difference, error = self._compare(candidate, self.baseline, rung)
        return difference > 0 and difference > z * error

    def _is_harmful(self, candidate: Candidate, rung: Rung) -> bool:
        difference, error = self._compare(candidate, self.baseline, rung)
        return difference + HARM_Z * error < 0

    def _sort(self, candidates: Sequence[Candidate], rung: Rung) -> list[Candidate]:
        return sorted(candidates, key=lambda one: (-self._mean(one, rung), one.name))

    def _choose(self, rung: Rung, alive: Sequence[Candidate]) -> Candidate | None:
        best = self._sort(alive, rung)[:1]
        return best[0] if best and self._is_ahead(best[0], rung, CHOICE_Z) else None

    def _record(self, number: int, rung: Rung, candidate: Candidate, status: str, note: str) -> None:
        seeds, fraction = self._effort(candidate, rung)
        seconds = sum(self.scores[key].seconds for key in self.scores if key[0] == candidate.name)
        if status in ("failed", "no time"):
            nan = math.nan
            self.standings.append(
                Standing(candidate.name, number, fraction, seeds, seconds, nan, nan, nan, nan, status, note)
            )
            return
        base = self._mean(self.baseline, rung)
        difference, error = self._compare(candidate, self.baseline, rung)
        scale = base if base > 0 else math.nan
        low, high = ((difference + sign * 1.96 * error) / scale for sign in (-1, 1))
        mean, lift = self._mean(candidate, rung), difference / scale
        self.standings.append(
            Standing(candidate.name, number, fraction, seeds, seconds, mean, lift, low, high, status, note)
        )


def _name_status(note: str) -> str:
    """The status of a candidate that could not be trained; "" for no note."""
    return "no time" if note == _NO_TIME else "failed" if note else ""


_NO_TIME = "the time left is not enough for it"
