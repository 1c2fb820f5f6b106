"""Previews of a plan: rows before and after each step."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation.apply_step import add, replaced
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.datasets.histories import FROM_NOISE, Histories
from leaven.datasets.samples import Samples
from leaven.protocols import Rows

_MIN_EVENTS, _MAX_EVENTS = 3, 12
"""Preferred number of events of a shown row."""
_MAX_COLUMNS = 12  # of a shown sample, including the label


@dataclass(frozen=True)
class Preview:
    """One row before and after one step: items of a history, or cells of a sample.

    before   empty for a row without a source row
    changed  indices into `after` of entries that do not come from `before`
    """

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
    """`rows` pairs of rows before and after, divided evenly among the steps.

    Short rows are drawn at random, the same ones for the same seed. Every step is applied to real rows, regardless of
    its input in the plan, and changes all of them, regardless of its p; steps that only copy rows are left out.

    fitted  step number -> step that is fitted already
    """
    shown_steps = [one for one in enumerate(plan.all, 1) if has_something_to_show(one[1])]
    if not shown_steps or not len(train):
        return []
    chosen = rows_shown(len(shown_steps), train, rows, seed)
    shown = []
    for number, step in shown_steps:
        able = (fitted or {}).get(number) or fit_step(plan, number, train, seed)
        able = replace(able, step=replace(able.step, p=1.0))
        for index in range(len(chosen)):
            row = chosen.slice(index, index + 1)
            strength = float(step.strength(1.0))
            result = (
                replaced(able, row, 0, strength)
                if step.mode == "replace"
                else add(able, row, np.ones(1, np.int32), 0, strength)
            )
            if len(result.rows):
                new = result.rows.slice(0, 1)
                from_nothing = bool(new.parents[0] == FROM_NOISE)
                shown.append(pair(step.called, row.slice(0, 0) if from_nothing else row, new))
    return shown[:rows]


def has_something_to_show(step: Step) -> bool:
    """Whether the step changes or generates rows, beyond copying them."""
    return not (step.on_items or getattr(step.use, "copies_rows", False))


def rows_shown(steps: int, train: Any, rows: int, seed: int) -> Any:
    """Rows for a preview of `steps` steps."""
    each = max(1, -(-rows // steps))
    return _choose_samples(train, each, seed) if isinstance(train, Samples) else _choose_histories(train, each, seed)


def _choose_histories(train: Any, rows: int, seed: int) -> Histories:
    """`rows` random histories, of a readable length where there are enough."""
    lengths = train.lengths
    candidates = np.flatnonzero((lengths >= _MIN_EVENTS) & (lengths <= _MAX_EVENTS))
    if len(candidates) < rows:
        candidates = np.flatnonzero(lengths >= min(2, int(lengths.max())))
    drawn = rng.bits(rng.row_keys(rng.key(seed, "preview"), train.keys[candidates]), 0)
    readable: Histories = train.take(candidates[np.argsort(drawn)[:rows]])
    return readable


def pair(step: str, before: Any, after: Any) -> Preview:
    """Preview of one history or sample; `before` may be empty."""
    if isinstance(before, Samples):
        return _compare_cells(step, before, after)
    old, new = before.items.tolist(), after.items.tolist()
    matched = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    kept = {block.b + offset for block in matched for offset in range(block.size)}
    changed = [index for index in range(len(new)) if index not in kept]
    return Preview(step, items_named(before), items_named(after), changed)


def items_named(rows: Histories) -> list[str]:
    """Readable names of the items of one history."""
    if rows.catalog is None:
        return ["[mask]" if item > rows.n_items else str(item) for item in rows.items.tolist()]
    return [rows.catalog.name(item) for item in rows.items.tolist()]


def _choose_samples(train: Samples, rows: int, seed: int) -> Samples:
    """`rows` random samples, the same ones for the same seed."""
    draws = rng.bits(rng.row_keys(rng.key(seed, "preview"), train.keys), 0)
    return train.take(np.argsort(draws, kind="stable")[:rows])


def _compare_cells(step: str, before: Samples, after: Samples) -> Preview:
    """Preview of the cells of one sample, changed columns first; all of them are changed where `before` is empty."""
    new = _format_cells(after)
    old = _format_cells(before) if len(before) else {}
    changed = [name for name in new if old.get(name) != new[name] and name != "label"]
    others = [name for name in new if name not in changed and name != "label"]
    names = [*[*changed, *others][: _MAX_COLUMNS - 1], "label"]
    return Preview(
        step,
        [f"{name} {old[name]}" for name in names if old],
        [f"{name} {new[name]}" for name in names],
        [index for index, name in enumerate(names) if old.get(name) != new[name]],
    )


def _format_cells(row: Samples) -> dict[str, str]:
    """Column -> its cell as text."""
    cells = {name: _format_number(row.numbers[0, column]) for column, name in enumerate(row.numeric)}
    cells |= {name: str(row.texts(name)[0] or "–") for name in row.categorical}
    return cells | {"label": _format_number(row.label[0])}


def _format_number(value: float) -> str:
    return "–" if np.isnan(value) else f"{float(value) + 0.0:.4g}"  # never "-0"
