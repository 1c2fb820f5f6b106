"""What do the steps on words of an arm make of the items, and who reads it?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaven.data.catalog import Catalog
from leaven.errors import SpecError
from leaven.plan import Plan, catalog_views, word_steps
from leaven.registry import kind_of
from leaven.spec import Spec


def check_words(spec: Spec) -> None:
    """SpecError where an arm has a step on words and the recommender knows no words."""
    if "words" in getattr(spec.recommender, "reads", ()):
        return
    for arm in spec.arms:
        for step in word_steps(arm.plan):
            kind = kind_of("recommenders", spec.recommender)
            fix = 'write [recommender] kind = "multimodal", or leave the step out'
            where = f"arm {arm.name!r}, step {step.called!r}"
            raise SpecError(where, "a recommender that reads words", repr(kind), fix)


def views_of(plan: Plan, catalog: Catalog | None, seed: int, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the views of an arm's steps on words; facts of all its steps, and its gallery. {} where it has none."""
    if not word_steps(plan):
        return {}
    views = catalog_views(catalog, plan, seed)
    views.write(folder)
    own = {fact["index"]: fact for fact in views.facts()}
    return {"steps": [own.get(step["index"], step) for step in facts["steps"]], "gallery": views.gallery()}


def texts_before_after(plan: Plan, catalog: Catalog | None, seed: int, texts: int) -> list[dict[str, Any]]:
    """Some texts before and after each step on words, as previews of rows are told."""
    if not word_steps(plan):
        return []
    shown = []
    for told in catalog_views(catalog, plan, seed).gallery(texts):
        for one in told["texts"]:
            before, after = ("".join(part for part, _ in one[side]) for side in ("before", "after"))
            shown.append({"step": told["step"], "before": [before], "after": [after], "changed": [0]})
    return shown
