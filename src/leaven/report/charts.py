"""Charts as inline SVG.

Vega-Lite charts are rendered without a browser or a network. Colors are placeholders that are replaced by the
variables of the page's style, so that one chart serves light and dark mode.
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

from leaven.modalities.histograms import Distribution

Points = list[tuple[float | str, float]]

WIDTH, HEIGHT = 400, 170
MAX_POINTS, MAX_BARS = 200, 60
_INK, _SOFT, _LINE, _SERIES_1 = "#010101", "#020202", "#030303", "#040401"
_VARIABLES = {_INK: "ink", _SOFT: "soft", _LINE: "line"}
N_COLORS = 6
SIDE_COLORS: Mapping[str, str] = {"training": _SOFT, "held out": "#040401", "new": "#040402"}
"""Name of a distribution -> its color."""


def parse_points(table: Any) -> Points:
    """The (x, y) pairs of a histogram or series in the facts, in any of the usual forms.

    A mapping from numbers or dates to counts; a list of pairs; a list of records with two values;
    {"edges": …, "counts": …} or two columns of equal length under any names; a plain list of counts, which
    are numbered from 1. Other values give no points.

    >>> parse_points({"3": 10, "4": 5}), parse_points([[1, 2.0]]), parse_points({"edges": [0, 5, 9], "counts": [7, 8]})
    ([(3.0, 10.0), (4.0, 5.0)], [(1.0, 2.0)], [(0.0, 7.0), (5.0, 8.0)])
    """
    if isinstance(table, Mapping):
        columns = [column for column in table.values() if isinstance(column, list | tuple)]
        if columns:
            return (
                _clean_pairs(zip(columns[0], columns[1], strict=False))
                if len(columns) > 1
                else parse_points(columns[0])
            )
        return _clean_pairs(table.items()) if all(_NUMBER_OR_DATE.fullmatch(str(x)) for x in table) else []
    if not isinstance(table, list | tuple) or not table:
        return []
    if isinstance(table[0], Mapping):
        return _clean_pairs(tuple(record.values())[:2] for record in table if len(record) >= 2)
    if isinstance(table[0], list | tuple):
        return _clean_pairs(pair[:2] for pair in table if len(pair) >= 2)
    return _clean_pairs(enumerate(table, 1))


_NUMBER_OR_DATE = re.compile(r"-?\d+(\.\d+)?|\d{4}-\d{2}(-\d{2})?.*")
"""A number or a date, as a valid x value."""


def _clean_pairs(pairs: Any) -> Points:
    return [(_parse_x(x), float(y)) for x, y in pairs if isinstance(y, int | float) and math.isfinite(y)]


def _parse_x(value: Any) -> float | str:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def draw_bars(found: Points, x_title: str, y_title: str, alt_text: str) -> Markup:
    """A histogram. `alt_text`: its text for screen readers."""
    values = [{"x": _format_tick(x), "y": y} for x, y in bin_counts(found)]
    ticks = [value["x"] for value in values][:: max(1, -(-len(values) // 8))]
    x = alt.X("x:O", title=x_title, sort=None, axis=alt.Axis(values=ticks, labelAngle=0))
    chart = alt.Chart(alt.Data(values=values)).mark_bar(color=_pick_color(0))
    return _render_svg(chart.encode(x=x, y=alt.Y("y:Q", title=y_title)), alt_text)


def draw_logarithmic_line(found: Points, x_title: str, y_title: str, alt_text: str) -> Markup:
    """A series on two logarithmic axes, without points that are not positive."""
    return draw_line(found, x_title, y_title, alt_text, logarithmic=True)


def draw_line(found: Points, x_title: str, y_title: str, alt_text: str, logarithmic: bool = False) -> Markup:
    """A series. logarithmic: both axes, without points that are not positive."""
    kept = [(x, y) for x, y in found if not logarithmic or (isinstance(x, float) and x > 0 and y > 0)]
    values = [{"x": x, "y": y} for x, y in (_thin_logarithmic(kept) if logarithmic else average_points(kept))]
    kind = "Q" if all(isinstance(value["x"], float) for value in values) else "T"
    scale = {"scale": alt.Scale(type="log")} if logarithmic else {}
    x = alt.X(f"x:{kind}", title=x_title, axis=_make_axis(logarithmic, kind), **scale)
    y = alt.Y("y:Q", title=y_title, axis=_make_axis(logarithmic, "Q"), **scale)
    chart = alt.Chart(alt.Data(values=values)).mark_line(color=_pick_color(0), strokeWidth=1.75)
    return _render_svg(chart.encode(x=x, y=y), alt_text)


def draw_curves(series: Sequence[tuple[str, str, Points]], alt_text: str) -> Markup:
    """Learning curves: (variant, seed, points) each; variants differ by color, seeds of a variant share it."""
    values = [
        {"x": x, "y": y, "variant": variant, "seed": seed} for variant, seed, one in series for x, y in thin_points(one)
    ]
    variants = list(dict.fromkeys(variant for variant, _, _ in series))
    colors = [_pick_color(index) for index in range(len(variants))]
    legend = alt.Legend(orient="bottom", title=None, columns=2, labelLimit=150, columnPadding=24, symbolStrokeWidth=2.5)
    chart = alt.Chart(alt.Data(values=values)).mark_line(strokeWidth=1.75)
    chart = chart.encode(
        x=alt.X("x:Q", title="optimizer steps", axis=alt.Axis(tickCount=5, format="~s")),
        y=alt.Y("y:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
        color=alt.Color("variant:N", scale=alt.Scale(domain=variants, range=colors), legend=legend),
        detail="seed:N",
    )
    return _render_svg(chart, alt_text)


@dataclass(frozen=True)
class ResponseCurve:
    """A curve with intervals. points: (x, y, low, high); level: a horizontal reference line; marks: (x, label)."""

    points: Sequence[tuple[float, float, float, float]]
    level: float | None = None
    marks: Sequence[tuple[float, str]] = ()


def draw_response(curve: ResponseCurve, x_title: str, y_title: str, alt_text: str, share: bool = False) -> Markup:
    """A line through points, with their intervals as a band and marks as vertical lines. share: y in percent."""
    values = [{"x": x, "y": y, "low": low, "high": high} for x, y, low, high in curve.points]
    data = alt.Chart(alt.Data(values=values))
    axis = alt.Axis(tickCount=5, format="+.1%") if share else alt.Axis(tickCount=5)
    x = alt.X("x:Q", title=x_title, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(zero=False), axis=axis)
    layers: list[Any] = [
        data.mark_area(color=_pick_color(0), opacity=0.18).encode(x=x, y=alt.Y("low:Q", title=y_title), y2="high:Q"),
        data.mark_line(color=_pick_color(0), strokeWidth=1.75).encode(x=x, y=y),
        data.mark_point(color=_pick_color(0), filled=True, size=34).encode(x=x, y=y),
    ]
    if curve.level is not None:
        rule = alt.Chart(alt.Data(values=[{"y": curve.level}])).mark_rule(color=_SOFT, strokeDash=[4, 3])
        layers.append(rule.encode(y="y:Q"))
    if curve.marks:
        marked = alt.Chart(alt.Data(values=[{"x": x, "label": label} for x, label in curve.marks]))
        layers.append(marked.mark_rule(color=_pick_color(1), strokeDash=[2, 2]).encode(x="x:Q"))
        text = marked.mark_text(color=_INK, align="left", dx=4, baseline="top", fontSize=11)
        layers.append(text.encode(x="x:Q", y=alt.value(2), text="label:N"))
    return _render_svg(alt.layer(*layers), alt_text)


def draw_calibration(series: Sequence[tuple[str, Points]], x_title: str, y_title: str, alt_text: str) -> Markup:
    """Curves of variants over equal axes from 0, with the diagonal."""
    values = [{"x": x, "y": y, "variant": variant} for variant, points in series for x, y in points]
    top = max([0.01, *(max(value["x"], value["y"]) for value in values)])
    variants = [variant for variant, _ in series]
    colors = alt.Scale(domain=variants, range=[_pick_color(index) for index in range(len(variants))])
    legend = alt.Legend(orient="bottom", title=None, columns=2, labelLimit=150, columnPadding=24, symbolStrokeWidth=2.5)
    axis = alt.Scale(domain=[0, top])
    x = alt.X("x:Q", title=x_title, scale=axis, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=y_title, scale=axis, axis=alt.Axis(tickCount=5))
    curve = alt.Chart(alt.Data(values=values)).mark_line(strokeWidth=1.75, point={"size": 14})
    curve = curve.encode(x=x, y=y, color=alt.Color("variant:N", scale=colors, legend=legend))
    same = [{"x": 0.0, "y": 0.0}, {"x": top, "y": top}]
    line = alt.Chart(alt.Data(values=same)).mark_line(strokeWidth=1, strokeDash=[4, 4], color=_SOFT).encode(x=x, y=y)
    return _render_svg(line + curve, alt_text)


def draw_overlay(found: Distribution, alt_text: str) -> Markup:
    """Distributions over the same bins, one line each."""
    numbers, sides = found.edges, found.shares
    values = [
        {"x": x, "share": share, "side": side}
        for side, shares in sides.items()
        for x, share in zip(numbers or found.names, shares, strict=False)
    ]
    domain = [side for side in SIDE_COLORS if side in sides]
    legend = alt.Legend(orient="bottom", title=None, symbolStrokeWidth=2.5, symbolType="stroke")
    chart = alt.Chart(alt.Data(values=values)).mark_line(
        strokeWidth=1.75, interpolate="step-after" if numbers else "linear", point=not numbers
    )
    crowded = sum(map(len, found.names)) > 36
    turned = alt.Axis(labelAngle=-40 if crowded and not numbers else 0, labelLimit=110, labelOverlap=True)
    x = alt.X("x:Q", axis=alt.Axis(tickCount=5)) if numbers else alt.X("x:O", sort=None, axis=turned)
    chart = chart.encode(
        x=x.title(found.unit),
        y=alt.Y("share:Q", title="share", axis=alt.Axis(tickCount=4, format="~%")),
        color=alt.Color(
            "side:N", scale=alt.Scale(domain=domain, range=[SIDE_COLORS[one] for one in domain]), legend=legend
        ),
        strokeDash=alt.StrokeDash(
            "side:N", scale=alt.Scale(domain=list(SIDE_COLORS), range=[[2, 2], [1, 0], [1, 0]]), legend=None
        ),
    )
    return _render_svg(chart, alt_text)


def thin_points(found: Points) -> Points:
    """At most MAX_POINTS points, evenly chosen, with the last one."""
    step = max(1, -(-len(found) // MAX_POINTS))
    kept = found[::step]
    return kept if not found or kept[-1] == found[-1] else [*kept, found[-1]]


def average_points(found: Points) -> Points:
    """At most MAX_POINTS points, each the mean of neighbors, at the x of the first."""
    step = max(1, -(-len(found) // MAX_POINTS))
    runs = [found[start : start + step] for start in range(0, len(found), step)]
    return [(run[0][0], sum(y for _, y in run) / len(run)) for run in runs]


def bin_counts(found: Points) -> Points:
    """The counts themselves; for a wide range, sums over bins of growing width, at their first value.

    >>> bin_counts([(1.0, 5.0), (2.0, 3.0)])
    [(1.0, 5.0), (2.0, 3.0)]
    >>> sum(count for _, count in bin_counts([(float(x), 1.0) for x in range(1, 10_000)]))
    9999.0
    """
    numbers = [x for x, _ in found if isinstance(x, float)]
    if len(numbers) < len(found) or len(found) <= MAX_BARS:
        return average_points(found)
    low, high = max(min(numbers), 1.0), max(numbers) + 1
    edges = sorted({math.floor(low * (high / low) ** (step / MAX_BARS)) for step in range(MAX_BARS)})
    sums = dict.fromkeys(edges, 0.0)
    for x, y in found:
        sums[edges[max(bisect.bisect_right(edges, x) - 1, 0)]] += y
    return [(float(edge), count) for edge, count in sums.items()]


def _thin_logarithmic(found: Points) -> Points:
    """Points evenly chosen on a logarithmic axis."""
    if len(found) <= MAX_POINTS:
        return found
    indices = sorted({round(len(found) ** (step / (MAX_POINTS - 1))) - 1 for step in range(MAX_POINTS)})
    return [found[index] for index in indices]


def _make_axis(logarithmic: bool, kind: str) -> alt.Axis:
    if kind == "T":
        return alt.Axis(tickCount=5)
    return alt.Axis(tickCount=4, format="~s" if logarithmic else "~g") if logarithmic else alt.Axis(tickCount=5)


def _format_tick(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else value


def _pick_color(index: int) -> str:
    """The placeholder of a series' color; the seventh series gets the first color again."""
    return f"#0404{index % N_COLORS + 1:02x}"


