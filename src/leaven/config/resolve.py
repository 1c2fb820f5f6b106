"""The resolved spec: a table with every default written out."""

from __future__ import annotations

from typing import Any

from leaven.augmentation.plan import Plan
from leaven.config.build import table_of
from leaven.config.experiment_spec import QUALITY, VARIANTS, Spec
from leaven.ctr_features import Labelled


def resolved(spec: Spec) -> dict[str, Any]:
    """Table of a spec with every default; `parse` of its TOML gives the same spec."""
    data = table_of(spec.data)
    if spec.items is not None:
        data |= {"items": table_of(spec.items.items)}
        data["item_columns"] = {**spec.items.columns, "text": list(spec.items.text)}
    arms = [{"name": arm.name, **_resolve_plan(arm.plan), "step": _resolve_steps(arm.plan)} for arm in spec.arms]
    tables = {"clean": spec.clean, "split": spec.split, "recommender": spec.recommender, "evaluate": spec.evaluate}
    if isinstance(spec.data, Labelled):
        del tables["clean"]
    whole = {"name": spec.name, "task": spec.task, "seed": spec.seed}
    whole |= {"rules": list(spec.rules)} if spec.rules else {}
    whole |= {"data": data} | ({"samples": table_of(spec.samples)} if spec.samples is not None else {})
    quality = table_of(spec.judge) if spec.judge is not None else False
    return whole | {name: table_of(one) for name, one in tables.items()} | {QUALITY: quality, VARIANTS: arms}


def _resolve_plan(plan: Plan) -> dict[str, Any]:
    whole = {"combine": plan.combine, "rounds": plan.rounds}
    return whole if plan.controller is None else whole | {"controller": table_of(plan.controller)}


def _resolve_steps(plan: Plan) -> list[dict[str, Any]]:
    """Tables of the steps, each with the fields of its operator."""
    written = []
    for step in plan.all:
        table = table_of(step)
        operator = table.pop("use")
        if operator.get("keep") == table_of(getattr(type(step.use), "keep", None)):
            operator.pop("keep", None)  # when read back, it would become the step's own filters
        if step.mode == "add":
            table.pop("p")
        else:
            operator.pop("p", None)
            table.pop("copies")
        if not step.on_items:
            table.pop("columns")
        written.append(operator | table)
    return written
