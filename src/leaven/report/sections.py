"""What does each section of the page show? Facts in, plain texts and drawings out.

A section whose facts are missing is None, and the page leaves it out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from leaven.report import charts, controller_section, ctr_section, interval_plot, labels, quality_section
from leaven.report.items_section import galleries
from leaven.report.number_format import label, line, named, number, probability, scalars, seconds
from leaven.report.sweep_plot import study
from leaven.stats.effect import percent, shown

Facts = Mapping[str, Any]
Section = dict[str, Any] | None

MOST_PREVIEWS, MOST_NAMES, MOST_EXAMPLES, MOST_COLUMNS = 10, 24, 3, 8


def present(facts: Any) -> Any:
    """The facts without what is null: a null figure is a missing one."""
    if isinstance(facts, Mapping):
        return {name: present(value) for name, value in facts.items() if value is not None}
    return [present(value) for value in facts] if isinstance(facts, list | tuple) else facts


def verdict(facts: Facts) -> Section:
    """The headline, its sentences, and the table of arms."""
    found = facts.get("verdict") or {}
    return {
        "headline": labels.headline(facts),
        "words": list(found.get("words") or []),
        "table": _arms_table(facts.get("comparison") or {}),
        "metrics": _metrics_tables(facts.get("comparison") or {}),
    }


def _effect_row(effect: Facts, scale: interval_plot.Scale) -> dict[str, Any]:
    low, high = effect.get("low"), effect.get("high")
    bounded = low is not None and high is not None  # else the baseline is too near 0 for a share of it to mean anything
    return {
        "arm": effect.get("arm", ""),
        "segment": effect.get("segment", ""),
        "mean": _fixed(effect.get("mean")),
        "lift": _percent(effect.get("lift") if bounded else None),
        "interval": f"{_percent(low)} to {_percent(high)}" if bounded else "",
        "drawing": interval_plot.drawing(effect, scale),
        "p": probability(effect.get("p_holm", effect.get("p"))),
        "shares": _shares(effect),
        "verdict": effect.get("verdict", ""),
        "light": labels.light(effect.get("verdict")),
        "sign": labels.SIGNS[labels.light(effect.get("verdict"))],
        "words": effect.get("words", ""),
        "users": number(effect.get("users")),
    }


def _percent(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _fixed(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}".replace("-", "−")


def _shares(effect: Facts) -> str:
    if effect.get("better") is None:
        return ""
    better, worse = (percent(effect.get(name) or 0.0, signed=False) for name in ("better", "worse"))
    return f"better for {better} of the users, worse for {worse}"


def _arms_table(comparison: Facts) -> Section:
    effects = comparison.get("effects") or []
    if not effects:
        return None
    smallest = float(comparison.get("smallest_lift") or 0.0)
    against = comparison.get("against_control") or []
    scale = interval_plot.Scale.of([*effects, *against], smallest)
    return {
        "metric": shown(comparison.get("metric", "")),
        "smallest": percent(smallest, signed=False),
        "baseline": effects[0].get("against", "baseline"),
        "baseline_mean": _fixed(effects[0].get("baseline_mean")),
        "rows": [_effect_row(effect, scale) for effect in effects],
        "control": comparison.get("control", "repeat"),
        "against_control": [_effect_row(effect, scale) for effect in against],
        "axis": interval_plot.axis(scale),
        "users": number(effects[0].get("users")),
        "seeds": number(effects[0].get("seeds")),
        "truth": _fixed(comparison["truth"]) if comparison.get("truth") is not None else "",
        "noise": _noise(effects),
    }


def _noise(effects: Sequence[Facts]) -> str:
    shares = [e["training_noise"] for e in effects if e.get("training_noise") is not None and (e.get("seeds") or 1) > 1]
    return percent(max(shares), signed=False) if shares else ""


def _metrics_tables(comparison: Facts) -> list[dict[str, Any]]:
    """Every metric: the mean of each arm and its lift; those of the whole catalogue, or of all rows, without a test."""
    tables, catalog = comparison.get("metrics") or {}, comparison.get("catalog") or {}
    first: dict[str, Facts] = {metric: effects[0] for metric, effects in tables.items() if effects}
    arms = list(dict.fromkeys(effect.get("arm", "") for effects in tables.values() for effect in effects))
    if len(first) + len(catalog) < 2:
        return []
    found = {(m, e.get("arm")): e for m, effects in tables.items() for e in effects}
    baseline = str(next(iter(first.values())).get("against", "baseline")) if first else "baseline"
    rows: list[dict[str, Any]] = [
        {"arm": baseline, "cells": [_untested(e.get("baseline_mean")) for e in first.values()]}
    ]
    rows += [{"arm": arm, "cells": [_cell(found.get((metric, arm)) or {}) for metric in first]} for arm in arms]
    for row in rows:
        row["cells"] += [_untested((values or {}).get(row["arm"])) for values in catalog.values()]
    names = [shown(name) for name in (*first, *catalog)]
    wide = -(-len(names) // -(-len(names) // MOST_COLUMNS))  # tables of about the same width
    return [
        {"names": names[low : low + wide], "rows": [row | {"cells": row["cells"][low : low + wide]} for row in rows]}
        for low in range(0, len(names), wide)
    ]


def _untested(mean: float | None) -> dict[str, str]:
    return {"mean": _fixed(mean), "lift": "", "light": "", "verdict": ""}


def _cell(effect: Facts) -> dict[str, str]:
    shown = {"mean": _fixed(effect.get("mean")), "lift": _percent(effect.get("lift"))}
    return shown | {"light": labels.light(effect.get("verdict")), "verdict": str(effect.get("verdict", ""))}


def whom(facts: Facts) -> Section:
    """Segments: for each way of grouping, each group with its arms."""
    comparison = facts.get("comparison") or {}
    effects = comparison.get("segments") or []
    if not effects:
        return None
    scale = interval_plot.Scale.of(effects, float(comparison.get("smallest_lift") or 0.0))
    tables: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for effect in effects:
        groups = tables.setdefault(str(effect.get("by", "")), {})
        groups.setdefault(str(effect.get("segment", "")), []).append(_effect_row(effect, scale))
    return {"metric": shown(comparison.get("metric", "")), "tables": tables, "axis": interval_plot.axis(scale)}


def made(facts: Facts) -> Section:
    """What each arm's plan did to the rows."""
    arms = [_arm(arm) for arm in facts.get("arms") or [] if arm.get("steps") or arm.get("rows_new")]
    return {"arms": arms} if arms else None


