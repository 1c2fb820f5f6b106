"""Headline and summary sentences of a comparison."""

from __future__ import annotations

import math

from leaven.stats.effect import (
    HARMED,
    HELPED,
    NO_DIFFERENCE,
    NOT_ENOUGH_DATA,
    Effect,
    format_metric_name,
    format_percent,
)
from leaven.stats.ranking_comparison import Comparison


def build_headline(comparison: Comparison) -> str:
    """Return the verdict on all variants except the control, best news first."""
    variants = _list_trials(comparison)
    by_verdict = {verdict: [e for e in variants if e.verdict == verdict] for verdict in (HELPED, HARMED, NO_DIFFERENCE)}
    if not variants:
        return "No plan was tried, so there is nothing to compare."
    if by_verdict[HELPED]:
        return _describe_gain(max(by_verdict[HELPED], key=lambda effect: effect.lift), comparison)
    if by_verdict[HARMED]:
        worst = min(by_verdict[HARMED], key=lambda effect: effect.lift)
        sentence = (
            f"Nothing helped, and {_quote_name(worst)} harmed: {_describe_change(worst)} below training without it"
        )
        interval = f"95 % interval {format_percent(worst.low)} to {format_percent(worst.high)}"
        return f"{sentence} ({interval}).{_warn_of_one_seed(worst)}"
    if len(by_verdict[NO_DIFFERENCE]) == len(variants):
        least = format_percent(comparison.config.min_effect, signed=False)
        return f"Nothing made a difference of {least} or more in {format_metric_name(comparison.config.metric)}."
    open_variants = [effect for effect in variants if effect.verdict == NOT_ENOUGH_DATA]
    half_width = max((effect.high - effect.low) / 2 for effect in open_variants)
    first = open_variants[0]
    subject = "the plan" if len(variants) == 1 else f"any of the {len(variants)} plans"
    n_seeds = "1 seed" if first.seeds == 1 else f"{first.seeds} seeds"
    limit = (
        f"{first.users:,} users and {n_seeds} cannot show a lift below about {format_percent(half_width, signed=False)}"
    )
    return f"Not enough data to tell whether {subject} changed {format_metric_name(comparison.config.metric)}: {limit}."


def build_summary(comparison: Comparison) -> list[str]:
    """Return the sentences below the headline: variants by verdict, the control, segments, limitations."""
    sentences = [_list_by_verdict(comparison, verdict) for verdict in (HELPED, HARMED, NO_DIFFERENCE, NOT_ENOUGH_DATA)]
    sentences += [_describe_control(comparison), _describe_segments(comparison), _warn_of_few_seeds(comparison)]
    return [sentence for sentence in sentences if sentence]


def _quote_name(effect: Effect) -> str:
    return f"“{effect.variant}”"


def _describe_change(effect: Effect) -> str:
    if not math.isfinite(effect.lift):
        return format_metric_name(effect.metric)
    return f"{format_metric_name(effect.metric)} is {format_percent(abs(effect.lift), signed=False)}"


def _list_trials(comparison: Comparison) -> list[Effect]:
    return [effect for effect in comparison.effects if effect.variant != comparison.config.control]


def _describe_gain(best: Effect, comparison: Comparison) -> str:
    gain = f"{_quote_name(best)} helped: {_describe_change(best)} above training without it"
    against = next((e for e in comparison.against_control if e.variant == best.variant), None)
    if against is not None and against.verdict != HELPED:
        tail = f", but not shown to be more than repeating real rows ({format_percent(against.lift)})."
    else:
        tail = "."
    interval = f"95 % interval {format_percent(best.low)} to {format_percent(best.high)}"
    return f"{gain} ({interval}){tail}{_warn_of_one_seed(best)}"


def _warn_of_one_seed(effect: Effect) -> str:
    return " Each variant was trained once only: another training may give another result." if effect.seeds == 1 else ""


def _list_by_verdict(comparison: Comparison, verdict: str) -> str:
    variants = [
        f"{_quote_name(effect)} ({format_percent(effect.lift)})"
        for effect in _list_trials(comparison)
        if effect.verdict == verdict
    ]
    return f"{verdict.capitalize()}: {', '.join(variants)}." if variants else ""


def _describe_control(comparison: Comparison) -> str:
    control = comparison.config.control
    effect = next((e for e in comparison.effects if e.variant == control), None)
    if effect is None:
        return ""
    better = [_quote_name(e) for e in comparison.against_control if e.verdict == HELPED]
    tail = f" Better than that alone: {', '.join(better)}." if better else ""
    return f"Repeating real rows: {effect.verdict} ({format_percent(effect.lift)}).{tail}"


def _describe_segments(comparison: Comparison) -> str:
    effects = [
        e for e in comparison.segments if e.verdict in (HELPED, HARMED) and e.variant != comparison.config.control
    ]
    effects.sort(key=lambda effect: -abs(effect.lift))
    parts = [
        f"{_quote_name(e)} {e.verdict} where the {e.by} is {e.segment} ({format_percent(e.lift)})" for e in effects[:3]
    ]
    return f"By group: {'; '.join(parts)}." if parts else ""


def _warn_of_few_seeds(comparison: Comparison) -> str:
    effects = _list_trials(comparison)
    if not effects:
        return ""
    if effects[0].seeds == 1:
        return "One seed was trained: the intervals cover other users, not another training. Use three seeds or more."
    if effects[0].seeds == 2:
        return "Two seeds were trained: the noise of training is estimated only roughly."
    return ""
