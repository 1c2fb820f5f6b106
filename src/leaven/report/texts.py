"""What became of the items' words, before and after? Changed words marked, and how many texts stayed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaven.compare.effect import percent

MOST_LETTERS = 300
"""A description longer than this is cut."""


def galleries(arm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry for each step of an arm on words: step, column, share unchanged, texts in marked parts."""
    return [
        {
            "step": str(one.get("step", "")),
            "column": str(one.get("column", "")),
            "unchanged": percent(float(one.get("unchanged") or 0.0), signed=False),
            "texts": [_text(text) for text in one.get("texts") or []],
        }
        for one in arm.get("gallery") or []
    ]


def _text(text: Mapping[str, Any]) -> dict[str, Any]:
    before, after = (_parts(text.get(side) or []) for side in ("before", "after"))
    return {"item": str(text.get("item", "")), "before": before, "after": after}


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
