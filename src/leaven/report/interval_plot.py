"""Interval plots of effects: one small SVG per row, all rows of a table on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from markupsafe import Markup, escape

from leaven.report.labels import get_verdict_style
from leaven.stats.effect import format_percent

WIDTH, HEIGHT, MARGIN = 280, 34, 10


@dataclass(frozen=True)
class AxisScale:
    """The common x axis of interval plots. left, right: lifts at the ends, zero between them. min_effect: half the
    width of the band of irrelevant effects."""

    left: float
    right: float
    min_effect: float

    @classmethod
    def from_effects(cls, effects: Sequence[Mapping[str, Any]], min_effect: float) -> AxisScale:
        """A scale that shows every lift and most intervals; very wide ones are clipped."""
        known = [effect for effect in effects if _has_interval(effect)]
        widths = [effect["high"] - effect["low"] for effect in known]
        most = 2 * median(widths) if widths else 0.0
        lows = [max(effect["low"], effect["lift"] - most) for effect in known]
        highs = [min(effect["high"], effect["lift"] + most) for effect in known]
        band = max(1.5 * min_effect, 0.002)
        left, right = min([-band, *lows]), max([band, *highs])
        room = 0.04 * (right - left)
        return cls(left - room, right + room, min_effect)

    def x_position(self, lift: float) -> float:
        """The x position of a lift, clipped to the plot."""
        share = (lift - self.left) / (self.right - self.left)
        return round(MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * MARGIN), 1)


def draw_interval(effect: Mapping[str, Any], scale: AxisScale) -> Markup:
    """An SVG of the interval, the lift and the seeds of one effect; empty without an interval."""
    if not _has_interval(effect):
        return Markup("")
    middle, low, high = HEIGHT / 2, scale.x_position(effect["low"]), scale.x_position(effect["high"])
    ends = " to ".join(format_percent(effect[name]) for name in ("low", "high"))
    alt_text = f"lift {format_percent(effect['lift'])}, 95 % interval {ends}"
    parts = [
        _draw_band(scale),
        f'<line class="span" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>',
        *(f'<path class="arrow" d="{_draw_arrow(side, middle)}"/>' for side in _find_clipped_sides(effect, scale)),
        *(
            f'<circle class="seed" cx="{scale.x_position(s)}" cy="{middle + 10}" r="1.8"/>'
            for s in _list_seed_lifts(effect)
        ),
        f'<circle class="dot" cx="{scale.x_position(effect["lift"])}" cy="{middle}" r="4.5"/>',
    ]
    head = (
        f'<svg class="interval {get_verdict_style(effect.get("verdict"))}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
    )
    return Markup(f'{head}aria-label="{escape(alt_text)}">{"".join(parts)}</svg>')


def draw_axis(scale: AxisScale) -> Markup:
    """The axis below a table: round lifts and zero."""
    texts = [
        f'<text x="{scale.x_position(lift)}" y="14" text-anchor="middle">{escape(_format_tick(lift))}</text>'
        for lift in _choose_ticks(scale)
    ]
    svg = f'<svg class="interval axis" viewBox="0 0 {WIDTH} 20" aria-hidden="true">'
    line = f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="1" y2="1"/>'
    return Markup(f"{svg}{line}{''.join(texts)}</svg>")


def _choose_ticks(scale: AxisScale) -> list[float]:
    """Zero and two to five round lifts around it."""
    wide = scale.right - scale.left
    unit = 10.0 ** math.floor(math.log10(wide / 2))
    step = next(unit * factor for factor in (0.5, 1, 2, 5, 10) if wide / (unit * factor) <= 5)
    return [multiple * step for multiple in range(math.ceil(scale.left / step), math.floor(scale.right / step) + 1)]


def _format_tick(lift: float) -> str:
    return f"{100 * lift:+.6g} %".replace("-", "−") if abs(lift) > 1e-9 else "0"


def _has_interval(effect: Mapping[str, Any]) -> bool:
    values = [effect.get(name) for name in ("lift", "low", "high")]
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _draw_band(scale: AxisScale) -> str:
    """The band of irrelevant lifts, and the line of no difference."""
    left, right, zero = scale.x_position(-scale.min_effect), scale.x_position(scale.min_effect), scale.x_position(0.0)
    band = f'<rect class="band" x="{left}" width="{round(right - left, 1)}" y="0" height="{HEIGHT}"/>'
    return f'{band}<line class="zero" x1="{zero}" x2="{zero}" y1="0" y2="{HEIGHT}"/>'


def _find_clipped_sides(effect: Mapping[str, Any], scale: AxisScale) -> list[int]:
    """-1 and 1 for the sides on which the interval is clipped."""
    cut = {-1: effect["low"] < scale.left, 1: effect["high"] > scale.right}
    return [side for side, off in cut.items() if off]


def _draw_arrow(side: int, middle: float) -> str:
    tip = WIDTH / 2 + side * (WIDTH / 2 - MARGIN / 2)
    back = tip - side * 5
    return f"M{back},{middle - 4}L{tip},{middle}L{back},{middle + 4}"


def _list_seed_lifts(effect: Mapping[str, Any]) -> list[float]:
    lifts = effect.get("lift_by_seed") or []
    return [lift for lift in lifts if isinstance(lift, int | float)] if len(lifts) > 1 else []
