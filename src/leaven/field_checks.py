"""Checks of config fields."""

from __future__ import annotations

import math
from collections.abc import Iterable

from leaven.errors import SpecError, suggest_name


def check_range(field: str, pair: tuple[float, float], minimum: float, maximum: float = math.inf) -> None:
    """Raise SpecError unless `pair` is (low, high) with minimum <= low <= high <= maximum."""
    bounds = f"{minimum:g} or more" if maximum == math.inf else f"between {minimum:g} and {maximum:g}"
    if not _is_pair(pair):
        raise SpecError(field, f"a pair (low, high), both {bounds}", repr(pair), "write two numbers")
    low, high = pair
    if low > high:
        raise SpecError(field, "the lower bound first", repr(pair), f"write ({high:g}, {low:g})")
    if not (minimum <= low and high <= maximum):
        raise SpecError(field, f"two numbers, both {bounds}", repr(pair), "move the range inside")


def _is_pair(pair: object) -> bool:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return False
    return all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in pair)


def check_share(field: str, share: float) -> None:
    """Raise SpecError unless a probability or share is in 0..1."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise SpecError(field, "a number between 0 and 1", repr(share), "")


def check_count(field: str, count: int, minimum: int) -> None:
    """Raise SpecError unless an integer is at least `minimum`."""
    if isinstance(count, bool) or not isinstance(count, int) or count < minimum:
        raise SpecError(field, f"a whole number, {minimum} or more", repr(count), "")


def check_choice(field: str, value: str, choices: Iterable[str]) -> None:
    """Raise SpecError, with the nearest choice, unless a value is one of the choices."""
    known = list(choices)
    if value not in known:
        raise SpecError(field, f"one of {', '.join(known)}", repr(value), suggest_name(str(value), known))


def check_positive(kind: str, config: object, fields: Iterable[str]) -> None:
    """Raise SpecError for the first of these fields of a config that is not above 0."""
    for field in fields:
        if not getattr(config, field) > 0:
            raise SpecError(f"{kind}.{field}", "more than 0", str(getattr(config, field)), "")
