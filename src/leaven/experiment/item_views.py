"""What do the steps on words and pictures of an arm make of the items, and who reads it?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaven.augmentation import CatalogViews, Plan, catalog_views, view_steps
from leaven.augmentation.item_views import PICTURE_SIZE
from leaven.config import Spec
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.registry import kind_of


def check_readers(spec: Spec) -> None:
    """SpecError where an arm has a step on words or pictures and the recommender reads none."""
    known = getattr(spec.recommender, "reads", ())
    for arm in spec.arms:
        for step in view_steps(arm.plan):
            if step.on in known:
                continue
            kind = kind_of("recommenders", spec.recommender)
            fix = 'write [recommender] kind = "multimodal", or leave the step out'
            if known:
                fix = f"give it an encoder of {step.on}: leaven list encoders"
            where = f"arm {arm.name!r}, step {step.called!r}"
            raise SpecError(where, f"a recommender that reads {step.on}", repr(kind), fix)


def views(spec: Spec, plan: Plan, catalog: Catalog | None, draw: int, folder: Path) -> CatalogViews | None:
    """The items of every epoch, pictures as large as the recommender reads them; None where no step changes them."""
    if not view_steps(plan):
        return None
    size = getattr(spec.recommender, "picture_size", PICTURE_SIZE)
    return catalog_views(catalog, plan, spec.seed, draw, size, folder)


def written(spec: Spec, plan: Plan, catalog: Catalog | None, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the views of an arm's steps on items; facts of all its steps, and its gallery. {} where it has none."""
    found = views(spec, plan, catalog, 0, folder)
    if found is None:
        return {}
    found.write(folder)
    own = {fact["index"]: fact for fact in found.facts()}
    return {"steps": [own.get(step["index"], step) for step in facts["steps"]], "gallery": found.gallery()}


def before_after(spec: Spec, plan: Plan, catalog: Catalog | None, items: int, scratch: Path) -> list[dict[str, Any]]:
    """Some items before and after each step on them, as previews of rows are told; pictures by how far they moved."""
    found = views(spec, plan, catalog, 0, scratch)
    if found is None:
        return []
    shown = []
    for told in found.gallery(items):
        for one in told["some"]:
            before, after = _said(told["on"], one)
            shown.append({"step": told["step"], "before": [before], "after": [after], "changed": [0]})
    return shown


def _said(on: str, one: Mapping[str, Any]) -> tuple[str, str]:
    if on == "words":
        before, after = ("".join(part for part, _ in one[side]) for side in ("before", "after"))
        return before, after
    return f"picture of {one['item']}", f"another by {one['apart']} of 255 levels"
