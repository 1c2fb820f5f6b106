"""The HTML page of a plan search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from markupsafe import Markup, escape

from leaven.facts import EffectFacts
from leaven.report.html import load_environment, load_style
from leaven.report.interval_plot import AxisScale, draw_axis, draw_interval
from leaven.report.number_format import format_number, format_seconds, list_scalars
from leaven.stats.effect import HARMED, format_percent
from leaven.translation import get_translator

WIDTH, HEIGHT, MARGIN = 640, 240, 34
_STATUS = {"stays": "stays to the end", "leaves": "left"}


def render_search(facts: Mapping[str, Any], name: str = "auto", language: str = "en") -> str:
    """One self-contained page: no script, no address that a browser would fetch. facts: `SearchResult.to_json()`."""
    last = _find_last_standings(facts["race"])
    reasons = {one["name"]: one["reason"] for one in facts["candidates"]}
    scale = AxisScale.from_effects([_build_effect(one) for one in last.values()], 0.01)
    rows = [_describe_row(one, scale, reasons, facts["baseline"]) for one in _sort_standings(last)]
    confirmed = facts["confirmation"]
    lifts = [confirmed["lift"], *confirmed["segments"]] if confirmed else []
    segment_scale = AxisScale.from_effects([_build_effect(one) for one in lifts], 0.01)
    return (
        load_environment()
        .get_template("search.html.j2")
        .render(
            facts=facts,
            name=name,
            version=_find_version(),
            _=get_translator(language),
            style=load_style(),
            candidates=rows,
            axis=draw_axis(scale),
            chart=draw_race(facts["race"]),
            segments=[_describe_segment(one, segment_scale) for one in lifts],
            segment_axis=draw_axis(segment_scale),
            rivals=[
                {**one, "mean": format_number(one["mean"]), "seconds": format_seconds(one["seconds"])}
                for one in facts["rivals"]
            ],
            profile=list_scalars(facts["profile"]),
            seconds=format_number(round(facts["seconds"] / 60, 1)),
        )
    )


def _find_version() -> str:
    try:
        return version("leaven")
    except PackageNotFoundError:
        return ""


def _find_last_standings(race: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Name of a candidate -> its standing in the last round that it entered."""
    return {one["name"]: one for one in race}


def _sort_standings(last: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(
        last.values(), key=lambda one: (-one["rung"], -(one["lift"] if one["lift"] is not None else -math.inf))
    )


def _describe_row(
    one: Mapping[str, Any], scale: AxisScale, reasons: Mapping[str, str], baseline: str
) -> dict[str, Any]:
    lift = one["lift"]
    return {
        "name": one["name"],
        "reason": reasons.get(one["name"], ""),
        "is_base": one["name"] in (baseline, "repeat"),
        "rung": one["rung"],
        "effort": f"{one['fraction']:.0%} × {one['n_seeds']}",
        "seconds": format_number(round(one["seconds"], 1)),
        "lift": "" if lift is None or one["name"] == baseline else format_percent(lift),
        "drawn": Markup("")
        if one["name"] == baseline
        else draw_interval(_build_effect({**one, "verdict": HARMED if one["status"] == "harms" else ""}), scale),
        "status": _STATUS.get(one["status"], one["status"]),
        "note": one["note"],
    }


def _build_effect(one: Mapping[str, Any]) -> EffectFacts:
    """Lift and interval of a standing or a group, as an effect that can be drawn."""
    by_seed, verdict = one.get("lift_by_seed", ()), one.get("verdict") or ""
    low, high = one.get("low"), one.get("high")
    return EffectFacts("", "", "", lift=one["lift"], low=low, high=high, lift_by_seed=tuple(by_seed), verdict=verdict)


def _describe_segment(one: Mapping[str, Any], scale: AxisScale) -> dict[str, Any]:
    return {
        "group": one["group"],
        "users": format_number(one["users"]),
        "mean": format_number(one["mean"]),
        "lift": "" if one["lift"] is None else format_percent(one["lift"]),
        "drawn": draw_interval(_build_effect(one), scale),
    }


def draw_race(race: Sequence[Mapping[str, Any]]) -> Markup:
    """An SVG of the lifts over the seconds used, one line per candidate."""
    points: dict[str, list[tuple[float, float]]] = {}
    clock = 0.0
    spent: dict[str, float] = {}
    for one in race:
        clock += max(one["seconds"] - spent.get(one["name"], 0.0), 0.0)
        spent[one["name"]] = one["seconds"]
        if one["lift"] is not None and one["status"] not in ("baseline",):
            points.setdefault(one["name"], []).append((clock, one["lift"]))
    if not points:
        return Markup("")
    lifts = [lift for line in points.values() for _, lift in line] + [0.0]
    low, high = min(lifts), max(lifts)
    span = (high - low) or 1.0

    def place(seconds: float, lift: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * seconds / (clock or 1.0)
        return round(x, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (lift - low) / span, 1)

    zero = place(0.0, 0.0)[1]
    parts = [
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{zero}" y2="{zero}" '
        'stroke="var(--soft)" stroke-dasharray="2 2"/>',
        f'<text x="{MARGIN}" y="{zero - 5}" fill="var(--soft)" font-size="11">baseline</text>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 8}" text-anchor="end" fill="var(--soft)" font-size="11">'
        f"{format_seconds(clock)} of training</text>",
    ]
    for name, line in points.items():
        tone = "var(--helped)" if line[-1][1] > 0 else "var(--harmed)"
        path = " ".join(f"{x},{y}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{tone}" stroke-width="1.5"/>')
        parts += [
            f'<circle cx="{place(*point)[0]}" cy="{place(*point)[1]}" r="3" fill="{tone}">'
            f"<title>{escape(name)} {escape(format_percent(point[1]))}</title></circle>"
            for point in line
        ]
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="lift of each candidate over training time">'
    return Markup(head + "".join(parts) + "</svg>")
