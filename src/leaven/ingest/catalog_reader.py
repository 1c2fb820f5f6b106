"""What is known of each item of the log?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.errors import DataError
from leaven.ingest.reader import connect, write_items
from leaven.ingest.source_config import ItemSource


def read_catalog(wish: ItemSource | None, item_ids: Sequence[str], events: Events | None = None) -> Catalog:
    """The catalogue in the order of the dense ids; items that the table does not know stay empty.

    Where `events` holds a table of items (read, perhaps cleaned) it is taken, else the file is read.
    Relative paths of images start from the folder of the file.

    Raises DataError for a table that cannot be read, or one that knows none of the items.
    """
    ids = list(item_ids)
    if wish is None:
        return Catalog(ids=ids)
    rows = _rows(wish, ids, events)
    known = np.array([cell is not None for cell in rows["known"]], bool)
    if not known.any():
        fix = "name the column with the ids that the log uses"
        raise DataError(f"{wish.columns.get('item')!r} of the items", "ids of the log", f"none of {len(ids):,}", fix)
    words = {name: [cell or "" for cell in rows[name]] for name in (*wish.text, "brand") if name in rows}
    category, categories = _codes(rows.get("category"))
    images = [cell or "" for cell in rows["image"]] if "image" in rows else None
    price = _after_padding(rows.get("price"), np.nan, np.float64)
    return Catalog(ids, words, category, categories, price, _born(rows.get("born")), images, _folder(wish))


def _rows(wish: ItemSource, ids: list[str], events: Events | None) -> dict[str, list[Any]]:
    import tempfile

    import pyarrow as pa

    database, table = (events.connection, events.items) if events is not None and events.items else (connect(), "items")
    if events is None or not events.items:
        with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
            write_items(database, wish, Path(folder))
    database.register("leaven_ids", pa.table({"id": ids, "dense": range(1, len(ids) + 1)}))
    sql = f"""
        SELECT known.* EXCLUDE (item), known.item AS known
        FROM leaven_ids AS ids LEFT JOIN {table} AS known ON known.item = ids.id ORDER BY ids.dense"""
    found: dict[str, list[Any]] = database.sql(sql).to_arrow_table().to_pydict()
    database.unregister("leaven_ids")
    return found


def _codes(cells: list[str | None] | None) -> tuple[Any, Sequence[str]]:
    if cells is None:
        return None, ()
    names = sorted({cell for cell in cells if cell})
    place = {name: code for code, name in enumerate(names, 1)}
    return np.array([0, *(place.get(cell or "", 0) for cell in cells)], np.int32), names


def _after_padding(cells: list[Any] | None, missing: float, kind: Any) -> Any:
    """(items + 1,): the padding id 0 has no value either."""
    if cells is None:
        return None
    return np.array([missing, *(missing if cell is None else cell for cell in cells)], kind)


def _born(cells: list[int | None] | None) -> Any:
    """Missing birth dates are the smallest number: an item of unknown age is never too young."""
    return _after_padding(cells, np.iinfo(np.int64).min, np.int64)


def _folder(wish: ItemSource) -> Path:
    if not isinstance(wish.items, str | Path) or "://" in str(wish.items):
        return Path()
    path = Path(wish.items)
    return path if path.is_dir() else path.parent
