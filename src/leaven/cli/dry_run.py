"""What does a spec ask for, before anything is done?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from leaven.cli import output


def outlined(found: Mapping[str, Any]) -> Iterator[Any]:
    """Every key of a resolved spec with its value, those that nobody wrote included; then what would be trained."""
    yield output.pairs(flat(found["spec"]))
    yield ""
    pilots = f", and fly {found['pilots']} short pilots" if found["pilots"] else ""
    arms = ", ".join(f"“{name}”" for name in found["arms"])
    yield f"The spec is right. `run` would train {found['trainings']} times{pilots}: {arms}."


def flat(table: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value) of everything in a table; arms and steps go by their numbers.

    >>> list(flat({"split": {"kind": "time"}, "arm": [{"name": "crop"}]}))
    [('split.kind', 'time'), ('arm.1.name', 'crop')]
    """
    if isinstance(table, list | tuple) and any(isinstance(one, Mapping) for one in table):
        table = {str(number): one for number, one in enumerate(table, 1)}
    if isinstance(table, Mapping):
        for key, value in table.items():
            yield from flat(value, f"{name}.{key}" if name else str(key))
    elif table is not None:
        yield name, ", ".join(map(str, table)) if isinstance(table, list | tuple) else str(table)
