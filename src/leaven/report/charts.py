"""How does a table of figures look as a picture?

Vega-Lite charts turned into inline SVG without a browser or a network. Colours are stand-ins that the
page's style replaces with its own variables, so that one picture serves light and dark.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import vl_convert
from altair.utils.schemapi import debug_mode
from markupsafe import Markup, escape

Points = list[tuple[float | str, float]]

WIDTH, HEIGHT = 400, 170
MOST_POINTS, MOST_BARS = 200, 60
_INK, _SOFT, _LINE, _SERIES_1 = "#010101", "#020202", "#030303", "#040401"
_VARIABLES = {_INK: "ink", _SOFT: "soft", _LINE: "line"}
SERIES = 6
SIDES: Mapping[str, str] = {"training": _SOFT, "held out": "#040401", "new": "#040402"}
"""whose shares are overlaid -> its colour"""


def points(table: Any) -> Points:
    """(x, y) pairs of what facts call a histogram or a series, in any of its usual shapes.

    A mapping from numbers or dates to counts; a list of pairs; a list of records with two values;
    {"edges": …, "counts": …} or two columns of equal length under any names; a plain list of counts, which
    are numbered from 1. Others give no points.

    >>> points({"3": 10, "4": 5}), points([[1, 2.0]]), points({"edges": [0, 5, 9], "counts": [7, 8]})
    ([(3.0, 10.0), (4.0, 5.0)], [(1.0, 2.0)], [(0.0, 7.0), (5.0, 8.0)])
    """
    if isinstance(table, Mapping):
        columns = [column for column in table.values() if isinstance(column, list | tuple)]
        if columns:
            return _pairs(zip(columns[0], columns[1], strict=False)) if len(columns) > 1 else points(columns[0])
        return _pairs(table.items()) if all(_PLACE.fullmatch(str(x)) for x in table) else []
    if not isinstance(table, list | tuple) or not table:
        return []
    if isinstance(table[0], Mapping):
        return _pairs(tuple(record.values())[:2] for record in table if len(record) >= 2)
    if isinstance(table[0], list | tuple):
        return _pairs(pair[:2] for pair in table if len(pair) >= 2)
    return _pairs(enumerate(table, 1))


_PLACE = re.compile(r"-?\d+(\.\d+)?|\d{4}-\d{2}(-\d{2})?.*")
"""A number, or a date: what a count can stand over."""


def _pairs(pairs: Any) -> Points:
    return [(_x(x), float(y)) for x, y in pairs if isinstance(y, int | float) and math.isfinite(y)]


def _x(value: Any) -> float | str:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def bars(found: Points, x_title: str, y_title: str, told: str) -> Markup:
    """A histogram. told: what a person who cannot see it should hear."""
    values = [{"x": _tick(x), "y": y} for x, y in classes(found)]
    ticks = [value["x"] for value in values][:: max(1, -(-len(values) // 8))]
    x = alt.X("x:O", title=x_title, sort=None, axis=alt.Axis(values=ticks, labelAngle=0))
    chart = alt.Chart(alt.Data(values=values)).mark_bar(color=_series(0))
    return _drawn(chart.encode(x=x, y=alt.Y("y:Q", title=y_title)), told)


def line(found: Points, x_title: str, y_title: str, told: str, logarithmic: bool = False) -> Markup:
    """A series. logarithmic: both axes (for popularity by rank); places without a count are left out."""
    kept = [(x, y) for x, y in found if not logarithmic or (isinstance(x, float) and x > 0 and y > 0)]
    values = [{"x": x, "y": y} for x, y in (_spread(kept) if logarithmic else averaged(kept))]
    kind = "Q" if all(isinstance(value["x"], float) for value in values) else "T"
    scale = {"scale": alt.Scale(type="log")} if logarithmic else {}
    x = alt.X(f"x:{kind}", title=x_title, axis=_sparse(logarithmic, kind), **scale)
    y = alt.Y("y:Q", title=y_title, axis=_sparse(logarithmic, "Q"), **scale)
    chart = alt.Chart(alt.Data(values=values)).mark_line(color=_series(0), strokeWidth=1.75)
    return _drawn(chart.encode(x=x, y=y), told)


def curves(series: Sequence[tuple[str, str, Points]], told: str) -> Markup:
    """Learning curves: (arm, seed, points) each; arms differ by colour, seeds of an arm share it."""
    values = [{"x": x, "y": y, "arm": arm, "seed": seed} for arm, seed, one in series for x, y in thinned(one)]
    arms = list(dict.fromkeys(arm for arm, _, _ in series))
    colours = [_series(place) for place in range(len(arms))]
    legend = alt.Legend(orient="bottom", title=None, columns=2, labelLimit=150, columnPadding=24, symbolStrokeWidth=2.5)
    chart = alt.Chart(alt.Data(values=values)).mark_line(strokeWidth=1.75)
    chart = chart.encode(
        x=alt.X("x:Q", title="optimiser steps", axis=alt.Axis(tickCount=5, format="~s")),
        y=alt.Y("y:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
        color=alt.Color("arm:N", scale=alt.Scale(domain=arms, range=colours), legend=legend),
        detail="seed:N",
    )
    return _drawn(chart, told)


@dataclass(frozen=True)
class Response:
    """A curve with intervals. points: (x, y, low, high); level: a line to hold it against; marks: (x, a few words)."""

    points: Sequence[tuple[float, float, float, float]]
    level: float | None = None
    marks: Sequence[tuple[float, str]] = ()


def response(found: Response, x_title: str, y_title: str, told: str, share: bool = False) -> Markup:
    """Points joined by a line, their intervals as a band; marks stand above as upright lines. share: y in per cent."""
    values = [{"x": x, "y": y, "low": low, "high": high} for x, y, low, high in found.points]
    data = alt.Chart(alt.Data(values=values))
    axis = alt.Axis(tickCount=5, format="+.1%") if share else alt.Axis(tickCount=5)
    x = alt.X("x:Q", title=x_title, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(zero=False), axis=axis)
    layers: list[Any] = [
        data.mark_area(color=_series(0), opacity=0.18).encode(x=x, y=alt.Y("low:Q", title=y_title), y2="high:Q"),
        data.mark_line(color=_series(0), strokeWidth=1.75).encode(x=x, y=y),
        data.mark_point(color=_series(0), filled=True, size=34).encode(x=x, y=y),
    ]
    if found.level is not None:
        rule = alt.Chart(alt.Data(values=[{"y": found.level}])).mark_rule(color=_SOFT, strokeDash=[4, 3])
        layers.append(rule.encode(y="y:Q"))
    if found.marks:
        marked = alt.Chart(alt.Data(values=[{"x": place, "words": words} for place, words in found.marks]))
        layers.append(marked.mark_rule(color=_series(1), strokeDash=[2, 2]).encode(x="x:Q"))
        text = marked.mark_text(color=_INK, align="left", dx=4, baseline="top", fontSize=11)
        layers.append(text.encode(x="x:Q", y=alt.value(2), text="words:N"))
    return _drawn(alt.layer(*layers), told)


def against_diagonal(series: Sequence[tuple[str, Points]], x_title: str, y_title: str, told: str) -> Markup:
    """Curves of arms in the unit square's corner that they fill, with the line where both axes say the same."""
    values = [{"x": x, "y": y, "arm": arm} for arm, points in series for x, y in points]
    top = max([0.01, *(max(value["x"], value["y"]) for value in values)])
    arms = [arm for arm, _ in series]
    colours = alt.Scale(domain=arms, range=[_series(place) for place in range(len(arms))])
    legend = alt.Legend(orient="bottom", title=None, columns=2, labelLimit=150, columnPadding=24, symbolStrokeWidth=2.5)
    axis = alt.Scale(domain=[0, top])
    x = alt.X("x:Q", title=x_title, scale=axis, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=y_title, scale=axis, axis=alt.Axis(tickCount=5))
    curve = alt.Chart(alt.Data(values=values)).mark_line(strokeWidth=1.75, point={"size": 14})
    curve = curve.encode(x=x, y=y, color=alt.Color("arm:N", scale=colours, legend=legend))
    same = [{"x": 0.0, "y": 0.0}, {"x": top, "y": top}]
    line = alt.Chart(alt.Data(values=same)).mark_line(strokeWidth=1, strokeDash=[4, 4], color=_SOFT).encode(x=x, y=y)
    return _drawn(line + curve, told)


