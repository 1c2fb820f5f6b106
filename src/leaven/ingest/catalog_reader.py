"""Reads the table of items into a `Catalog`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.errors import DataError
from leaven.ingest.attribute_tables import create_items_table
from leaven.ingest.source_config import CatalogSource
from leaven.ingest.source_loading import open_database


def read_catalog(source: CatalogSource | None, item_ids: Sequence[str], events: Events | None = None) -> Catalog:
    """The catalog in the order of the dense ids; items that are not in the table stay empty.

    A table of items in `events` (as read or cleaned) is used; without one the file is read.
    Relative image paths start from the folder of the file.

    Raises DataError for a table that cannot be read, or a table with none of the items.
    """
    ids = list(item_ids)
    if source is None:
        return Catalog(ids=ids)
    rows = _fetch_items(source, ids, events)
    known = np.array([cell is not None for cell in rows["known"]], bool)
    if not known.any():
        fix = "name the column with the ids that the log uses"
        raise DataError(f"{source.columns.get('item')!r} of the items", "ids of the log", f"none of {len(ids):,}", fix)
    texts = {name: [cell or "" for cell in rows[name]] for name in (*source.text, "brand") if name in rows}
    category, categories = _encode_categories(rows.get("category"))
    images = [cell or "" for cell in rows["image"]] if "image" in rows else None
    price = _with_padding(rows.get("price"), np.nan, np.float64)
    # A missing release time is the smallest number: an item of unknown age is never too young.
    released = _with_padding(rows.get("born"), np.iinfo(np.int64).min, np.int64)
    return Catalog(ids, texts, category, categories, price, released, images, _image_folder(source))


def build_catalog(events: Events, item_ids: Sequence[str], source: CatalogSource | None = None) -> Catalog:
    """The catalog of an item table (by default the one that the events were read with), else of the log's own texts.

    Raises DataError as `read_catalog` does.
    """
    source = events.item_source if source is None else source
    if source is not None:
        return read_catalog(source, item_ids, events)
    ids = list(item_ids)
    if "text" not in events.columns:
        return Catalog(ids=ids)
    sql = f"SELECT item, max(text) FROM {events.table} WHERE text IS NOT NULL GROUP BY item"
    known = dict(events.connection.execute(sql).fetchall())
    return Catalog(ids=ids, texts={"text": [str(known.get(one, "")) for one in ids]})


def _fetch_items(source: CatalogSource, ids: list[str], events: Events | None) -> dict[str, list[Any]]:
    import tempfile

    import pyarrow as pa

    database, table = (
        (events.connection, events.item_table)
        if events is not None and events.item_table
        else (open_database(), "items")
    )
    if events is None or not events.item_table:
        with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
            create_items_table(database, source, Path(folder))
    database.register("leaven_ids", pa.table({"id": ids, "dense": range(1, len(ids) + 1)}))
    sql = f"""
        SELECT known.* EXCLUDE (item), known.item AS known
        FROM leaven_ids AS ids LEFT JOIN {table} AS known ON known.item = ids.id ORDER BY ids.dense"""
    found: dict[str, list[Any]] = database.sql(sql).to_arrow_table().to_pydict()
    database.unregister("leaven_ids")
    return found


def _encode_categories(cells: list[str | None] | None) -> tuple[Any, Sequence[str]]:
    if cells is None:
        return None, ()
    names = sorted({cell for cell in cells if cell})
    code_of = {name: code for code, name in enumerate(names, 1)}
    return np.array([0, *(code_of.get(cell or "", 0) for cell in cells)], np.int32), names


def _with_padding(cells: list[Any] | None, missing: float, dtype: Any) -> Any:
    """(items + 1,): the padding id 0 has no value."""
    if cells is None:
        return None
    return np.array([missing, *(missing if cell is None else cell for cell in cells)], dtype)


def _image_folder(source: CatalogSource) -> Path:
    if not isinstance(source.items, str | Path) or "://" in str(source.items):
        return Path()
    path = Path(source.items)
    return path if path.is_dir() else path.parent
