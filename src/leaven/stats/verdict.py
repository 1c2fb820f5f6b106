"""What does a comparison say in one sentence that anyone understands?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from leaven.stats.effect import HARMED, HELPED, NO_DIFFERENCE, TOO_LITTLE, Effect, percent, shown
from leaven.stats.ranking_comparison import Comparison


def headline(comparison: Comparison) -> str:
    """The verdict on all arms but the control, best news first."""
    arms = _trials(comparison)
    by_verdict = {verdict: [e for e in arms if e.verdict == verdict] for verdict in (HELPED, HARMED, NO_DIFFERENCE)}
    if not arms:
        return "No plan was tried, so there is nothing to compare."
    if by_verdict[HELPED]:
        return _helped(max(by_verdict[HELPED], key=lambda effect: effect.lift), comparison)
    if by_verdict[HARMED]:
        worst = min(by_verdict[HARMED], key=lambda effect: effect.lift)
        found = f"Nothing helped, and {_name(worst)} harmed: {_moved(worst)} below training without it"
        return f"{found} (95 % interval {percent(worst.low)} to {percent(worst.high)}).{_one_training(worst)}"
    if len(by_verdict[NO_DIFFERENCE]) == len(arms):
        least = percent(comparison.question.smallest_lift, signed=False)
        return f"Nothing made a difference of {least} or more in {shown(comparison.question.metric)}."
    return _too_little(arms, comparison)


def words(comparison: Comparison) -> list[str]:
    """Sentences under the headline: each verdict with its arms, the control, whom it helped, what weakens it."""
    said = [_listed(comparison, verdict) for verdict in (HELPED, HARMED, NO_DIFFERENCE, TOO_LITTLE)]
    said += [_control(comparison), _whom(comparison), _caution(comparison)]
    return [one for one in said if one]


def _name(effect: Effect) -> str:
    return f"“{effect.arm}”"


def _moved(effect: Effect) -> str:
    if not math.isfinite(effect.lift):
        return shown(effect.metric)
    return f"{shown(effect.metric)} is {percent(abs(effect.lift), signed=False)}"


def _trials(comparison: Comparison) -> list[Effect]:
    return [effect for effect in comparison.effects if effect.arm != comparison.question.control]


def _helped(best: Effect, comparison: Comparison) -> str:
    gain = f"{_name(best)} helped: {_moved(best)} above training without it"
    against = next((e for e in comparison.against_control if e.arm == best.arm), None)
    if against is not None and against.verdict != HELPED:
        tail = f", but not shown to be more than repeating as many real rows ({percent(against.lift)})."
    else:
        tail = "."
    return f"{gain} (95 % interval {percent(best.low)} to {percent(best.high)}){tail}{_one_training(best)}"


def _one_training(effect: Effect) -> str:
    return " Each arm was trained once only: another training may say otherwise." if effect.seeds == 1 else ""


def _too_little(arms: Sequence[Effect], comparison: Comparison) -> str:
    open_arms = [effect for effect in arms if effect.verdict == TOO_LITTLE]
    wide = max((effect.high - effect.low) / 2 for effect in open_arms)
    one = open_arms[0]
    many = "the plan" if len(arms) == 1 else f"any of the {len(arms)} plans"
    n_seeds = "1 seed" if one.seeds == 1 else f"{one.seeds} seeds"
    limit = f"{one.users:,} users and {n_seeds} cannot show a lift below about {percent(wide, signed=False)}"
    return f"Not enough data to tell whether {many} changed {shown(comparison.question.metric)}: {limit}."


def _listed(comparison: Comparison, verdict: str) -> str:
    arms = [f"{_name(effect)} ({percent(effect.lift)})" for effect in _trials(comparison) if effect.verdict == verdict]
    return f"{verdict.capitalize()}: {', '.join(arms)}." if arms else ""


def _control(comparison: Comparison) -> str:
    control = comparison.question.control
    effect = next((e for e in comparison.effects if e.arm == control), None)
    if effect is None:
        return ""
    more = [_name(e) for e in comparison.against_control if e.verdict == HELPED]
    beyond = f" Better than that alone: {', '.join(more)}." if more else ""
    return f"Repeating as many real rows: {effect.verdict} ({percent(effect.lift)}).{beyond}"


def _whom(comparison: Comparison) -> str:
    clear = [e for e in comparison.segments if e.verdict in (HELPED, HARMED) and e.arm != comparison.question.control]
    clear.sort(key=lambda effect: -abs(effect.lift))
    parts = [f"{_name(e)} {e.verdict} where the {e.by} is {e.segment} ({percent(e.lift)})" for e in clear[:3]]
    return f"By group: {'; '.join(parts)}." if parts else ""


def _caution(comparison: Comparison) -> str:
    effects = _trials(comparison)
    if not effects:
        return ""
    if effects[0].seeds == 1:
        return "One seed was trained: the intervals cover other users, not another training. Use three seeds or more."
    if effects[0].seeds == 2:
        return "Two seeds were trained: how much training again would change is known only roughly."
    return ""
