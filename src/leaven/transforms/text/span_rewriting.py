"""How are spans of a text rewritten that one pattern finds, some of them by lot?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from leaven import rng
from leaven.protocols import Keys, Strength
from leaven.transforms.text.token_sampling import Reasons

Found = list[tuple[int, int, tuple[str, ...]]]
"""Spans of a text (begin, end) and the ways in which each can be written."""


@dataclass(frozen=True, eq=False)
class SpanEdit:
    """A fitted operator on spans.

    find     the spans of a text, left to right, and how else each can be written
    share    range of the share of the spans (× strength)
    p        chance that a text changes
    lacking  why a text has none
    """

    find: Callable[[str], Found]
    share: tuple[float, float]
    p: float
    lacking: str

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One new text a text: each span is rewritten with the text's drawn share as its chance."""
        low, high = self.share
        chance = (low + (high - low) * rng.uniform(keys, 1)) * np.clip(strength, 0.0, 1.0)
        chance = np.where(rng.uniform(keys, 0) < self.p, chance, 0.0)
        return [
            self._rewritten(text, keys[row], chance[row]) if chance[row] > 0 else text for row, text in enumerate(texts)
        ]

    def _rewritten(self, text: str, key: np.uint64, chance: float) -> str:
        found = self.find(text)
        for place in range(len(found) - 1, -1, -1):  # from the end, so that places before stay right
            begin, end, ways = found[place]
            here = np.array([key], np.uint64)
            if ways and rng.uniform(here, 2 + 2 * place)[0] < chance:
                way = ways[int(rng.uniform(here, 3 + 2 * place)[0] * len(ways))]
                text = text[:begin] + way + text[end:]
        return text

    def reasons(self, texts: Sequence[str]) -> Reasons:
        """Texts without such a span."""
        return {self.lacking: np.array([not any(ways for _, _, ways in self.find(text)) for text in texts], bool)}


def inside(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """A pattern of protected phrases, whatever their case; None where there are none."""
    known = sorted({phrase.strip() for phrase in phrases} - {""}, key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(map(re.escape, known)), re.IGNORECASE) if known else None


def outside(found: Found, text: str, held: re.Pattern[str] | None) -> Found:
    """The spans that touch no protected phrase."""
    if held is None:
        return found
    spans = [match.span() for match in held.finditer(text)]
    return [one for one in found if not any(one[0] < end and begin < one[1] for begin, end in spans)]