def overlay(found: Mapping[str, Any], told: str) -> Markup:
    """Shares of several sides over the same classes: one line a side.

    found: names of the classes (and `numbers` where they are places on a line), sides: name -> one share a class.
    """
    places, sides = found.get("numbers"), found["sides"]
    values = [
        {"x": x, "share": share, "side": side}
        for side, shares in sides.items()
        for x, share in zip(places or found["names"], shares, strict=False)
    ]
    domain = [side for side in SIDES if side in sides]
    legend = alt.Legend(orient="bottom", title=None, symbolStrokeWidth=2.5, symbolType="stroke")
    chart = alt.Chart(alt.Data(values=values)).mark_line(
        strokeWidth=1.75, interpolate="step-after" if places else "linear", point=not places
    )
    crowded = sum(map(len, found["names"])) > 36
    turned = alt.Axis(labelAngle=-40 if crowded and not places else 0, labelLimit=110, labelOverlap=True)
    x = alt.X("x:Q", axis=alt.Axis(tickCount=5)) if places else alt.X("x:O", sort=None, axis=turned)
    chart = chart.encode(
        x=x.title(found.get("unit", "")),
        y=alt.Y("share:Q", title="share", axis=alt.Axis(tickCount=4, format="~%")),
        color=alt.Color("side:N", scale=alt.Scale(domain=domain, range=[SIDES[one] for one in domain]), legend=legend),
        strokeDash=alt.StrokeDash(
            "side:N", scale=alt.Scale(domain=list(SIDES), range=[[2, 2], [1, 0], [1, 0]]), legend=None
        ),
    )
    return _drawn(chart, told)


