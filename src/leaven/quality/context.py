"""What is known beside the rows that are judged?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leaven.datasets.catalog import Catalog
from leaven.errors import SpecError
from leaven.ingest.source_config import ItemSource
from leaven.protocols import FittedRecommender

if TYPE_CHECKING:
    from leaven.nn.inception import PictureVectors

USEFUL = {
    "items": "histories",
    "recommender": "histories",
    "column": "text or image",
    "label": "image",
    "words": "image",
    "encoder": "image",
}
"""what may be known -> the kinds of data for which it is of use"""


@dataclass(frozen=True, eq=False)
class Beside:
    """What is known beside the rows.

    items        of histories: the catalogue, or where the table of items lies, for logs; for words and consistency
    recommender  of histories: one that learned from the real rows alone, over the same dense ids; it stays as it is
    column       of texts and pictures: which column of a table holds them, or their files
    label, words of pictures: which columns of a table say what each shows, and describe it
    encoder      of pictures: a file of Inception's weights, for FID, or of another network (TorchScript)
    """

    items: Catalog | ItemSource | None = None
    recommender: FittedRecommender | None = None
    column: str = ""
    label: str = ""
    words: str = ""
    encoder: str | Path | PictureVectors | None = None

    def refuse_useless(self, kind: str) -> None:
        """Raises SpecError for knowledge that this kind of data has no use for."""
        for name, useful in USEFUL.items():
            if getattr(self, name) not in (None, "") and kind not in useful.split(" or "):
                raise SpecError(name, f"nothing, for kind {kind}: it is of use for {useful}", "one", "leave it out")


NOTHING = Beside()