def _render_svg(chart: Any, alt_text: str) -> Markup:
    """Inline SVG with the page's colors and fonts."""
    quiet = {"labelColor": _SOFT, "titleColor": _SOFT, "domainColor": _LINE, "tickColor": _LINE, "gridColor": _LINE}
    styled = (
        chart.properties(width=WIDTH, height=HEIGHT, background="transparent", padding=2)
        .configure_view(stroke=None)
        .configure_axis(**quiet, titleFontWeight="normal", labelFontSize=11, titleFontSize=11, titlePadding=6)
        .configure_axisX(grid=False)
        .configure_legend(labelColor=_INK, labelFontSize=11)
    )
    with debug_mode(False):  # validation against Vega-Lite's schema would take most of the time
        svg = vl_convert.vegalite_to_svg(styled.to_dict())
    return Markup(_apply_theme(svg, alt_text))


def _apply_theme(svg: str, alt_text: str) -> str:
    """The renderer's SVG with variables for colors, without fonts and addresses."""
    for placeholder, name in _VARIABLES.items():
        svg = svg.replace(f'"{placeholder}"', f'"var(--{name})"')
    svg = re.sub(r'"#0404(0\d)"', lambda found: f'"var(--series-{int(found[1], 16)})"', svg)
    svg = re.sub(r' (font-family|xmlns(:xlink)?)="[^"]*"', "", svg)
    svg = re.sub(r' aria-(label|roledescription|hidden)="[^"]*"', "", svg)
    svg = re.sub(r' role="graphics-[a-z]+"', "", svg)
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    wide = size[1] if size else str(WIDTH)
    opening = f'<svg role="img" aria-label="{escape(alt_text)}" style="max-width:{wide}px"'
    return re.sub(r'<svg version="1.1" class="marks" width="[\d.]+" height="[\d.]+"', lambda _: opening, svg, count=1)
