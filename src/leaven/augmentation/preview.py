"""Previews of a plan: rows before and after each step."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation.apply_step import append_rows, replace_rows
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.datasets.histories import NO_PARENT, Histories
from leaven.datasets.samples import Samples
from leaven.protocols import Rows, get_traits

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


def preview_plan(
    plan: Plan, train: Rows, rows: int = 10, seed: int = 0, fitted: Mapping[int, FittedStep] | None = None
) -> list[Preview]:
    """`rows` pairs of rows before and after, divided evenly among the steps.

    Short rows are drawn at random, the same ones for the same seed. Every step is applied to real rows, regardless of
    its input in the plan, and changes all of them, regardless of its p; steps that only copy rows are left out.

    fitted  step number -> step that is fitted already
    """
    shown_steps = [one for one in enumerate(plan.named_steps, 1) if is_previewable(one[1])]
    if not shown_steps or not len(train):
        return []
    chosen = select_preview_rows(len(shown_steps), train, rows, seed)
    shown = []
    for number, step in shown_steps:
        able = (fitted or {}).get(number) or fit_step(plan, number, train, seed)
        able = replace(able, step=replace(able.step, p=1.0))
        for index in range(len(chosen)):
            row = chosen.slice(index, index + 1)
            strength = float(step.strength(1.0))
            result = (
                replace_rows(able, row, 0, strength)
                if step.mode == "in_place"
                else append_rows(able, row, np.ones(1, np.int32), 0, strength)
            )
            if len(result.rows):
                new = result.rows.slice(0, 1)
                from_nothing = bool(new.parents[0] == NO_PARENT)
                shown.append(compare_rows(step.display_name, row.slice(0, 0) if from_nothing else row, new))
    return shown[:rows]


def is_previewable(step: Step) -> bool:
    """Whether the step changes or generates rows, beyond copying them."""
    return not (step.is_on_items or get_traits(step.use).copies_rows)


def select_preview_rows(steps: int, train: Any, rows: int, seed: int) -> Any:
    """Rows for a preview of `steps` steps."""
    each = max(1, -(-rows // steps))
    return _choose_samples(train, each, seed) if isinstance(train, Samples) else _choose_histories(train, each, seed)


def _choose_histories(train: Any, rows: int, seed: int) -> Histories:
    """`rows` random histories, of a readable length where there are enough."""
    lengths = train.lengths
    candidates = np.flatnonzero((lengths >= _MIN_EVENTS) & (lengths <= _MAX_EVENTS))
    if len(candidates) < rows:
        candidates = np.flatnonzero(lengths >= min(2, int(lengths.max())))
    drawn = rng.draw_bits(rng.derive_row_keys(rng.derive_key(seed, "preview"), train.row_ids[candidates]), 0)
    readable: Histories = train.take(candidates[np.argsort(drawn)[:rows]])
    return readable


def compare_rows(step: str, before: Any, after: Any) -> Preview:
    """Preview of one history or sample; `before` may be empty."""
    if isinstance(before, Samples):
        return _compare_cells(step, before, after)
    old, new = before.items.tolist(), after.items.tolist()
    matched = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    kept = {block.b + offset for block in matched for offset in range(block.size)}
    changed = [index for index in range(len(new)) if index not in kept]
    return Preview(step, list_item_names(before), list_item_names(after), changed)


def list_item_names(rows: Histories) -> list[str]:
    """Readable names of the items of one history."""
    if rows.catalog is None:
        return ["[mask]" if item > rows.n_items else str(item) for item in rows.items.tolist()]
    return [rows.catalog.item_name(item) for item in rows.items.tolist()]


def _choose_samples(train: Samples, rows: int, seed: int) -> Samples:
    """`rows` random samples, the same ones for the same seed."""
    draws = rng.draw_bits(rng.derive_row_keys(rng.derive_key(seed, "preview"), train.row_ids), 0)
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
    cells |= {name: str(row.categorical_column(name)[0] or "–") for name in row.categorical}
    return cells | {"label": _format_number(row.label[0])}


def _format_number(value: float) -> str:
    return "–" if np.isnan(value) else f"{float(value) + 0.0:.4g}"  # never "-0"
