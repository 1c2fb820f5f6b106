"""Which rules of the shop must every made row keep?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leaven.errors import SpecError
from leaven.filters.rules import Rules


def read(value: Any, place: str, folder: Path) -> tuple[str, ...]:
    """Rules as a list, or those in a file: one a line, what follows a # is said to people.

    Raises SpecError for a file that is not there, or a line that is no rule, with its number.
    """
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return Rules(tuple(value)).rules
    if not isinstance(value, str):
        fix = 'write rules = ["item_price > 0"] or rules = "shop.rules"'
        raise SpecError(place, "a list of rules or the path of a file", repr(value), fix)
    file = Path(value) if Path(value).is_absolute() else folder / value
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(place, "a file of rules", f"{file}: {error}", "check the path") from error
    found = []
    for number, line in enumerate(lines, 1):
        rule = line.partition("#")[0].strip()
        if rule:
            try:
                found.append(Rules((rule,)).rules[0])
            except SpecError as error:
                raise SpecError(f"{file.name}, line {number}", error.wanted, error.got, error.fix) from error
    return tuple(found)
