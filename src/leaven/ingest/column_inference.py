"""Infers the format of a file and the meaning of its columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from leaven.ingest.file_access import is_remote, opened, sample
from leaven.ingest.format_sniffing import Shape, shape
from leaven.ingest.timestamps import unit_of

WORDS: dict[str, tuple[str, ...]] = {
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
ITEM_WORDS: dict[str, tuple[str, ...]] = {
    "item": WORDS["item"],
    "text": ("title", "title_zh", "name", "product_name", "description", "description_zh", "summary", "text"),
    "image": ("image", "image_path", "picture", "photo", "iconic_image"),
    "price": WORDS["price"],
    "category": ("category", "main_category", "department", "genre", "genres", "categories"),
    "brand": ("brand", "maker", "manufacturer", "store"),
    "born": ("born", "release_date", "released", "first_sold", "available_from"),
    "attributes": ("attributes", "tags"),
}


@dataclass(frozen=True)
class Guess:
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


def guess(path: str | Path) -> Guess:
    """The format of a file, inferred from its first lines.

    Raises DataError for a file that is missing, empty or binary.
    """
    name = str(path)
    if _is_parquet(name):
        return _infer_parquet_format(name)
    text, encoding = sample(name)
    found = shape(name, text)
    if found.form == "sequences":
        return Guess("sequences", "sequences", {}, (), (), " ", encoding, False, "position", found.rows)
    return infer_table_format(found, encoding, "inter" if name.endswith(".inter") else "csv")


def infer_table_format(found: Shape, encoding: str, file_format: str) -> Guess:
    """The format of a table, inferred from its column names, or from its values where it has no header."""
    columns = match(found.names, WORDS) if found.header else by_values(found)
    kind = "log" if "user" in columns or "time" in columns else "items"
    text: tuple[str, ...] = ()
    if kind == "items":
        columns = match(found.names, ITEM_WORDS)
        columns.pop("text", None)
        text = tuple(name for name in found.names if _normalize_name(name) in map(_normalize_name, ITEM_WORDS["text"]))
    unit = unit_of(_column_cells(found, columns["time"])) if "time" in columns else ""
    return Guess(
        kind, file_format, columns, found.names, text, found.separator, encoding, found.header, unit, found.rows
    )


def match(names: tuple[str, ...], words: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """our name -> column; the first known name of each that the file has.

    >>> match(("CustomerID", "StockCode", "InvoiceDate"), WORDS)
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


def by_values(found: Shape) -> dict[str, str]:
    """Columns of a file without a header: time is the last column of times; user and item are the first others."""
    times = [name for name in found.names if unit_of(_column_cells(found, name))]
    columns = {"time": times[-1]} if times else {}
    others = [name for name in found.names if name not in columns.values()]
    columns |= dict(zip(("user", "item", "value"), others, strict=False))
    return columns


def _normalize_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _column_cells(found: Shape, name: str) -> list[str]:
    index = found.names.index(name)
    return [row[index].strip() for row in found.rows if len(row) > index and row[index].strip()]


def _is_parquet(name: str) -> bool:
    if is_remote(name) and not name.endswith((".parquet", ".pq")):
        return False
    if any(wildcard in name for wildcard in "*?[") or (not is_remote(name) and Path(name).is_dir()):
        return True
    with opened(name) as stream:
        return stream.read(4) == b"PAR1"


def _infer_parquet_format(name: str) -> Guess:
    from leaven.ingest.files import parquet_head

    names, values = parquet_head(name)
    rows = tuple(tuple("" if cell is None else str(cell) for cell in row) for row in values)
    return infer_table_format(Shape("table", "", True, names, rows), "", "parquet")
