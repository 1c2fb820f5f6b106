"""What does a plan do to rows of one's own, before and after?"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from leaven import seeds
from leaven.data.histories import FROM_NOISE, Histories
from leaven.plan.fitting import fit_step
from leaven.plan.rows import add, replaced
from leaven.plan.steps import Plan

SHORTEST, LONGEST = 3, 12
"""Events of a row that is shown."""


@dataclass(frozen=True)
class Preview:
    """One row before and after one step. before: empty where the row was made from nothing;
    changed: places in `after` that do not come from `before`."""

    step: str
    before: Sequence[str]
    after: Sequence[str]
    changed: Sequence[int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def preview(plan: Plan, train: Histories, rows: int = 10, seed: int = 0) -> list[Preview]:
    """Each step on some rows: `rows` pairs in all, dealt evenly to the steps.

    The rows are chosen by chance among those that can be taken in at a glance, the same ones for the same seed.
    Every step is shown on real rows, whatever it reads in the plan, and changes all of them, whatever its p;
    steps that only copy rows have nothing to show.
    """
    shown_steps = [
        one for one in enumerate(plan.all, 1) if not (one[1].on_words or getattr(one[1].use, "copies_rows", False))
    ]
    if not shown_steps or not len(train):
        return []
    each = max(1, -(-rows // len(shown_steps)))
    chosen = _chosen(train, each, seed)
    shown = []
    for number, step in shown_steps:
        fitted = fit_step(plan, number, train, seed)
        fitted = replace(fitted, step=replace(fitted.step, p=1.0))
        for place in range(len(chosen)):
            row = chosen.slice(place, place + 1)
            strength = float(step.strength(1.0))
            made = (
                replaced(fitted, row, 0, strength)
                if step.mode == "replace"
                else add(fitted, row, np.ones(1, np.int32), 0, strength)
            )
            if len(made.rows):
                new = made.rows.slice(0, 1)
                from_nothing = bool(new.parents[0] == FROM_NOISE)
                shown.append(_preview(step.called, row.slice(0, 0) if from_nothing else row, new))
    return shown[:rows]


def _chosen(train: Histories, rows: int, seed: int) -> Histories:
    """So many rows, of a length that a person reads where there are enough of them."""
    lengths = train.lengths
    candidates = np.flatnonzero((lengths >= SHORTEST) & (lengths <= LONGEST))
    if len(candidates) < rows:
        candidates = np.flatnonzero(lengths >= min(2, int(lengths.max())))
    drawn = seeds.bits(seeds.row_keys(seeds.key(seed, "preview"), train.keys[candidates]), 0)
    return train.take(candidates[np.argsort(drawn)[:rows]])


def _preview(step: str, before: Histories, after: Histories) -> Preview:
    old, new = before.items.tolist(), after.items.tolist()
    matched = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    kept = {block.b + offset for block in matched for offset in range(block.size)}
    changed = [place for place in range(len(new)) if place not in kept]
    return Preview(step, _names(before), _names(after), changed)


def _names(rows: Histories) -> list[str]:
    if rows.catalog is None:
        return ["[mask]" if item > rows.n_items else str(item) for item in rows.items.tolist()]
    return [rows.catalog.name(item) for item in rows.items.tolist()]