def _arm(arm: Facts) -> dict[str, Any]:
    return {
        "name": arm.get("name", ""),
        "combine": arm.get("combine", ""),
        "rows": [(text, number(arm.get(key))) for key, text in _ROWS if arm.get(key) is not None],
        "steps": [_step(step) for step in arm.get("steps") or []],
        "galleries": galleries(arm),
        "previews": [_preview(one) for one in (arm.get("previews") or [])[:MOST_PREVIEWS]],
    }


_ROWS = (("rows_real", "real rows"), ("rows_new", "new rows"))


def _step(step: Facts) -> dict[str, Any]:
    return {
        "index": step.get("index", ""),
        "use": step.get("use", ""),
        "text": step.get("text") or step.get("use", ""),
        "how": " · ".join(
            [str(step[name]).replace("_", " ") for name in ("mode", "when") if step.get(name)] + _stage(step)
        ),
        "weight": number(step.get("weight")),
        "made": number(step.get("made")),
        "unchanged": _reasons(step.get("unchanged")),
        "refused": _reasons(step.get("refused")),
    }


def _stage(step: Facts) -> list[str]:
    """When in training it acts, and how many rows each round made, where it does not act the same all the time."""
    share, rounds = step.get("during") or [], step.get("rounds") or []
    told = [f"from {100 * share[0]:.0f} % to {100 * share[1]:.0f} %"] if len(share) == 2 else []
    return told + ([" + ".join(map(number, rounds)) + " rows"] if rounds else [])


def _reasons(counts: Any) -> list[tuple[str, str]]:
    if isinstance(counts, int):
        return [("", number(counts))]
    return [(_reason(str(reason)), number(n)) for reason, n in (counts or {}).items() if n]


def _reason(text: str) -> str:
    """A name as words; a sentence or a rule of the shop stays, with the names of columns in it."""
    return text if " " in text else text.replace("_", " ")


def _preview(preview: Facts) -> dict[str, Any]:
    before, after = list(preview.get("before") or []), list(preview.get("after") or [])
    changed = {int(place) for place in preview.get("changed") or []}
    left = Counter(before) - Counter(after)
    gone = []
    for name in before:
        gone.append(left[name] > 0)
        left[name] -= 1
    return {
        "step": preview.get("step", ""),
        "before": [{"name": n, "mark": mark} for n, mark in zip(before, gone, strict=True)][-MOST_NAMES:],
        "after": [{"name": n, "mark": place in changed} for place, n in enumerate(after)][-MOST_NAMES:],
        "cut": {"before": len(before) > MOST_NAMES, "after": len(after) > MOST_NAMES},
    }


def health(facts: Facts) -> Section:
    """The log before training: facts, what cleaning touched, plots, the split."""
    data = facts.get("data") or {}
    found = data.get("health") or {}
    plots = _plots(found)
    section: dict[str, Any] = {
        "tiles": scalars(found, skip=[plot["key"] for plot in plots]),
        "reading": scalars(data.get("reading") or {}),
        "cleaning": [_rule(rule) for rule in data.get("cleaning") or []],
        "split": scalars(data.get("split") or {}),
        "oddities": [str(one.get("words", "")) for one in data.get("oddities") or []],
        "plots": plots,
    }
    return section if any(section.values()) else None