def thinned(found: Points) -> Points:
    """At most so many points, evenly taken, the last one kept."""
    step = max(1, -(-len(found) // MOST_POINTS))
    kept = found[::step]
    return kept if not found or kept[-1] == found[-1] else [*kept, found[-1]]


def averaged(found: Points) -> Points:
    """At most so many points, each the mean of its neighbours, at the place of the first."""
    step = max(1, -(-len(found) // MOST_POINTS))
    runs = [found[start : start + step] for start in range(0, len(found), step)]
    return [(run[0][0], sum(y for _, y in run) / len(run)) for run in runs]


def classes(found: Points) -> Points:
    """The counts themselves; or, where they reach far, sums over classes that grow, at their first value.

    >>> classes([(1.0, 5.0), (2.0, 3.0)])
    [(1.0, 5.0), (2.0, 3.0)]
    >>> sum(count for _, count in classes([(float(x), 1.0) for x in range(1, 10_000)]))
    9999.0
    """
    numbers = [x for x, _ in found if isinstance(x, float)]
    if len(numbers) < len(found) or len(found) <= MOST_BARS:
        return averaged(found)
    low, high = max(min(numbers), 1.0), max(numbers) + 1
    edges = sorted({math.floor(low * (high / low) ** (step / MOST_BARS)) for step in range(MOST_BARS)})
    sums = dict.fromkeys(edges, 0.0)
    for x, y in found:
        sums[edges[max(bisect.bisect_right(edges, x) - 1, 0)]] += y
    return [(float(edge), count) for edge, count in sums.items()]


def _spread(found: Points) -> Points:
    """Points evenly taken on a logarithmic axis."""
    if len(found) <= MOST_POINTS:
        return found
    places = sorted({round(len(found) ** (step / (MOST_POINTS - 1))) - 1 for step in range(MOST_POINTS)})
    return [found[place] for place in places]


def _sparse(logarithmic: bool, kind: str) -> alt.Axis:
    if kind == "T":
        return alt.Axis(tickCount=5)
    return alt.Axis(tickCount=4, format="~s" if logarithmic else "~g") if logarithmic else alt.Axis(tickCount=5)


def _tick(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else value


def _series(place: int) -> str:
    """The stand-in of a series' colour; those of the seventh and later begin again."""
    return f"#0404{place % SERIES + 1:02x}"


def _drawn(chart: Any, told: str) -> Markup:
    """Inline SVG with the page's colours and fonts."""
    quiet = {"labelColor": _SOFT, "titleColor": _SOFT, "domainColor": _LINE, "tickColor": _LINE, "gridColor": _LINE}
    styled = (
        chart.properties(width=WIDTH, height=HEIGHT, background="transparent", padding=2)
        .configure_view(stroke=None)
        .configure_axis(**quiet, titleFontWeight="normal", labelFontSize=11, titleFontSize=11, titlePadding=6)
        .configure_axisX(grid=False)
        .configure_legend(labelColor=_INK, labelFontSize=11)
    )
    with debug_mode(False):  # the charts are ours: checking them against Vega-Lite's schema would take most of the time
        svg = vl_convert.vegalite_to_svg(styled.to_dict())
    return Markup(_themed(svg, told))


def _themed(svg: str, told: str) -> str:
    """The renderer's SVG with variables for colours, no fonts and no addresses of its own."""
    for stand_in, name in _VARIABLES.items():
        svg = svg.replace(f'"{stand_in}"', f'"var(--{name})"')
    svg = re.sub(r'"#0404(0\d)"', lambda found: f'"var(--series-{int(found[1], 16)})"', svg)
    svg = re.sub(r' (font-family|xmlns(:xlink)?)="[^"]*"', "", svg)
    svg = re.sub(r' aria-(label|roledescription|hidden)="[^"]*"', "", svg)
    svg = re.sub(r' role="graphics-[a-z]+"', "", svg)
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    wide = size[1] if size else str(WIDTH)
    opening = f'<svg role="img" aria-label="{escape(told)}" style="max-width:{wide}px"'
    return re.sub(r'<svg version="1.1" class="marks" width="[\d.]+" height="[\d.]+"', lambda _: opening, svg, count=1)
