"""Infers the format of a file and the meaning of its columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from leaven.ingest.file_access import is_remote, open_file, read_sample
from leaven.ingest.format_sniffing import TextFormat, sniff_format
from leaven.ingest.timestamps import infer_time_unit

EVENT_COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user_id", "customer_id", "reviewer_id", "visitor_id", "member_id", "client_id", "person_id", "viewer_id",
             "listener_id", "account_id", "user", "customer", "reviewer", "visitor", "member", "uid", "username"),
    "item": ("item_id", "parent_asin", "asin", "stock_code", "product_id", "article_id", "movie_id", "track_id",
             "video_id", "song_id", "book_id", "goods_id", "sku_id", "business_id", "item", "sku", "product", "iid"),
    "time": ("timestamp", "time", "datetime", "event_time", "invoice_date", "order_date", "purchase_date", "date",
             "created_at", "unix_review_time", "t_dat", "ts", "when", "day"),
    "kind": ("event_type", "kind", "action", "behavior", "behaviour", "behavior_type", "event", "action_type"),
    "quantity": ("quantity", "qty", "amount", "units"),
    "price": ("unit_price", "price", "item_price"),
    "value": ("rating", "overall", "stars", "score", "value"),
    "order": ("invoice_no", "order_id", "invoice", "order", "basket_id", "transaction_id", "session_id"),
    "text": ("description", "title", "name", "product_name", "item_name"),
    "country": ("country", "region", "market"),
}  # fmt: skip
ITEM_COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "item": EVENT_COLUMN_NAMES["item"],
    "text": ("title", "title_zh", "name", "product_name", "description", "description_zh", "summary", "text"),
    "image": ("image", "image_path", "picture", "photo", "iconic_image"),
    "price": EVENT_COLUMN_NAMES["price"],
    "category": ("category", "main_category", "department", "genre", "genres", "categories"),
    "brand": ("brand", "maker", "manufacturer", "store"),
    "born": ("born", "release_date", "released", "first_sold", "available_from"),
    "attributes": ("attributes", "tags"),
}


@dataclass(frozen=True)
class InferredFormat:
    """The inferred format of a file.

    kind       "log", "items" or "sequences"
    format     "csv", "parquet", "inter" or "sequences"
    columns    our name -> the file's column, of a log or of a table of items (without the texts of items)
    text       text columns of a table of items
    time_unit  "s", "ms", "us", "ns", "%Y%m%d", "text"; "" without a time column
    header     whether the first line names the columns; names: all columns of the file; rows: the first records
    """

    kind: str
    format: str
    columns: dict[str, str]
    names: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    separator: str = ""
    encoding: str = ""
    header: bool = True
    time_unit: str = ""
    rows: tuple[tuple[str, ...], ...] = field(default=(), repr=False)


def infer_format(path: str | Path) -> InferredFormat:
    """The format of a file, inferred from its first lines.

    Raises DataError for a file that is missing, empty or binary.
    """
    name = str(path)
    if _is_parquet(name):
        return _infer_parquet_format(name)
    text, encoding = read_sample(name)
    found = sniff_format(name, text)
    if found.layout == "sequences":
        return InferredFormat("sequences", "sequences", {}, (), (), " ", encoding, False, "position", found.rows)
    return infer_table_format(found, encoding, "inter" if name.endswith(".inter") else "csv")


def infer_table_format(found: TextFormat, encoding: str, file_format: str) -> InferredFormat:
    """The format of a table, inferred from its column names, or from its values where it has no header."""
    columns = match_columns(found.names, EVENT_COLUMN_NAMES) if found.header else infer_columns_by_value(found)
    kind = "log" if "user" in columns or "time" in columns else "items"
    text: tuple[str, ...] = ()
    if kind == "items":
        columns = match_columns(found.names, ITEM_COLUMN_NAMES)
        columns.pop("text", None)
        text = tuple(
            name for name in found.names if _normalize_name(name) in map(_normalize_name, ITEM_COLUMN_NAMES["text"])
        )
    unit = infer_time_unit(_column_cells(found, columns["time"])) if "time" in columns else ""
    return InferredFormat(
        kind, file_format, columns, found.names, text, found.separator, encoding, found.header, unit, found.rows
    )


def match_columns(names: tuple[str, ...], words: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """our name -> column; the first known name of each that the file has.

    >>> match_columns(("CustomerID", "StockCode", "InvoiceDate"), EVENT_COLUMN_NAMES)
    {'user': 'CustomerID', 'item': 'StockCode', 'time': 'InvoiceDate'}
    """
    found: dict[str, str] = {}
    for word, known in words.items():
        free = {_normalize_name(name): name for name in names if name not in found.values()}
        hit = next(
            (free[_normalize_name(candidate)] for candidate in known if _normalize_name(candidate) in free), None
        )
        if hit is not None:
            found[word] = hit
    return found


def infer_columns_by_value(found: TextFormat) -> dict[str, str]:
    """Columns of a file without a header: time is the last column of times; user and item are the first others."""
    times = [name for name in found.names if infer_time_unit(_column_cells(found, name))]
    columns = {"time": times[-1]} if times else {}
    others = [name for name in found.names if name not in columns.values()]
    columns |= dict(zip(("user", "item", "value"), others, strict=False))
    return columns


def _normalize_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _column_cells(found: TextFormat, name: str) -> list[str]:
    index = found.names.index(name)
    return [row[index].strip() for row in found.rows if len(row) > index and row[index].strip()]


def _is_parquet(name: str) -> bool:
    if is_remote(name) and not name.endswith((".parquet", ".pq")):
        return False
    if any(wildcard in name for wildcard in "*?[") or (not is_remote(name) and Path(name).is_dir()):
        return True
    with open_file(name) as stream:
        return stream.read(4) == b"PAR1"


def _infer_parquet_format(name: str) -> InferredFormat:
    from leaven.ingest.files import read_parquet_head

    names, values = read_parquet_head(name)
    rows = tuple(tuple("" if cell is None else str(cell) for cell in row) for row in values)
    return infer_table_format(TextFormat("table", "", True, names, rows), "", "parquet")
