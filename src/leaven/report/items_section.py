"""What became of the items, before and after? Changed words marked, pictures side by side, and how many stayed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaven.report.number_format import held_inline, number
from leaven.stats.effect import percent

MOST_LETTERS = 300
"""A description longer than this is cut."""


def galleries(arm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry for each step of an arm on items: step, column, share unchanged, and some of them; texts in marked
    parts, pictures as addresses that hold them."""
    return [
        {
            "step": str(one.get("step", "")),
            "on": one.get("on", "words"),
            "column": str(one.get("column", "")),
            "unchanged": percent(float(one.get("unchanged") or 0.0), signed=False),
            "some": [_SHOWN.get(one.get("on", "words"), _text)(each) for each in one.get("some") or []],
        }
        for one in arm.get("gallery") or []
    ]


def _text(text: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (_parts(text.get(side) or []) for side in ("before", "after"))
    return {"item": str(text.get("item", "")), "before": before, "after": after}


def _picture(one: Mapping[str, Any]) -> dict[str, Any]:
    found = {side: held_inline(str(one.get(side) or "")) for side in ("before", "after", "nearest")}
    return found | {
        "item": str(one.get("item", "")),
        "apart": number(one.get("apart")),
        "nearest_item": str(one.get("nearest_item", "")),
        "nearest_apart": number(one.get("nearest_apart")),
    }


_SHOWN = {"words": _text, "pictures": _picture}


def _parts(parts: Any) -> list[dict[str, Any]]:
    """Parts up to so many letters; the last one says that there was more."""
    shown: list[dict[str, Any]] = []
    left = MOST_LETTERS
    for part, mark in parts:
        if left <= 0:
            shown.append({"text": " …", "mark": False})
            break
        shown.append({"text": str(part)[:left], "mark": bool(mark)})
        left -= len(str(part))
    return shown
