"""The resolved spec: a table with every default written out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from leaven.augmentation.plan import Plan
from leaven.config.build import to_table
from leaven.config.experiment_spec import QUALITY, VARIANTS, Spec
from leaven.ctr_features import LabeledTable


def resolve_spec(spec: Spec) -> dict[str, Any]:
    """Table of a spec with every default; `parse` of its TOML gives the same spec."""
    data = to_table(spec.data)
    data |= data.pop("options", {})
    if spec.items is not None:
        data |= {"items": to_table(spec.items.items)}
        data["item_columns"] = {**spec.items.columns, "text": list(spec.items.text)}
    if spec.users is not None:
        data |= {"users": to_table(spec.users.users)}
        data["user_columns"] = {**spec.users.columns, "categorical": list(spec.users.categorical)}
    variants = [
        {"name": variant.name, **_resolve_plan(variant.plan), "step": _resolve_steps(variant.plan)}
        for variant in spec.variants
    ]
    tables = {"clean": spec.clean, "split": spec.split, "recommender": spec.recommender, "evaluate": spec.evaluate}
    if isinstance(spec.data, LabeledTable):
        del tables["clean"]
    whole = {"name": spec.name, "task": spec.task, "seed": spec.seed}
    whole |= {"rules": list(spec.rules)} if spec.rules else {}
    whole |= {"data": data} | ({"samples": to_table(spec.samples)} if spec.samples is not None else {})
    quality = to_table(spec.quality) if spec.quality is not None else False
    return whole | {name: to_table(one) for name, one in tables.items()} | {QUALITY: quality, VARIANTS: variants}


def _resolve_plan(plan: Plan) -> dict[str, Any]:
    whole = {"combine": plan.combine, "rounds": plan.rounds}
    return whole if plan.controller is None else whole | {"controller": to_table(plan.controller)}


def _resolve_steps(plan: Plan) -> list[dict[str, Any]]:
    """Tables of the steps, each with the fields of its operator."""
    written = []
    for step in plan.named_steps:
        table = to_table(step)
        operator = table.pop("use")
        own_filters = {one.name: one.default for one in fields(step.use)}.get("default_filters")  # type: ignore[arg-type]
        if step.default_filters == own_filters:
            operator.pop("default_filters", None)
        if step.mode == "append":
            table.pop("p")
        else:
            operator.pop("p", None)
            table.pop("copies")
        if not step.is_on_items:
            table.pop("columns")
        written.append(operator | table)
    return written
