"""Views of items in a run: what the text and image steps of a variant make of the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leaven.augmentation import CatalogViews, Plan, catalog_views, view_steps
from leaven.augmentation.item_views import PICTURE_SIZE
from leaven.config import Arm
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.registry import kind_of


def check_readers(recommender: Any, arms: Sequence[Arm]) -> None:
    """Raises SpecError where a variant has a step on texts or images that the recommender does not read."""
    known = getattr(recommender, "reads", ())
    for arm in arms:
        for step in view_steps(arm.plan):
            if step.on in known:
                continue
            kind = kind_of("recommenders", recommender)
            fix = 'write [recommender] kind = "multimodal", or leave the step out'
            if known:
                fix = f"give it an encoder of {step.on}: leaven list encoders"
            where = f"variant {arm.name!r}, step {step.called!r}"
            raise SpecError(where, f"a recommender that reads {step.on}", repr(kind), fix)


def views(
    recommender: Any, seed: int, plan: Plan, catalog: Catalog | None, draw: int, folder: Path
) -> CatalogViews | None:
    """The items of every epoch, images as large as the recommender reads them; None where no step changes items."""
    if not view_steps(plan):
        return None
    size = getattr(recommender, "picture_size", PICTURE_SIZE)
    return catalog_views(catalog, plan, seed, draw, size, folder)


def written(
    recommender: Any, seed: int, plan: Plan, catalog: Catalog | None, folder: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the views of the steps on items; the facts of all steps and a gallery. {} where there are no such steps."""
    found = views(recommender, seed, plan, catalog, 0, folder)
    if found is None:
        return {}
    found.write(folder)
    own = {fact["index"]: fact for fact in found.facts()}
    return {"steps": [own.get(step["index"], step) for step in facts["steps"]], "gallery": found.gallery()}


def before_after(
    recommender: Any, seed: int, plan: Plan, catalog: Catalog | None, items: int, scratch: Path
) -> list[dict[str, Any]]:
    """Some items before and after each step, in the format of row previews; images by their pixel distance."""
    found = views(recommender, seed, plan, catalog, 0, scratch)
    if found is None:
        return []
    shown = []
    for step in found.gallery(items):
        for item in step["some"]:
            if step["on"] == "words":
                before, after = ("".join(part for part, _ in item[side]) for side in ("before", "after"))
            else:
                before, after = f"image of {item['item']}", f"another by {item['apart']} of 255 levels"
            shown.append({"step": step["step"], "before": [before], "after": [after], "changed": [0]})
    return shown
