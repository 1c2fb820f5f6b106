"""Optional inputs of a quality evaluation: catalog, recommender, columns, image encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.ingest.source_config import CatalogSource
from leaven.protocols import FittedRecommender

if TYPE_CHECKING:
    from leaven.nn.inception import ImageFeatureExtractor

KINDS_OF_INPUT = {
    "items": "histories",
    "recommender": "histories",
    "column": "text or image",
    "label": "image",
    "caption": "image",
    "encoder": "image",
}
"""input -> the kinds of data that use it"""


@dataclass(frozen=True, eq=False)
class EvaluationContext:
    """Optional inputs of an evaluation.

    items        histories: the catalog, or the location of the table of items, for logs; for names and consistency
    recommender  histories: one fitted on the real rows only, over the same dense ids; it is not changed
    column       texts and images: the column of a table with the texts, or the image files
    label, caption images: the columns of a table with the label and the description of each image
    encoder      images: a file of Inception weights, for FID, or of another network (TorchScript)
    """

    items: Catalog | CatalogSource | None = None
    recommender: FittedRecommender | None = None
    column: str = ""
    label: str = ""
    caption: str = ""
    encoder: str | Path | ImageFeatureExtractor | None = None

    def check_kind(self, kind: str) -> None:
        """Raise SpecError for an input that this kind of data does not use."""
        for name, kinds in KINDS_OF_INPUT.items():
            if getattr(self, name) not in (None, "") and kind not in kinds.split(" or "):
                raise SpecError(name, f"no value for kind {kind}: only {kinds} uses it", "a value", "leave it out")


NO_CONTEXT = EvaluationContext()
