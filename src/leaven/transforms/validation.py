"""Checks of config fields."""

from __future__ import annotations

import math
from collections.abc import Iterable

from leaven.errors import SpecError, nearest


def check_range(where: str, pair: tuple[float, float], least: float, most: float = math.inf) -> None:
    """Raise SpecError unless `pair` is (low, high) with minimum <= low <= high <= maximum."""
    bounds = f"{least:g} or more" if most == math.inf else f"between {least:g} and {most:g}"
    if not _is_pair(pair):
        raise SpecError(where, f"a pair (low, high), both {bounds}", repr(pair), "write two numbers")
    low, high = pair
    if low > high:
        raise SpecError(where, "the lower bound first", repr(pair), f"write ({high:g}, {low:g})")
    if not (least <= low and high <= most):
        raise SpecError(where, f"two numbers, both {bounds}", repr(pair), "move the range inside")


def _is_pair(pair: object) -> bool:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return False
    return all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in pair)


def check_share(where: str, share: float) -> None:
    """Raise SpecError unless a probability or share is in 0..1."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise SpecError(where, "a number between 0 and 1", repr(share), "")


def check_count(where: str, count: int, least: int) -> None:
    """Raise SpecError unless an integer is at least `minimum`."""
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        raise SpecError(where, f"a whole number, {least} or more", repr(count), "")


def check_word(where: str, word: str, words: Iterable[str]) -> None:
    """Raise SpecError, with the nearest choice, unless a value is one of the choices."""
    known = list(words)
    if word not in known:
        raise SpecError(where, f"one of {', '.join(known)}", repr(word), nearest(str(word), known))
