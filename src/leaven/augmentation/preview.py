"""What does a plan do to rows of one's own, before and after?"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import tabular_preview
from leaven.augmentation.apply_step import add, replaced
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.datasets.histories import FROM_NOISE, Histories
from leaven.datasets.samples import Samples
from leaven.protocols import Rows

SHORTEST, LONGEST = 3, 12
"""Events of a row that is shown."""


@dataclass(frozen=True)
class Preview:
    """One row before and after one step: items of a history, or cells of a sample. before: empty where the row was
    made from nothing; changed: places in `after` that do not come from `before`."""

    step: str
    before: Sequence[str]
    after: Sequence[str]
    changed: Sequence[int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def preview(
    plan: Plan, train: Rows, rows: int = 10, seed: int = 0, fitted: Mapping[int, FittedStep] | None = None
) -> list[Preview]:
    """Each step on some rows: `rows` pairs in all, dealt evenly to the steps.

    The rows are chosen by chance among those that can be taken in at a glance, the same ones for the same seed.
    Every step is shown on real rows, whatever it reads in the plan, and changes all of them, whatever its p;
    steps that only copy rows have nothing to show. fitted: steps that have learned already, by their number.
    """
    shown_steps = [one for one in enumerate(plan.all, 1) if has_something_to_show(one[1])]
    if not shown_steps or not len(train):
        return []
    chosen = rows_shown(len(shown_steps), train, rows, seed)
    shown = []
    for number, step in shown_steps:
        able = (fitted or {}).get(number) or fit_step(plan, number, train, seed)
        able = replace(able, step=replace(able.step, p=1.0))
        for place in range(len(chosen)):
            row = chosen.slice(place, place + 1)
            strength = float(step.strength(1.0))
            made = (
                replaced(able, row, 0, strength)
                if step.mode == "replace"
                else add(able, row, np.ones(1, np.int32), 0, strength)
            )
            if len(made.rows):
                new = made.rows.slice(0, 1)
                from_nothing = bool(new.parents[0] == FROM_NOISE)
                shown.append(pair(step.called, row.slice(0, 0) if from_nothing else row, new))
    return shown[:rows]


def has_something_to_show(step: Step) -> bool:
    """Whether it changes or makes rows, beyond copying them."""
    return not (step.on_items or getattr(step.use, "copies_rows", False))


def rows_shown(steps: int, train: Any, rows: int, seed: int) -> Any:
    """The rows that a preview of so many steps looks at."""
    each = max(1, -(-rows // steps))
    return tabular_preview.some_rows(train, each, seed) if isinstance(train, Samples) else _chosen(train, each, seed)


def _chosen(train: Any, rows: int, seed: int) -> Histories:
    """So many rows, of a length that a person reads where there are enough of them."""
    lengths = train.lengths
    candidates = np.flatnonzero((lengths >= SHORTEST) & (lengths <= LONGEST))
    if len(candidates) < rows:
        candidates = np.flatnonzero(lengths >= min(2, int(lengths.max())))
    drawn = rng.bits(rng.row_keys(rng.key(seed, "preview"), train.keys[candidates]), 0)
    readable: Histories = train.take(candidates[np.argsort(drawn)[:rows]])
    return readable


def pair(step: str, before: Any, after: Any) -> Preview:
    """One row before and after, of histories or of samples; `before` may have no row."""
    if isinstance(before, Samples):
        return Preview(step, *tabular_preview.pair(before, after))
    old, new = before.items.tolist(), after.items.tolist()
    matched = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    kept = {block.b + offset for block in matched for offset in range(block.size)}
    changed = [place for place in range(len(new)) if place not in kept]
    return Preview(step, items_named(before), items_named(after), changed)


def items_named(rows: Histories) -> list[str]:
    """What a person would call the items of one history."""
    if rows.catalog is None:
        return ["[mask]" if item > rows.n_items else str(item) for item in rows.items.tolist()]
    return [rows.catalog.name(item) for item in rows.items.tolist()]
