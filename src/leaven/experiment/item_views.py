"""Views of items in a run: what the text and image steps of a variant make of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leaven.augmentation import CatalogViews, Plan, build_catalog_views, list_item_steps
from leaven.augmentation.item_views import IMAGE_SIZE
from leaven.config import Variant
from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.facts import Preview
from leaven.protocols import ItemReader, Model
from leaven.registry import find_kind


def check_item_modalities(recommender: Model, variants: Sequence[Variant]) -> None:
    """Raises SpecError where a variant has a step on texts or images that the recommender does not read."""
    known = recommender.modalities if isinstance(recommender, ItemReader) else ()
    for variant in variants:
        for step in list_item_steps(variant.plan):
            if step.modality in known:
                continue
            kind = find_kind("recommenders", recommender)
            fix = 'write [recommender] kind = "multimodal", or leave the step out'
            if known:
                fix = f"give it an encoder of {step.modality}: leaven list encoders"
            where = f"variant {variant.name!r}, step {step.display_name!r}"
            raise SpecError(where, f"a recommender that reads {step.modality}", repr(kind), fix)


def build_item_views(
    recommender: Model, seed: int, plan: Plan, catalog: Catalog | None, draw: int, folder: Path
) -> CatalogViews | None:
    """The items of every epoch, images as large as the recommender reads them; None where no step changes items."""
    if not list_item_steps(plan):
        return None
    size = recommender.image_size if isinstance(recommender, ItemReader) else 0
    return build_catalog_views(catalog, plan, seed, draw, size or IMAGE_SIZE, folder)


def preview_item_steps(views: CatalogViews | None, items: int) -> list[Preview]:
    """Some items before and after each step, in the format of row previews; images by their pixel distance."""
    if views is None:
        return []
    return views.preview_views(items)
