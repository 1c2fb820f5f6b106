"""Which steps make which rows, and how do they combine?

Step, Plan      the wish
expand          real rows first, then the rows that a plan makes once
write, load     the same into a folder, block by block, resumable; and back
epoch_rows      the rows of every epoch, for steps that make fresh ones
preview         before and after, on rows of one's own
catalog_views   the items of every epoch, for steps on their words and pictures
"""

from __future__ import annotations

from leaven.augmentation.epochs import EpochRows, epoch_rows
from leaven.augmentation.expansion import Expansion, expand, load, write
from leaven.augmentation.item_views import CatalogViews, catalog_views, view_steps
from leaven.augmentation.plan import Plan, Step
from leaven.augmentation.preview import Preview, preview
from leaven.augmentation.step_fitting import FittedStep, fit_step

__all__ = [
    "CatalogViews",
    "EpochRows",
    "Expansion",
    "FittedStep",
    "Plan",
    "Preview",
    "Step",
    "catalog_views",
    "epoch_rows",
    "expand",
    "fit_step",
    "load",
    "preview",
    "view_steps",
    "write",
]
