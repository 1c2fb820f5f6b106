"""The item catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Catalog:
    """The items, in the order of their dense ids: item *i* is row *i - 1*.

    ids        original ids as text, sorted; a dense id is the index in this list plus one
    texts      text fields: name -> one string per item ("" where missing)
    category   int32 (items + 1,): category code of each dense id, 0 where unknown; None: no column
    categories names of the codes, from code 1
    price             float64 (items + 1,): NaN where unknown; None: no column
    first_sale_times  int64 (items + 1,): first second of sale from the catalog or from training events, never from
                      later events; None: not known
    image_paths       one path per item ("" where missing); None: no column
    image_folder      folder of relative image paths
    pixels            uint8 (items, height, width, 3): images changed by a plan, used instead of the files; an item
                      whose path is "" has none. None: the files are read

    >>> Catalog(ids=["a", "b"]).encode_ids(["b", "zzz"]).tolist()
    [2, 0]
    """

    ids: Sequence[str]
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    category: npt.NDArray[np.int32] | None = None
    categories: Sequence[str] = ()
    price: npt.NDArray[np.float64] | None = None
    first_sale_times: npt.NDArray[np.int64] | None = None
    image_paths: Sequence[str] | None = None
    image_folder: Path = Path()
    pixels: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def id_array(self) -> pa.Array:
        """Arrow strings (items,): the original ids."""
        import pyarrow as pa

        return pa.array(self.ids, pa.string())

    def encode_ids(self, ids: Sequence[str]) -> npt.NDArray[np.int32]:
        """int32 (len(ids),): dense ids of original ids; 0 for unknown ids."""
        index_of = {original: index for index, original in enumerate(self.ids, 1)}
        return np.fromiter((index_of.get(i, 0) for i in ids), np.int32, len(ids))

    def item_name(self, item: int) -> str:
        """A display name: the first nonempty text field, else the original id."""
        if not 1 <= item <= len(self.ids):
            return "[mask]" if item == len(self.ids) + 1 else f"[{item}]"
        for column in self.texts.values():
            if column[item - 1]:
                return column[item - 1]
        return self.ids[item - 1]
