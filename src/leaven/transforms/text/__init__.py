"""Transforms of item text that keep its meaning.

Every transform is a config (a frozen dataclass) whose `fit(catalog)` returns `(texts, keys, strength) -> list[str]`.
Texts are tokenized once; draws and selections are arrays over all tokens of a batch; Python code runs only for the
words that change.
"""

from leaven.transforms.text.fields import DropFields, ShuffleFields
from leaven.transforms.text.synonyms import NeighborWords, Synonyms
from leaven.transforms.text.template import Template
from leaven.transforms.text.text_views import TextViews, build_text_views, count_unchanged_texts, derive_item_ids
from leaven.transforms.text.typos import Misspell
from leaven.transforms.text.units import Units
from leaven.transforms.text.word_edits import DeleteWords, InsertWords, ReplaceWords, SwapWords

__all__ = [
    "DeleteWords",
    "DropFields",
    "InsertWords",
    "Misspell",
    "NeighborWords",
    "ReplaceWords",
    "ShuffleFields",
    "SwapWords",
    "Synonyms",
    "Template",
    "TextViews",
    "Units",
    "build_text_views",
    "count_unchanged_texts",
    "derive_item_ids",
]
