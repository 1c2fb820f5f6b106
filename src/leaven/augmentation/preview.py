"""Previews of a plan: rows before and after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from leaven.augmentation.apply_step import append_rows, replace_rows
from leaven.augmentation.plan import PlanLike, Step, convert_plan
from leaven.augmentation.row_previews import PreviewedRow, RowPreviews
from leaven.augmentation.shorthand import check_training_rows
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.datasets.histories import NO_PARENT
from leaven.errors import DataError
from leaven.facts import Preview
from leaven.modalities import find_modality
from leaven.modalities.modality import PlanRows
from leaven.protocols import Rows, RowsT, get_traits


def preview_rows(
    plan: PlanLike, train: Rows, rows: int = 10, seed: int = 0, fitted: Mapping[int, FittedStep] | None = None
) -> RowPreviews:
    """`rows` pairs of rows before and after, divided evenly among the steps.

    Short rows are drawn at random, the same ones for the same seed. Every step is applied to real rows, regardless of
    its input in the plan, and changes all of them, regardless of its p; steps that only copy rows are left out.

    fitted  step number -> step that is fitted already
    """
    check_training_rows(train)
    plan = convert_plan(plan)
    shown_steps = [one for one in enumerate(plan.named_steps, 1) if is_previewable(one[1])]
    if not shown_steps or not len(train):
        return RowPreviews(())
    chosen = select_preview_rows(len(shown_steps), train, rows, seed)
    shown: list[PreviewedRow | None] = []
    for number, _ in shown_steps:
        able = (fitted or {}).get(number) or fit_step(plan, number, train, seed)
        shown += [_preview_row(able, chosen.slice(index, index + 1)) for index in range(len(chosen))]
    return RowPreviews(tuple([one for one in shown if one is not None][:rows]))


def _preview_row(fitted: FittedStep, row: Rows) -> PreviewedRow | None:
    """One row before and after a step that changes it for sure; None where no row comes out."""
    step, strength = replace(fitted.step, p=1.0), float(fitted.step.strength(1.0))
    able = replace(fitted, step=step)
    if step.mode == "in_place":
        result = replace_rows(able, row, 0, strength)
    else:
        result = append_rows(able, row, np.ones(1, np.int32), 0, strength)
    if not len(result.rows):
        return None
    new = result.rows.slice(0, 1)
    is_from_nothing = bool(new.parents[0] == NO_PARENT)
    return compare_rows(step.display_name, row.slice(0, 0) if is_from_nothing else row, new)


def preview_plan(
    plan: PlanLike, train: Rows, rows: int = 10, seed: int = 0, fitted: Mapping[int, FittedStep] | None = None
) -> list[Preview]:
    """The rows of `preview_rows` without ids, for the facts of a run."""
    return [row.to_facts() for row in preview_rows(plan, train, rows, seed, fitted)]


def is_previewable(step: Step) -> bool:
    """Whether the step changes or generates rows, beyond copying them."""
    return not (step.is_on_items or get_traits(step.use).copies_rows)


def select_preview_rows(steps: int, train: RowsT, rows: int, seed: int) -> RowsT:
    """Rows for a preview of `steps` steps."""
    chosen: RowsT = get_plan_rows(train).choose(train, max(1, -(-rows // steps)), seed)
    return chosen


def compare_rows(step: str, before: Rows, after: Rows) -> PreviewedRow:
    """One history or sample before and after; `before` may be empty."""
    found = get_plan_rows(after).compare(before, after)
    return PreviewedRow(step, found.before, found.after, found.changed, found.user, found.before_ids, found.after_ids)


def get_plan_rows(rows: object) -> PlanRows:
    """How rows of this modality are previewed and compared. Raises DataError where plans cannot change them."""
    modality = find_modality(rows)
    if modality.plan_rows is None:
        raise DataError("plan", "rows that steps can change", f"{modality.name} rows", "use item views")
    return modality.plan_rows
