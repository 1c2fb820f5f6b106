"""Labels that page and terminal share: verdict styles, headline, glossary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from leaven.errors import LeavenError
from leaven.facts import RunFacts
from leaven.metrics import metric_names
from leaven.stats import HARMED, HELPED, NO_DIFFERENCE, NOT_ENOUGH_DATA
from leaven.stats.effect import format_metric_name

VERDICT_STYLES: Mapping[str, str] = {
    HELPED: "helped",
    HARMED: "harmed",
    NO_DIFFERENCE: "same",
    NOT_ENOUGH_DATA: "unsure",
}
"""Verdict -> its style: a class of the page, a color of the terminal."""
STYLE_SIGNS: Mapping[str, str] = {"helped": "▲", "harmed": "▼", "same": "=", "unsure": "?"}
"""Style -> a sign, so that color is never the only signal."""

UNFINISHED = "This run has no comparison yet."

_VERDICTS = {
    HELPED: "The whole interval is above zero, the lift reaches the minimum effect, "
    "p is small after Holm's correction, and no seed has the opposite sign.",
    HARMED: "The same, below zero.",
    NO_DIFFERENCE: "The whole interval is within the minimum effect: a relevant effect can be ruled out.",
    NOT_ENOUGH_DATA: "The interval is too wide for a verdict; more users or more seeds would narrow it.",
}
_STATISTICS = {
    "Variant": "One training setup: the same recommender, on real rows alone or with the synthetic rows of a plan.",
    "Baseline": "The variant that is trained on the real rows alone.",
    "Repeat": "The control: duplicated rows, as many as a plan adds.",
    "Lift": "The difference from the baseline, relative to the baseline's mean.",
    "Interval": "Contains the true lift in about 95 of 100 comparisons, over other users and, "
    "with several seeds, other trainings.",
    "p after Holm": "Probability of a difference as large where there is none, corrected for the number of variants.",
    "Segment": "A group of users that is compared separately, such as those with short histories.",
    "Seed": "The number that determines all random draws of one training; several seeds show the noise of training.",
    "Fingerprint": "A hash of the data.",
}


def get_verdict_style(verdict: str | None) -> str:
    """The style of a verdict; "unsure" for an unknown one."""
    return VERDICT_STYLES.get(verdict or "", "unsure")


def get_headline(facts: RunFacts) -> str:
    """The headline of a run."""
    return UNFINISHED if facts.verdict is None else facts.verdict.headline


def build_glossary(facts: RunFacts) -> list[tuple[str, str]]:
    """(term, definition) of the metrics, verdicts and statistical terms on a run's page."""
    found = facts.comparison
    if found is None:
        return list(_STATISTICS.items())
    metrics = dict.fromkeys([found.metric, *found.metrics, *found.pooled])
    entries = [(name, sentence) for name, sentence in _define_metrics(metrics) if sentence]
    return [*entries, *((verdict.capitalize(), text) for verdict, text in _VERDICTS.items()), *_STATISTICS.items()]


def _define_metrics(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        for meaning in (metric_names.describe_ranking_metric, metric_names.describe_ctr_metric):
            try:
                yield format_metric_name(name), meaning(name)
            except LeavenError:  # a metric of another task or of a missing package
                continue
            break
