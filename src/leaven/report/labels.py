"""Which words do the page and the terminal share?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leaven.errors import LeavenError
from leaven.metrics.ctr import ctr_names
from leaven.metrics.ranking import ranking_names
from leaven.stats import HARMED, HELPED, NO_DIFFERENCE, TOO_LITTLE
from leaven.stats.effect import shown

LIGHTS: Mapping[str, str] = {HELPED: "helped", HARMED: "harmed", NO_DIFFERENCE: "same", TOO_LITTLE: "unsure"}
"""verdict -> the name of its light: a class of the page's style, a colour of the terminal."""
SIGNS: Mapping[str, str] = {"helped": "▲", "harmed": "▼", "same": "=", "unsure": "?"}
"""light -> a sign, so that colour is never the only carrier."""

UNFINISHED = "This run has no comparison yet."

_VERDICTS = {
    HELPED: "The whole interval lies above zero, the lift is at least the smallest that was declared to matter, "
    "chance is an unlikely explanation after Holm's correction, and no seed points the other way.",
    HARMED: "The same, downwards.",
    NO_DIFFERENCE: "The whole interval lies within the smallest lift that matters: a relevant effect can be ruled out.",
    TOO_LITTLE: "The interval is too wide to say one or the other; more users or more seeds would narrow it.",
}
_STATISTICS = {
    "Arm": "One way of training: the same recommender, on the real rows alone or with rows that a plan made.",
    "Baseline": "The arm that learns from the real rows alone.",
    "Repeat": "The control: as many rows are added as a plan adds, but they are copies of real ones.",
    "Lift": "The difference to the baseline, relative to the baseline's mean.",
    "Interval": "An interval made this way holds the true lift in about 95 of 100 comparisons, over other users and, "
    "with several seeds, other trainings.",
    "p after Holm": "How often chance alone would show a difference as large where there is none, corrected for the "
    "number of arms.",
    "Segment": "A group of users judged on its own, such as those with short histories.",
    "Seed": "The number that all chance of one training follows from; several seeds show how much luck plays.",
    "Fingerprint": "A short text that changes when the data changes.",
}


def light(verdict: str | None) -> str:
    """The light of a verdict; an unknown one is unsure."""
    return LIGHTS.get(verdict or "", "unsure")


def headline(facts: Mapping[str, Any]) -> str:
    """The sentence at the top."""
    return str((facts.get("verdict") or {}).get("headline") or UNFINISHED)


def metrics_of(facts: Mapping[str, Any]) -> list[str]:
    """Names of the metrics that the facts speak of, the main one first."""
    comparison = facts.get("comparison") or {}
    main = [comparison["metric"]] if comparison.get("metric") else []
    others = [*(comparison.get("metrics") or {}), *(comparison.get("catalog") or {})]
    return list(dict.fromkeys([*main, *others]))


def glossary(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(word, one sentence) for the metrics, verdicts and words that a run's page uses."""
    entries = [(name, sentence) for name, sentence in _meanings(metrics_of(facts)) if sentence]
    if facts.get("comparison"):
        entries += [(verdict.capitalize(), sentence) for verdict, sentence in _VERDICTS.items()]
    return entries + list(_STATISTICS.items())


def _meanings(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        for meaning in (ranking_names.meaning, ctr_names.meaning):
            try:
                yield shown(name), meaning(name)
            except LeavenError:  # a metric of another task, or of a package that is not installed here
                continue
            break
