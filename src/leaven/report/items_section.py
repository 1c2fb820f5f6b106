"""The report's galleries of items: texts with marked changes, images side by side, counts of unchanged items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaven.report.number_format import format_number, make_png_url
from leaven.stats.effect import format_percent

MAX_CHARACTERS = 300
"""Longer descriptions are cut."""


def build_galleries(variant: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry per step of a variant on items: step, column, share of unchanged items, examples; texts as marked
    parts, images as data URLs."""
    return [
        {
            "step": str(one.get("step", "")),
            "on": one.get("on", "text"),
            "column": str(one.get("column", "")),
            "unchanged": format_percent(float(one.get("unchanged") or 0.0), signed=False),
            "examples": [
                _FORMATTERS.get(one.get("on", "text"), _format_text)(example) for example in one.get("some", [])
            ],
        }
        for one in variant.get("gallery", [])
    ]


def _format_text(text: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (_cut_parts(text.get(side) or []) for side in ("before", "after"))
    return {"item": str(text.get("item", "")), "before": before, "after": after}


def _format_image(one: Mapping[str, Any]) -> dict[str, Any]:
    found = {side: make_png_url(str(one.get(side) or "")) for side in ("before", "after", "nearest")}
    return found | {
        "item": str(one.get("item", "")),
        "distance": format_number(one.get("apart")),
        "nearest_item": str(one.get("nearest_item", "")),
        "nearest_distance": format_number(one.get("nearest_apart")),
    }


_FORMATTERS = {"text": _format_text, "images": _format_image}


def _cut_parts(parts: Any) -> list[dict[str, Any]]:
    """Parts up to MOST_LETTERS characters, then an ellipsis."""
    shown: list[dict[str, Any]] = []
    left = MAX_CHARACTERS
    for part, mark in parts:
        if left <= 0:
            shown.append({"text": " …", "mark": False})
            break
        shown.append({"text": str(part)[:left], "mark": bool(mark)})
        left -= len(str(part))
    return shown
