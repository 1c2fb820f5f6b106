"""Formatting of figures and labels for readers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from leaven.stats.effect import percent

NONE = "–"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_SHARE_WORDS = ("share", "density", "rate")


def number(value: Any) -> str:
    """A number with thousands separators; a fraction has four significant digits.

    >>> number(541909), number(0.05684321), number(None)
    ('541,909', '0.05684', '–')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 1000 or value == 0:
        return f"{value:,.0f}".replace("-", "−")
    return str(np.format_float_positional(value, precision=4, fractional=False, trim="-")).replace("-", "−")


def named(name: str, value: Any) -> str:
    """A figure in the unit of its name: percent, seconds, megabytes.

    >>> named("tie_share", 0.43), named("fit_seconds", 83.24), named("peak_mb", 584.1)
    ('43.0 %', '83.2 s', '584 MB')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return number(value)
    words = name.lower().split("_")
    if isinstance(value, float) and 0 <= value <= 1 and any(word in _SHARE_WORDS for word in words):
        return small_percent(value)
    if "seconds" in words:
        return seconds(value)
    return f"{number(round(value))} MB" if words[-1] == "mb" else number(value)


def small_percent(share: float) -> str:
    """A share in percent, with significant digits below one percent.

    >>> small_percent(0.00073), small_percent(0.43)
    ('0.073 %', '43.0 %')
    """
    return percent(share, signed=False) if share >= 0.01 or share == 0 else f"{number(float(f'{100 * share:.2g}'))} %"


def seconds(value: float | None) -> str:
    """Seconds with one decimal.

    >>> seconds(0.04), seconds(1234.5)
    ('0.0 s', '1,234.5 s')
    """
    return NONE if value is None else f"{value:,.1f} s"


def probability(p: float | None) -> str:
    """A p-value: three decimals, never zero.

    >>> probability(0.00004), probability(0.0312)
    ('< 0.001', '0.031')
    """
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def label(key: str) -> str:
    """A key of the facts as a label, without the unit that its figure shows.

    >>> label("held_out_ties"), label("peak_mb"), label("fit_seconds")
    ('Held out ties', 'Peak memory', 'Fit')
    """
    words = re.sub("_mb$", " memory", key)
    words = re.sub("(?<=.)_seconds$", "", words).replace("_", " ").replace("memory memory", "memory").strip()
    return words[:1].upper() + words[1:]


def scalars(facts: Mapping[str, Any], skip: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(label, figure) of every plain value; values inside a mapping are prefixed by its name.

    Lists of a few plain values become one text; longer ones and tables are left out, for plots.
    """
    found: list[tuple[str, str]] = []
    for key, value in facts.items():
        if key in skip:
            continue
        if isinstance(value, Mapping):
            inner = scalars({f"{key}_{name}": one for name, one in value.items() if not isinstance(one, Mapping)})
            found += inner if len(inner) <= 12 else []
        elif isinstance(value, list | tuple):
            if 0 < len(value) <= 6 and all(isinstance(one, str | int | float) for one in value):
                found.append((label(key), ", ".join(number(one) for one in value)))
        else:
            found.append((label(key), named(key, value)))
    return found


def line(value: Any) -> str:
    """A record of the log as short text.

    >>> line({"user": "17850", "quantity": -6})
    'user 17850 · quantity −6'
    """
    if isinstance(value, Mapping):
        return " · ".join(f"{key} {number(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return " · ".join(number(one) for one in value)
    return number(value)


def held_inline(held: str) -> Markup:
    """A data URL of a PNG file in base64; empty for any other text.

    >>> held_inline('" onload="')
    Markup('')
    """
    return Markup("data:image/png;base64," + held) if _BASE64.fullmatch(held) else Markup("")
