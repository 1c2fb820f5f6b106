"""Which name did the writer of a misspelt one mean?"""

from __future__ import annotations

from collections.abc import Mapping

TIMES = 5
"""So many times as frequent is the right spelling."""
SHORTEST = 4
"""Shorter names are too near to each other."""


def respelt(counts: Mapping[str, int]) -> dict[str, str]:
    """rare name -> the frequent one that it misspells; letters' case and outer blanks are no difference.

    >>> respelt({"lamps": 40, "lapms": 1, "lamp": 2, "mugs": 30})
    {'lamp': 'lamps', 'lapms': 'lamps'}
    """
    near: dict[str, list[str]] = {}
    for name in sorted(counts):
        for form in _forms(_plain(name)):
            near.setdefault(form, []).append(name)
    right = {}
    for name in sorted(counts):
        others = {other for form in _forms(_plain(name)) for other in near[form]}
        meant = [other for other in others if counts[other] >= TIMES * counts[name] and _alike(name, other)]
        if meant:
            right[name] = min(meant, key=lambda other: (-counts[other], other))
    return {name: right.get(other, other) for name, other in right.items()}


def _plain(name: str) -> str:
    return name.strip().casefold()


def _forms(word: str) -> set[str]:
    """The word, and the word without any one letter: words one slip apart share one of these."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def _alike(one: str, other: str) -> bool:
    a, b = _plain(one), _plain(other)
    return one != other and (a == b or (min(len(a), len(b)) >= SHORTEST and one_slip(a, b)))


def one_slip(a: str, b: str) -> bool:
    """Whether one letter missing, added, changed, or swapped with the next, makes one word of the other.

    >>> one_slip("lamps", "lapms"), one_slip("lamps", "lampss"), one_slip("lamps", "maps")
    (True, True, False)
    """
    short, long = sorted((a, b), key=len)
    at = next((at for at, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    changed = short[at + 1 :] == long[at + 1 :]
    swapped = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return changed or swapped
