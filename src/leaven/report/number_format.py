"""Formatting of figures and labels for readers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from leaven.stats.effect import format_percent

MISSING = "–"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_SHARE_WORDS = ("share", "density", "rate")


def format_number(value: Any) -> str:
    """A number with thousands separators; a fraction has four significant digits.

    >>> format_number(541909), format_number(0.05684321), format_number(None)
    ('541,909', '0.05684', '–')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 1000 or value == 0:
        return f"{value:,.0f}".replace("-", "−")
    return str(np.format_float_positional(value, precision=4, fractional=False, trim="-")).replace("-", "−")


def format_named(name: str, value: Any) -> str:
    """A figure in the unit of its name: percent, seconds, megabytes.

    >>> format_named("tie_share", 0.43), format_named("fit_seconds", 83.24), format_named("peak_mb", 584.1)
    ('43.0 %', '83.2 s', '584 MB')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return format_number(value)
    words = name.lower().split("_")
    if isinstance(value, float) and 0 <= value <= 1 and any(word in _SHARE_WORDS for word in words):
        return format_share(value)
    if "seconds" in words:
        return format_seconds(value)
    return f"{format_number(round(value))} MB" if words[-1] == "mb" else format_number(value)


def format_share(share: float) -> str:
    """A share in percent, with significant digits below one percent.

    >>> format_share(0.00073), format_share(0.43)
    ('0.073 %', '43.0 %')
    """
    return (
        format_percent(share, signed=False)
        if share >= 0.01 or share == 0
        else f"{format_number(float(f'{100 * share:.2g}'))} %"
    )


def format_seconds(value: float | None) -> str:
    """Seconds with one decimal.

    >>> format_seconds(0.04), format_seconds(1234.5)
    ('0.0 s', '1,234.5 s')
    """
    return MISSING if value is None else f"{value:,.1f} s"


def format_p_value(p: float | None) -> str:
    """A p-value: three decimals, never zero.

    >>> format_p_value(0.00004), format_p_value(0.0312)
    ('< 0.001', '0.031')
    """
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def format_lift(value: float | None) -> str:
    """A lift in percent, with its sign.

    >>> format_lift(0.0213), format_lift(None)
    ('+2.1 %', '–')
    """
    return MISSING if value is None else format_percent(value)


def format_mean(value: float | None) -> str:
    """The mean of a metric, with four decimals.

    >>> format_mean(0.09137), format_mean(None)
    ('0.0914', '–')
    """
    return MISSING if value is None else f"{value:.4f}".replace("-", "−")


def format_reason(reason: str) -> str:
    """A reason that is a key as words; a sentence stays as it is.

    >>> format_reason("too_short"), format_reason("copy of a real_row")
    ('too short', 'copy of a real_row')
    """
    return reason if " " in reason else reason.replace("_", " ")


def format_label(key: str) -> str:
    """A key of the facts as a label, without the unit that its figure shows.

    >>> format_label("held_out_ties"), format_label("peak_mb"), format_label("fit_seconds")
    ('Held out ties', 'Peak memory', 'Fit')
    """
    words = re.sub("_mb$", " memory", key)
    words = re.sub("(?<=.)_seconds$", "", words).replace("_", " ").replace("memory memory", "memory").strip()
    return words[:1].upper() + words[1:]


def list_scalars(facts: Mapping[str, Any], skip: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(label, figure) of every plain value; values inside a mapping are prefixed by its name.

    Lists of a few plain values become one text; longer ones and tables are left out, for plots.
    """
    found: list[tuple[str, str]] = []
    for key, value in facts.items():
        if key in skip:
            continue
        if isinstance(value, Mapping):
            inner = list_scalars({f"{key}_{name}": one for name, one in value.items() if not isinstance(one, Mapping)})
            found += inner if len(inner) <= 12 else []
        elif isinstance(value, list | tuple):
            if 0 < len(value) <= 6 and all(isinstance(one, str | int | float) for one in value):
                found.append((format_label(key), ", ".join(format_number(one) for one in value)))
        else:
            found.append((format_label(key), format_named(key, value)))
    return found


def format_record(value: Any) -> str:
    """A record of the log as short text.

    >>> format_record({"user": "17850", "quantity": -6})
    'user 17850 · quantity −6'
    """
    if isinstance(value, Mapping):
        return " · ".join(f"{key} {format_number(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return " · ".join(format_number(one) for one in value)
    return format_number(value)


def make_png_url(held: str) -> Markup:
    """A data URL of a PNG file in base64; empty for any other text.

    >>> make_png_url('" onload="')
    Markup('')
    """
    return Markup("data:image/png;base64," + held) if _BASE64.fullmatch(held) else Markup("")
