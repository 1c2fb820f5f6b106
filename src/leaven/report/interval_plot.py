"""Interval plots of effects: one small SVG per row, all rows of a table on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup, escape

from leaven.facts import EffectFacts
from leaven.report.labels import get_verdict_style
from leaven.stats.effect import format_percent
from leaven.translation import Translator, get_translator

WIDTH, HEIGHT, MARGIN = 280, 34, 10
_ENGLISH = get_translator("en")
Interval = tuple[float, float, float]
"""Low end, lift and high end of an interval."""


@dataclass(frozen=True)
class AxisScale:
    """The common x axis of interval plots. left, right: lifts at the ends, zero between them. min_effect: half the
    width of the band of irrelevant effects."""

    left: float
    right: float
    min_effect: float

    @classmethod
    def from_effects(cls, effects: Sequence[EffectFacts], min_effect: float) -> AxisScale:
        """A scale that shows every lift and most intervals; very wide ones are clipped."""
        known = [found for effect in effects if (found := _get_interval(effect)) is not None]
        most = 2 * median(high - low for low, _, high in known) if known else 0.0
        lows = [max(low, lift - most) for low, lift, _ in known]
        highs = [min(high, lift + most) for _, lift, high in known]
        band = max(1.5 * min_effect, 0.002)
        left, right = min([-band, *lows]), max([band, *highs])
        room = 0.04 * (right - left)
        return cls(left - room, right + room, min_effect)

    def x_position(self, lift: float) -> float:
        """The x position of a lift, clipped to the plot."""
        share = (lift - self.left) / (self.right - self.left)
        return round(MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * MARGIN), 1)


def draw_interval(effect: EffectFacts, scale: AxisScale, translate: Translator = _ENGLISH) -> Markup:
    """An SVG of the interval, the lift and the seeds of one effect; empty without an interval."""
    if (interval := _get_interval(effect)) is None:
        return Markup("")
    lowest, lift, highest = interval
    middle, low, high = HEIGHT / 2, scale.x_position(lowest), scale.x_position(highest)
    alt_text = translate(
        "lift {lift}, 95 % interval {low} to {high}",
        lift=format_percent(lift),
        low=format_percent(lowest),
        high=format_percent(highest),
    )
    parts = [
        _draw_band(scale),
        f'<line class="span" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>',
        *(f'<path class="arrow" d="{_draw_arrow(side, middle)}"/>' for side in _find_clipped_sides(interval, scale)),
        *(
            f'<circle class="seed" cx="{scale.x_position(s)}" cy="{middle + 10}" r="1.8"/>'
            for s in _list_seed_lifts(effect)
        ),
        f'<circle class="dot" cx="{scale.x_position(lift)}" cy="{middle}" r="4.5"/>',
    ]
    head = f'<svg class="interval {get_verdict_style(effect.verdict)}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
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


def _get_interval(effect: EffectFacts) -> Interval | None:
    """(low, lift, high); None where one of them is not known."""
    if effect.lift is None or effect.low is None or effect.high is None:
        return None
    return effect.low, effect.lift, effect.high


def _draw_band(scale: AxisScale) -> str:
    """The band of irrelevant lifts, and the line of no difference."""
    left, right, zero = scale.x_position(-scale.min_effect), scale.x_position(scale.min_effect), scale.x_position(0.0)
    band = f'<rect class="band" x="{left}" width="{round(right - left, 1)}" y="0" height="{HEIGHT}"/>'
    return f'{band}<line class="zero" x1="{zero}" x2="{zero}" y1="0" y2="{HEIGHT}"/>'


def _find_clipped_sides(interval: Interval, scale: AxisScale) -> list[int]:
    """-1 and 1 for the sides on which the interval is clipped."""
    cut = {-1: interval[0] < scale.left, 1: interval[2] > scale.right}
    return [side for side, off in cut.items() if off]


def _draw_arrow(side: int, middle: float) -> str:
    tip = WIDTH / 2 + side * (WIDTH / 2 - MARGIN / 2)
    back = tip - side * 5
    return f"M{back},{middle - 4}L{tip},{middle}L{back},{middle + 4}"


def _list_seed_lifts(effect: EffectFacts) -> list[float]:
    lifts = effect.lift_by_seed
    return [lift for lift in lifts if lift is not None] if len(lifts) > 1 else []
