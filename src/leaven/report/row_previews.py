"""Rows before and after a step, aligned and shortened to the places that changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from leaven.facts import Preview, TextExample

MAX_CHIPS = 14
"""Longer rows are shortened."""
_NEAR = 2  # entries that are shown next to a change
_ENDS = 3  # entries at both ends of a long run of changes
_MAX_CHARACTERS = 300  # of a text


@dataclass(frozen=True)
class Chip:
    """One entry of a row. mark: removed or changed; hidden: entries that are left out here, 0 for an entry."""

    text: str
    mark: bool = False
    hidden: int = 0


@dataclass(frozen=True)
class PreviewView:
    """A row before and after a step, as chips; `before` is empty for a row without a source row."""

    step: str
    before: tuple[Chip, ...]
    after: tuple[Chip, ...]
    is_unchanged: bool


def build_preview(preview: Preview, max_chips: int = MAX_CHIPS) -> PreviewView:
    """A preview with removed entries marked before, and new ones after.

    >>> view = build_preview(Preview("mask", ["a", "b", "c"], ["a", "[mask]", "c"], [1]))
    >>> [chip.text for chip in view.before if chip.mark], [chip.text for chip in view.after if chip.mark]
    (['b'], ['[mask]'])
    """
    before, after = list(preview.before), list(preview.after)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    kept = {index for block in matcher.get_matching_blocks() for index in range(block.a, block.a + block.size)}
    changed = set(preview.changed)
    return PreviewView(
        preview.step,
        _shorten(before, [index not in kept for index in range(len(before))], max_chips),
        _shorten(after, [index in changed for index in range(len(after))], max_chips),
        before == after,
    )


def _shorten(names: Sequence[str], marks: Sequence[bool], max_chips: int) -> tuple[Chip, ...]:
    """All entries of a short row; of a long one the changes, with some entries next to them."""
    chips = [Chip(name, mark) for name, mark in zip(names, marks, strict=True)]
    if len(chips) <= max_chips:
        return tuple(chips)
    runs = [list(run) for _, run in groupby(chips, key=lambda chip: chip.mark)]
    if len(runs) == 1 and not runs[0][0].mark:
        return (*_hide(runs[0][:-max_chips]), *runs[0][-max_chips:])
    return tuple(chip for place, run in enumerate(runs) for chip in _cut_run(run, place == 0, place == len(runs) - 1))


def _cut_run(run: list[Chip], is_first: bool, is_last: bool) -> Iterator[Chip]:
    """The ends of a run that touch another one."""
    head, tail = (_ENDS, _ENDS) if run[0].mark else (0 if is_first else _NEAR, 0 if is_last else _NEAR)
    if len(run) <= head + tail + 1:
        yield from run
        return
    yield from run[:head]
    yield from _hide(run[head : len(run) - tail])
    yield from run[len(run) - tail :]


def _hide(chips: list[Chip]) -> list[Chip]:
    return [Chip(f"… {len(chips)} more", chips[0].mark, len(chips))] if chips else []


@dataclass(frozen=True)
class TextView:
    """Text of an item before and after a step, in parts."""

    item: str
    before: tuple[Chip, ...]
    after: tuple[Chip, ...]


def build_text(example: TextExample) -> TextView:
    """An example with long texts cut."""
    return TextView(example.item, _cut_parts(example.before), _cut_parts(example.after))


def _cut_parts(parts: Sequence[tuple[str, bool]]) -> tuple[Chip, ...]:
    shown: list[Chip] = []
    left = _MAX_CHARACTERS
    for text, mark in parts:
        if left <= 0:
            shown.append(Chip(" …"))
            break
        shown.append(Chip(text[:left], mark))
        left -= len(text)
    return tuple(shown)
