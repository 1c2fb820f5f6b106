"""Settings and results of a plan search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaven.config import SearchConfig
from leaven.display import Display, show_html, show_text
from leaven.plan_search.candidates import Candidate
from leaven.plan_search.confirmation import Confirmation
from leaven.plan_search.race import RaceResult, Standing
from leaven.plan_search.search_profile import SearchProfile
from leaven.progress import format_duration
from leaven.stats.effect import HELPED, format_percent


@dataclass(frozen=True)
class RivalScore:
    """A cheap recommender on validation users. note: why it could not be trained; "" where it was."""

    name: str
    mean: float
    seconds: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class SearchResult:
    """Result of a search.

    profile        of the log
    rivals         cheap recommenders without augmentation, best first
    baseline       the recommender under trial
    smallest_lift  that the test users can show
    left_out       kind of a recipe -> why it did not race
    race           all standings, and the choice
    confirmation   of the choice on test users; None: nothing was chosen
    seconds        of the whole search
    best_possible  mean of the metric on test users of the best ranking, where the log is simulated
    """

    profile: SearchProfile
    rivals: Sequence[RivalScore]
    baseline: Candidate
    smallest_lift: float
    left_out: Mapping[str, str]
    race: RaceResult
    confirmation: Confirmation | None
    config: SearchConfig
    seconds: float
    folder: Path | None = None
    best_possible: float | None = None
    next_steps: Sequence[str] = field(default=())

    def to_display(self) -> Display:
        """What a shell and a notebook show."""
        return _display_search(self)

    __repr__ = show_text
    _repr_html_ = show_html

    @property
    def best(self) -> Candidate:
        """What to use: the chosen candidate where test users confirm it, else the baseline."""
        chosen = self.race.chosen
        return chosen if chosen is not None and self.has_helped else self.baseline

    @property
    def has_helped(self) -> bool:
        """Whether the test users confirm the choice."""
        return self.confirmation is not None and self.confirmation.lift.verdict == HELPED

    @property
    def harmful(self) -> list[Standing]:
        """Candidates that are below the baseline with confidence on validation users, the worst first."""
        return sorted((one for one in self.race.standings if one.status == "harms"), key=lambda one: one.lift)

    @property
    def headline(self) -> str:
        """The answer in one sentence."""
        if self.confirmation is None or self.race.chosen is None:
            return (
                f"None: keep the data as it is. No candidate was ahead of {self.baseline.name} on validation users; "
                f"a lift of {format_percent(self.smallest_lift, signed=False)} would have been seen."
            )
        lift = self.confirmation.lift
        figures = (
            f"{format_percent(lift.lift)} {self.config.metric} over {self.baseline.name} on {lift.users:,} test users "
            f"(95 % interval {format_percent(lift.low)} to {format_percent(lift.high)})"
        )
        if self.has_helped:
            return f"“{self.race.chosen.name}” helps: {figures}."
        return (
            f"None: keep the data as it is. “{self.race.chosen.name}” led on validation, not on test users: {figures}."
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-able facts of the search."""
        confirmed = self.confirmation
        return {
            "headline": self.headline,
            "helped": self.has_helped,
            "metric": self.config.metric,
            "minutes": self.config.minutes,
            "seconds": round(self.seconds, 1),
            "profile": self.profile.to_json(),
            "smallest_lift": _finite(self.smallest_lift),
            "baseline": self.baseline.name,
            "chosen": self.race.chosen.name if self.race.chosen else None,
            "rivals": [_clean(vars(rival)) for rival in self.rivals],
            "candidates": [
                {"name": one.name, "recipe": one.recipe, "reason": one.reason, "evidence": one.evidence}
                for one in self.race.candidates.values()
            ],
            "left_out": dict(self.left_out),
            "race": [_clean(vars(standing)) for standing in self.race.standings],
            "confirmation": None
            if confirmed is None
            else {
                "lift": confirmed.lift.to_json(),
                "segments": [one.to_json() for one in confirmed.segments],
                "means": dict(confirmed.means),
            },
            "best_possible": self.best_possible,
            "next_steps": list(self.next_steps),
        }


def describe_harm(standing: Standing) -> str:
    """One candidate that costs: its name, its lift and the interval."""
    figures = f"{format_percent(standing.lift)}, 95 % interval {format_percent(standing.low)} to "
    return f"“{standing.name}” ({figures}{format_percent(standing.high)})"


def _display_search(result: SearchResult) -> Display:
    """The answer, and the last standing of every candidate."""
    last = {standing.name: standing for standing in result.race.standings}
    rows = [
        [one.name, f"{one.mean:.4f}", format_percent(one.lift), f"{one.fraction:.0%}", one.status, one.note]
        for one in sorted(last.values(), key=lambda standing: (-standing.fraction, -standing.lift))
    ]
    facts = {"answer": result.headline, "took": format_duration(result.seconds)}
    facts |= {"folder": str(result.folder)} if result.folder is not None else {}
    facts |= {"harmful": "; ".join(map(describe_harm, result.harmful))} if result.harmful else {}
    facts |= {"next": "; ".join(result.next_steps)} if result.next_steps else {}
    header = ("candidate", f">{result.config.metric}", ">lift", ">effort", "status", "why")
    return Display("Search for a plan", facts, header, rows)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _clean(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _finite(value) if isinstance(value, float) else value for key, value in values.items()}
