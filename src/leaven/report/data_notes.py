"""Sentences on the data of a run: what was left out while reading, and what cleaning dropped."""

from __future__ import annotations

from leaven.facts import DataFacts
from leaven.report.number_format import format_label, format_number
from leaven.stats.effect import format_percent

MIN_SHARE = 0.01
"""Smaller losses of lines are not mentioned."""


def list_cleaning_losses(data: DataFacts) -> tuple[str, ...]:
    """A sentence on the lines that cleaning dropped, then one for each rule; empty for at most 1 % of the lines.

    >>> from leaven.facts import CleaningRuleFacts
    >>> rules = (CleaningRuleFacts("duplicates", 30, 20), CleaningRuleFacts("bots", 1, 0))
    >>> list_cleaning_losses(DataFacts({"lines": 1000}, rules))
    ('Cleaning dropped 20 of 1,000 lines (2.0 %).', 'Duplicates: 20 lines (2.0 %)')
    """
    lines = data.reading.get("lines")
    dropped = {rule.rule: rule.dropped for rule in data.cleaning if rule.dropped}
    total = sum(dropped.values())
    if not isinstance(lines, int) or total <= MIN_SHARE * lines:
        return ()
    ranked = sorted(dropped.items(), key=lambda pair: -pair[1])
    return (
        f"Cleaning dropped {format_number(total)} of {format_number(lines)} lines ({_share(total, lines)}).",
        *(f"{format_label(rule)}: {format_number(count)} lines ({_share(count, lines)})" for rule, count in ranked),
    )


def list_reading_notes(data: DataFacts) -> tuple[str, ...]:
    """What was assumed while reading, and how many lines were left out by the options of reading."""
    notes, left_out = data.reading.get("notes"), data.reading.get("left_out")
    found = [str(note) for note in notes] if isinstance(notes, list | tuple) else []
    if isinstance(left_out, dict):
        found += [
            f"left out while reading, {reason}: {format_number(count)} lines" for reason, count in left_out.items()
        ]
    return tuple(found)


def _share(count: int, lines: int) -> str:
    return format_percent(count / lines, signed=False)
