"""Steps and plans, and the rows and item views that they make.

Step, Plan                        configs
expand                            the real rows, then the rows that a plan makes once
write_expansion, load_expansion   the same in a folder, block by block, resumable
build_epoch_rows                  the rows of every epoch, for steps that make fresh rows
preview_rows                      rows before and after each step
build_catalog_views               the items of every epoch, for steps on their texts and images
"""

from __future__ import annotations

from leaven.augmentation.epochs import EpochRows, build_epoch_rows
from leaven.augmentation.expansion import Expansion, expand, load_expansion, write_expansion
from leaven.augmentation.item_views import CatalogViews, build_catalog_views, list_item_steps
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.preview import preview_plan, preview_rows
from leaven.augmentation.row_previews import PreviewedRow, RowPreviews
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.facts import Preview

__all__ = [
    "CatalogViews",
    "EpochRows",
    "Expansion",
    "FittedStep",
    "Plan",
    "Preview",
    "PreviewedRow",
    "RowPreviews",
    "Step",
    "build_catalog_views",
    "build_epoch_rows",
    "expand",
    "fit_step",
    "list_item_steps",
    "load_expansion",
    "preview_plan",
    "preview_rows",
    "write_expansion",
]
