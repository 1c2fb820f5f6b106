"""Where does an effect lie? One small drawing a row, all rows of a table on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from markupsafe import Markup, escape

from leaven.report.labels import light
from leaven.stats.effect import percent

WIDTH, HEIGHT, MARGIN = 280, 34, 10


@dataclass(frozen=True)
class Scale:
    """left, right: the lifts at the ends, zero between them. smallest: half the band that does not matter."""

    left: float
    right: float
    smallest: float

    @classmethod
    def of(cls, effects: Sequence[Mapping[str, Any]], smallest: float) -> Scale:
        """Ends that show every lift and most intervals; a few very wide ones run off the edge."""
        known = [effect for effect in effects if _known(effect)]
        widths = [effect["high"] - effect["low"] for effect in known]
        most = 2 * median(widths) if widths else 0.0
        lows = [max(effect["low"], effect["lift"] - most) for effect in known]
        highs = [min(effect["high"], effect["lift"] + most) for effect in known]
        band = max(1.5 * smallest, 0.002)
        left, right = min([-band, *lows]), max([band, *highs])
        room = 0.04 * (right - left)
        return cls(left - room, right + room, smallest)

    def x(self, lift: float) -> float:
        """Place of a lift, kept inside the drawing."""
        share = (lift - self.left) / (self.right - self.left)
        return round(MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * MARGIN), 1)


def drawing(effect: Mapping[str, Any], scale: Scale) -> Markup:
    """An SVG of the interval, the lift and the seeds of one effect; empty where there is no interval."""
    if not _known(effect):
        return Markup("")
    middle, low, high = HEIGHT / 2, scale.x(effect["low"]), scale.x(effect["high"])
    said = f"lift {percent(effect['lift'])}, 95 % interval {percent(effect['low'])} to {percent(effect['high'])}"
    parts = [
        _ground(scale),
        f'<line class="span" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>',
        *(f'<path class="arrow" d="{_arrow(side, middle)}"/>' for side in _cut(effect, scale)),
        *(f'<circle class="seed" cx="{scale.x(s)}" cy="{middle + 10}" r="1.8"/>' for s in _seeds(effect)),
        f'<circle class="dot" cx="{scale.x(effect["lift"])}" cy="{middle}" r="4.5"/>',
    ]
    head = f'<svg class="interval {light(effect.get("verdict"))}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
    return Markup(f'{head}aria-label="{escape(said)}">{"".join(parts)}</svg>')


def axis(scale: Scale) -> Markup:
    """The scale below a table: both ends and zero."""
    texts = [
        f'<text x="{scale.x(lift)}" y="14" text-anchor="middle">{escape(_tick(lift))}</text>' for lift in _ticks(scale)
    ]
    svg = f'<svg class="interval axis" viewBox="0 0 {WIDTH} 20" aria-hidden="true">'
    line = f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="1" y2="1"/>'
    return Markup(f"{svg}{line}{''.join(texts)}</svg>")


def _ticks(scale: Scale) -> list[float]:
    """Zero and two to five round lifts around it."""
    wide = scale.right - scale.left
    unit = 10.0 ** math.floor(math.log10(wide / 2))
    step = next(unit * factor for factor in (0.5, 1, 2, 5, 10) if wide / (unit * factor) <= 5)
    return [place * step for place in range(math.ceil(scale.left / step), math.floor(scale.right / step) + 1)]


def _tick(lift: float) -> str:
    return f"{100 * lift:+.6g} %".replace("-", "−") if abs(lift) > 1e-9 else "0"


def _known(effect: Mapping[str, Any]) -> bool:
    values = [effect.get(name) for name in ("lift", "low", "high")]
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _ground(scale: Scale) -> str:
    """The band of lifts too small to matter, and the line of no difference."""
    left, right, zero = scale.x(-scale.smallest), scale.x(scale.smallest), scale.x(0.0)
    band = f'<rect class="band" x="{left}" width="{round(right - left, 1)}" y="0" height="{HEIGHT}"/>'
    return f'{band}<line class="zero" x1="{zero}" x2="{zero}" y1="0" y2="{HEIGHT}"/>'


def _cut(effect: Mapping[str, Any], scale: Scale) -> list[int]:
    """-1 and 1 for the sides on which the interval runs off the drawing."""
    cut = {-1: effect["low"] < scale.left, 1: effect["high"] > scale.right}
    return [side for side, off in cut.items() if off]


def _arrow(side: int, middle: float) -> str:
    tip = WIDTH / 2 + side * (WIDTH / 2 - MARGIN / 2)
    back = tip - side * 5
    return f"M{back},{middle - 4}L{tip},{middle}L{back},{middle + 4}"


def _seeds(effect: Mapping[str, Any]) -> list[float]:
    lifts = effect.get("lift_by_seed") or []
    return [lift for lift in lifts if isinstance(lift, int | float)] if len(lifts) > 1 else []
