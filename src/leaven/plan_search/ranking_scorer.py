"""Training and scoring of ranking candidates, each result stored, so that a search resumes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leaven import rng
from leaven.augmentation import build_catalog_views, build_epoch_rows, expand, list_item_steps
from leaven.augmentation.plan import Plan
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError
from leaven.metrics.metric_names import parse_ranking_metric
from leaven.plan_search.candidates import Candidate, Score, Values
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import FittedRecommender, RankingMetric, TrainingContext
from leaven.run_folder import append_line, read_lines
from leaven.splits.log_splits import Split, TimeSplit

RECORD_FILE, VALUES_FOLDER = "trainings.jsonl", "values"
MIN_ORIGIN_USERS = 100
"""Users that a further validation period must have."""


@dataclass(frozen=True, eq=False)
class Origin:
    """Training histories and the later events that score them. tuning: users for choices inside a training."""

    train: Histories
    held_out: HeldOut
    tuning: HeldOut


def build_origins(split: Split, n_origins: int, targets: str = "next", allow_repeats: bool = False) -> list[Origin]:
    """The validation period of a split, and up to `n_origins` - 1 earlier ones inside its training histories.

    Several dates keep a search from choosing what was lucky in one week. An earlier period is left out where it has too
    few users, or where the log has no clock.
    """
    origins = [Origin(split.train, split.valid, split.valid)]
    train = split.train
    while len(origins) < n_origins and split.facts.get("kind") == "time":
        try:
            inner = TimeSplit(0.05, 0.1, targets, allow_repeats, control_share=0.0).split(train)
        except DataError:
            break
        if len(inner.test) < MIN_ORIGIN_USERS:
            break
        train = inner.train
        origins.append(Origin(inner.train, inner.test, inner.valid))
    return origins


@dataclass(eq=False)
class RankingScorer:
    """Trains candidates on the origins and scores them with one metric per user.

    metric         its name, such as "ndcg@10"
    folder         where results are stored; None: in memory only
    spent_seconds  seconds of the trainings of earlier sessions
    """

    origins: Sequence[Origin]
    metric: str = "ndcg@10"
    seed: int = 0
    allow_repeats: bool = False
    folder: Path | None = None
    on_progress: ProgressCallback = no_progress
    spent_seconds: float = 0.0
    _seconds: dict[tuple[str, float], float] = field(default_factory=dict)
    _stored: dict[str, float] = field(default_factory=dict)
    _scores: dict[str, Score] = field(default_factory=dict)
    _fitted: dict[tuple[str, int], FittedRecommender] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.folder is not None:
            (self.folder / VALUES_FOLDER).mkdir(parents=True, exist_ok=True)
            for line in read_lines(self.folder / RECORD_FILE):
                self._stored[str(line["key"])] = float(line["seconds"])
                self._seconds[str(line["candidate"]), float(line["fraction"])] = float(line["seconds"])
            self.spent_seconds = sum(self._stored.values())

    def score(self, candidate: Candidate, seed: int, fraction: float) -> Score:
        """Score on the users of all origins, from the folder where it is stored. Raises errors of the candidate."""
        key = _digest(candidate, self.metric, self.seed, seed, fraction, len(self.origins))
        if (stored := self._load(key)) is not None:
            return stored
        started = time.perf_counter()
        values = []
        for number, origin in enumerate(self.origins):
            fitted = self.train(candidate, origin, seed, fraction)
            values.append(self.evaluate(fitted, origin.held_out, origin.train))
            if number == 0 and fraction == 1.0 and candidate.recommender.steps(origin.train) is not None:
                self._fitted[candidate.name, seed] = fitted  # its training was dear, its weights are few
        result = Score(np.concatenate(values), time.perf_counter() - started)
        self._store(key, candidate, seed, fraction, result)
        return result

    def train(self, candidate: Candidate, origin: Origin, seed: int, fraction: float = 1.0) -> FittedRecommender:
        """Train on the rows of the candidate's plan, with as many optimizer steps as on the real rows."""
        train, plan = origin.train, candidate.plan
        rows_plan = Plan([step for step in plan.named_steps if not step.is_on_items]) if list_item_steps(plan) else plan
        rows = expand(train, rows_plan, self.seed) if rows_plan.steps else train
        epochs = build_epoch_rows(train, rows, rows_plan, self.seed, seed, None)
        steps = candidate.recommender.steps(train)
        views = build_catalog_views(train.catalog, plan, self.seed, seed) if list_item_steps(plan) else None
        training = TrainingContext(
            key=rng.derive_key(self.seed, "training", seed),
            steps=None if steps is None else max(1, round(fraction * steps)),
            validation=origin.tuning,
            rows_for_epoch=None if epochs.is_constant else epochs,
            on_progress=self.on_progress,
            catalog_for_epoch=views,
        )
        return candidate.recommender.fit(rows, training)

    def train_for_test(self, candidate: Candidate, origin: Origin, seed: int) -> FittedRecommender:
        """The network that the race trained with this seed, or a new one."""
        return self._fitted.get((candidate.name, seed)) or self.train(candidate, origin, seed)

    def evaluate(self, fitted: FittedRecommender, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,): the metric on full rankings."""
        metric: RankingMetric = parse_ranking_metric(self.metric)
        k = int(self.metric.partition("@")[2])
        ranked = fitted.recommend(held_out.histories, k, self.allow_repeats)
        return np.asarray(metric(ranked, held_out, train), np.float64)

    def estimate_seconds(self, candidate: Candidate, fraction: float) -> float:
        """Seconds of an earlier training of the candidate, or else of the slowest one, scaled to the effort."""
        known = {name: seconds / part for (name, part), seconds in self._seconds.items()}
        return known.get(candidate.name, max(known.values(), default=0.0)) * fraction

    def is_deterministic(self, candidate: Candidate) -> bool:
        """Whether its recommender takes no optimizer steps and its plan draws nothing."""
        return candidate.recommender.steps(self.origins[0].train) is None and not candidate.plan.steps

    def _load(self, key: str) -> Score | None:
        if key in self._scores:
            return self._scores[key]
        if self.folder is None or key not in self._stored:
            return None
        path = self.folder / VALUES_FOLDER / f"{key}.npy"
        return Score(np.load(path, allow_pickle=False), self._stored[key]) if path.exists() else None

    def _store(self, key: str, candidate: Candidate, seed: int, fraction: float, result: Score) -> None:
        self._seconds[candidate.name, fraction] = result.seconds
        self._scores[key] = result
        if self.folder is None:
            return
        path = self.folder / VALUES_FOLDER / f"{key}.npy"
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, result.values, allow_pickle=False)
        part.replace(path)
        mean, seconds = float(result.values.mean()), round(result.seconds, 3)
        line = {"key": key, "candidate": candidate.name, "seed": seed, "fraction": fraction}
        append_line(self.folder / RECORD_FILE, line | {"seconds": seconds, "mean": mean, "recipe": candidate.recipe})


def _digest(candidate: Candidate, *settings: object) -> str:
    """Name of a stored result: a digest of everything that shapes it."""
    shape = repr((candidate.recommender, vars(candidate.plan), settings))
    return hashlib.blake2b(shape.encode(), digest_size=12).hexdigest()