def _rule(rule: Facts) -> dict[str, Any]:
    return {
        "rule": label(str(rule.get("rule", ""))),
        "touched": number(rule.get("touched")),
        "dropped": number(rule.get("dropped")),
        "examples": [line(example) for example in (rule.get("examples") or [])[:MOST_EXAMPLES]],
        "note": rule.get("note") or "",
    }


def _by_rank(found: charts.Points, x_title: str, y_title: str, told: str) -> Any:
    return charts.line(found, x_title, y_title, told, logarithmic=True)


_PLOTS: tuple[tuple[str, tuple[str, ...], Any, tuple[str, str]], ...] = (
    ("How long histories are", ("length_histogram", "lengths"), charts.bars, ("events of a history", "histories")),
    ("How popularity is spread", ("popularity",), _by_rank, ("rank of the item", "events")),
    ("When it happened", ("per_day", "days"), charts.line, ("day", "events")),
    ("Hours of the day", ("hours", "per_hour"), charts.bars, ("hour", "events")),
)
"""(title, names that the facts may use, drawing, titles of the axes)."""


def _plots(found: Facts) -> list[dict[str, Any]]:
    """Those of the plots whose facts are there; `key` is the name that was drawn."""
    plots = []
    for title, keys, draw, titles in _PLOTS:
        drawn = ((key, charts.points(found.get(key))) for key in keys)
        key, table = next(((key, table) for key, table in drawn if len(table) > 1), ("", []))
        if key:
            told = f"{title}: {titles[1]} by {titles[0]}, largest {number(max(y for _, y in table))}"
            plots.append({"key": key, "title": title, "svg": draw(table, *titles, told)})
    return plots


def learning(facts: Facts) -> Section:
    """How training went: curves, and one line a fit."""
    fits = facts.get("fits") or []
    if not fits:
        return None
    kinds = (
        ("valid_ndcg", "NDCG on validation"),
        ("minus_valid_log_loss", "Minus log loss on validation"),
        ("loss", "Loss in training"),
    )
    plots = [{"title": title, "svg": _curves(fits, key, title)} for key, title in kinds]
    return {"plots": [plot for plot in plots if plot["svg"]], "fits": [_fit(fit) for fit in fits]}


def _curves(fits: Sequence[Facts], key: str, title: str) -> Any:
    series = []
    for fit in fits:
        looked = [point for point in fit.get("curve") or [] if _has(point, key) and _has(point, "step")]
        curve: charts.Points = [(float(point["step"]), float(point[key])) for point in looked]
        if len(curve) > 1:
            series.append((str(fit.get("arm", "")), str(fit.get("seed", "")), curve))
    if not series:
        return ""
    return charts.curves(series, f"{title} by optimiser step, {len(series)} trainings")


def _has(point: Facts, key: str) -> bool:
    value = point.get(key)
    return isinstance(value, int | float) and math.isfinite(value)


def _fit(fit: Facts) -> dict[str, str]:
    return {
        "arm": str(fit.get("arm", "")),
        "seed": str(fit.get("seed", "")),
        "seconds": seconds(fit.get("seconds")),
        "steps": number(fit.get("steps")),
        "targets": number(fit.get("targets")),
        "peak": named("peak_mb", fit.get("peak_mb")),
        "stopped": str(fit.get("stopped") or ""),
    }


def cost(facts: Facts) -> Section:
    """Seconds of each stage, rows, memory."""
    found = facts.get("cost") or {}
    stages = {stage: s for stage, s in (found.get("seconds") or {}).items() if isinstance(s, int | float)}
    whole = sum(stages.values()) or 1.0
    bars = [
        {"stage": label(stage), "seconds": seconds(s), "share": round(100 * s / whole, 1)}
        for stage, s in stages.items()
    ]
    tiles = scalars(found, skip=("seconds",))
    return {"bars": bars, "tiles": tiles} if bars or tiles else None


def repeat(facts: Facts) -> Section:
    """How to run it again."""
    found = facts.get("repeat") or {}
    section = {
        "command": found.get("command", ""),
        "fingerprint": found.get("fingerprint", ""),
        "versions": [(str(name), number(version)) for name, version in (found.get("versions") or {}).items()],
        "machine": scalars(found.get("machine") or {}),
    }
    return section if any(section.values()) else None


SECTIONS = (
    ("verdict", "Verdict", verdict),
    ("study", "Curve", study),
    ("whom", "Whom", whom),
    ("chances", "Chances", ctr_section.chances),
    ("made", "What was made", made),
    ("judging", "How good", quality_section.judging),
    ("health", "Data", health),
    ("learning", "Learning", learning),
    ("decisions", "Decisions", controller_section.section),
    ("cost", "Cost", cost),
    ("repeat", "Repeat", repeat),
    ("glossary", "Glossary", lambda facts: {"entries": labels.glossary(facts)}),
)
"""(anchor, title in the navigation, facts -> section), in the order of the page."""
