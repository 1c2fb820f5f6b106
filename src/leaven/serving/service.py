"""What the server does, apart from HTTP: answers, events, change of the model, comparison with a second model."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaven.errors import DataError, LeavenError
from leaven.serving.requests import RecommendBody, build_item
from leaven.serving.scorer import Answer, Query, Scorer
from leaven.serving.user_events import UserEvent, UserEvents

_MAX_PENDING = 100
_MAX_COMPARED = 10_000


@dataclass(frozen=True)
class ModelChange:
    """The model before and after a change: name and version."""

    before: str
    after: str


@dataclass(frozen=True)
class ShadowReport:
    """Comparison of the served model with a second one, on the last 10,000 queries.

    agreement   mean share of the list that both have in common
    first_same  share of queries with the same first item
    skipped     queries that were not compared because too many were waiting; failed: the second model raised an error
    """

    served: str
    shadow: str
    queries: int
    skipped: int
    failed: int
    agreement: float | None
    first_same: float | None
    served_ms_p50: float | None
    served_ms_p99: float | None
    shadow_ms_p50: float | None
    shadow_ms_p99: float | None


@dataclass(frozen=True)
class _Comparison:
    agreement: float
    is_first_same: bool
    served_ms: float
    shadow_ms: float


class ShadowComparison:
    """Answers the same queries with a second model, in a thread, after the first model has answered."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.skipped, self.failed = scorer, 0, 0
        self._done: deque[_Comparison] = deque(maxlen=_MAX_COMPARED)
        self._pool, self._pending = ThreadPoolExecutor(1, "shadow"), 0

    def submit(self, queries: Sequence[Query], answers: Sequence[Answer], served_ms: float) -> None:
        """Compare these answers later; skipped where too many comparisons wait."""
        if self._pending >= _MAX_PENDING:
            self.skipped += len(queries)
            return
        self._pending += 1
        self._pool.submit(self._compare, queries, answers, served_ms)

    def wait(self) -> None:
        """Wait until no comparison is pending."""
        self._pool.submit(lambda: None).result()

    def _compare(self, queries: Sequence[Query], answers: Sequence[Answer], served_ms: float) -> None:
        start = time.perf_counter()
        try:
            others = self.scorer.answer(queries)
        except LeavenError:
            self.failed += len(queries)
            return
        finally:
            self._pending -= 1
        elapsed = (time.perf_counter() - start) * 1000
        for first, second in zip(answers, others, strict=True):
            longest = max(len(first.items), len(second.items), 1)
            common = len(set(first.items) & set(second.items)) / longest
            self._done.append(_Comparison(common, first.items[:1] == second.items[:1], served_ms, elapsed))

    def report(self, served: str) -> ShadowReport:
        """Figures of the comparisons so far; None without any."""
        done = list(self._done)

        def summarize(values: list[float], how: Callable[[list[float]], float]) -> float | None:
            return round(float(how(values)), 4) if values else None

        served_ms, shadow_ms = [one.served_ms for one in done], [one.shadow_ms for one in done]
        return ShadowReport(
            served=served,
            shadow=self.scorer.model.name,
            queries=len(done),
            skipped=self.skipped,
            failed=self.failed,
            agreement=summarize([one.agreement for one in done], np.mean),
            first_same=summarize([float(one.is_first_same) for one in done], np.mean),
            served_ms_p50=summarize(served_ms, np.median),
            served_ms_p99=summarize(served_ms, lambda values: np.percentile(values, 99)),
            shadow_ms_p50=summarize(shadow_ms, np.median),
            shadow_ms_p99=summarize(shadow_ms, lambda values: np.percentile(values, 99)),
        )


class RecommenderService:
    """The served model, the events of its users, and a second model for comparison. Safe for several threads.

    models_root: models are loaded from folders below it only; None: from the parent of the served run.
    """

    def __init__(
        self,
        scorer: Scorer,
        events: UserEvents | None = None,
        shadow: Scorer | None = None,
        models_root: Path | None = None,
    ) -> None:
        self.events = events if events is not None else UserEvents()
        self.shadow = None if shadow is None else ShadowComparison(shadow)
        self.models_root = (models_root if models_root is not None else scorer.model.folder.resolve().parent).resolve()
        self._scorer, self._swap = _warm_up(scorer), threading.Lock()

    @property
    def scorer(self) -> Scorer:
        """The scorer of the served model. A request reads it once, so that a change never mixes two models."""
        return self._scorer

    def recommend(self, bodies: Sequence[RecommendBody]) -> list[dict[str, object]]:
        """One answer per body, as JSON. Raises SpecError for an unknown attribute of a filter."""
        scorer, start = self.scorer, time.perf_counter()
        queries = [body.build_query(list(self.events.list_events(body.user or ""))) for body in bodies]
        answers = scorer.answer(queries)
        if self.shadow is not None:
            self.shadow.submit(queries, answers, (time.perf_counter() - start) * 1000)
        built = []
        for body, query, answer in zip(bodies, queries, answers, strict=True):
            reasons = scorer.explain(query, answer.items) if body.explain else None
            items = [
                build_item(item, score, None if reasons is None else reasons[item])
                for item, score in zip(answer.items, answer.scores, strict=True)
            ]
            built.append(
                {
                    "items": items,
                    "unknown_items": list(answer.unknown_items),
                    "replaced": answer.replaced,
                    "has_history": answer.is_user_known,
                    "model": scorer.model.version,
                }
            )
        return built

    def append_event(self, user: str, item: str, seconds: int | None) -> int:
        """Append an event to a user's history; returns the number of such events.

        Raises DataError for an unknown item.
        """
        if item not in self.scorer.model.item_numbers:
            raise DataError("item", "an item of the catalog", repr(item), "train on a log with it first")
        return self.events.append(user, UserEvent(item, int(time.time()) if seconds is None else seconds))

    def is_allowed(self, folder: Path) -> bool:
        """Whether models may be loaded from a folder."""
        try:
            return folder.resolve().is_relative_to(self.models_root)
        except (OSError, ValueError):  # no path of this system: too long, or with a null character
            return False

    def load_model(self, folder: Path, variant: str = "") -> ModelChange:
        """Serve another model. Requests that have begun end with the model that they began with.

        Raises DataError for a folder without a model; the served model then stays.
        """
        with self._swap:
            before, after = self._scorer, _warm_up(Scorer.load(folder, variant))
            self._scorer = after
        return ModelChange(_describe(before), _describe(after))

    def reload_model(self) -> ModelChange:
        """Load the served variant again, from its folder."""
        model = self.scorer.model
        return self.load_model(model.folder, model.variant)


def _warm_up(scorer: Scorer) -> Scorer:
    """Answer one query, so that compiling and caching do not slow the first request."""
    unknown = ""  # no item has an empty id, so that its text is looked up
    scorer.answer([Query(items=[*scorer.model.catalog.ids[:1], unknown], user=unknown, k=1, texts={unknown: "text"})])
    scorer.model.find_history(unknown)
    return scorer


def _describe(scorer: Scorer) -> str:
    return f"{scorer.model.name} ({scorer.model.version})"
