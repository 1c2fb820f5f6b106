"""Finds corrections of misspelled names by their frequencies."""

from __future__ import annotations

from collections.abc import Mapping

_MIN_RATIO = 5
"""Minimum frequency ratio of the correct spelling to a typo."""
_MIN_LENGTH = 4
"""Shorter names are too similar to each other."""


def find_corrections(counts: Mapping[str, int]) -> dict[str, str]:
    """rare name -> the frequent name that it misspells; case and outer blanks are ignored.

    >>> find_corrections({"lamps": 40, "lapms": 1, "lamp": 2, "mugs": 30})
    {'lamp': 'lamps', 'lapms': 'lamps'}
    """
    by_form: dict[str, list[str]] = {}
    for name in sorted(counts):
        for form in _deletion_forms(_normalize(name)):
            by_form.setdefault(form, []).append(name)
    corrections = {}
    for name in sorted(counts):
        others = {other for form in _deletion_forms(_normalize(name)) for other in by_form[form]}
        candidates = [
            other for other in others if counts[other] >= _MIN_RATIO * counts[name] and _is_misspelling(name, other)
        ]
        if candidates:
            corrections[name] = min(candidates, key=lambda other: (-counts[other], other))
    return {name: corrections.get(other, other) for name, other in corrections.items()}


def _normalize(name: str) -> str:
    return name.strip().casefold()


def _deletion_forms(word: str) -> set[str]:
    """The word, and the word without any one letter: words one edit apart share one of these."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def _is_misspelling(one: str, other: str) -> bool:
    a, b = _normalize(one), _normalize(other)
    return one != other and (a == b or (min(len(a), len(b)) >= _MIN_LENGTH and is_one_edit(a, b)))


def is_one_edit(a: str, b: str) -> bool:
    """Whether one deleted, added, changed or swapped letter turns one word into the other.

    >>> is_one_edit("lamps", "lapms"), is_one_edit("lamps", "lampss"), is_one_edit("lamps", "maps")
    (True, True, False)
    """
    short, long = sorted((a, b), key=len)
    at = next((at for at, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    changed = short[at + 1 :] == long[at + 1 :]
    swapped = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return changed or swapped
