"""Which columns of a file mean what?"""

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
    """What a file seems to hold.

    kind       "log", "items" or "sequences"
    format     "csv", "parquet", "inter" or "sequences"
    columns    our word -> the file's column, of a log or of a table of items (`text` of items apart)
    text       columns with words, of a table of items
    time_unit  "s", "ms", "us", "ns", "%Y%m%d", "text"; "" where there is no time
    header     whether the first line names the columns; names: all columns of the file
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
    """What a file seems to hold, from its first lines.

    Raises DataError for a file that is missing, empty or binary.
    """
    name = str(path)
    if _is_parquet(name):
        return _guess_parquet(name)
    text, encoding = sample(name)
    found = shape(name, text)
    if found.form == "sequences":
        return Guess("sequences", "sequences", {}, (), (), " ", encoding, False, "place", found.rows)
    return guess_table(found, encoding, "inter" if name.endswith(".inter") else "csv")


def guess_table(found: Shape, encoding: str, form: str) -> Guess:
    """What a table seems to hold, by its columns' names, and by its values where there are none."""
    columns = match(found.names, WORDS) if found.header else by_values(found)
    kind = "log" if "user" in columns or "time" in columns else "items"
    text: tuple[str, ...] = ()
    if kind == "items":
        columns = match(found.names, ITEM_WORDS)
        columns.pop("text", None)
        text = tuple(name for name in found.names if _plain(name) in map(_plain, ITEM_WORDS["text"]))
    unit = unit_of(_cells(found, columns["time"])) if "time" in columns else ""
    return Guess(kind, form, columns, found.names, text, found.separator, encoding, found.header, unit, found.rows)


def match(names: tuple[str, ...], words: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """our word -> column; the earliest of each word's names that the file has.

    >>> match(("CustomerID", "StockCode", "InvoiceDate"), WORDS)
    {'user': 'CustomerID', 'item': 'StockCode', 'time': 'InvoiceDate'}
    """
    found: dict[str, str] = {}
    for word, known in words.items():
        free = {_plain(name): name for name in names if name not in found.values()}
        hit = next((free[_plain(candidate)] for candidate in known if _plain(candidate) in free), None)
        if hit is not None:
            found[word] = hit
    return found


def by_values(found: Shape) -> dict[str, str]:
    """Of a file without names: the column whose values are times; user and item are the first others."""
    when = [name for name in found.names if unit_of(_cells(found, name))]
    columns = {"time": when[-1]} if when else {}
    others = [name for name in found.names if name not in columns.values()]
    columns |= dict(zip(("user", "item", "value"), others, strict=False))
    return columns


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _cells(found: Shape, name: str) -> list[str]:
    place = found.names.index(name)
    return [row[place].strip() for row in found.rows if len(row) > place and row[place].strip()]


def _is_parquet(name: str) -> bool:
    if is_remote(name) and not name.endswith((".parquet", ".pq")):
        return False
    if any(mark in name for mark in "*?[") or (not is_remote(name) and Path(name).is_dir()):
        return True
    with opened(name) as stream:
        return stream.read(4) == b"PAR1"


def _guess_parquet(name: str) -> Guess:
    from leaven.ingest.files import parquet_head

    names, values = parquet_head(name)
    rows = tuple(tuple("" if cell is None else str(cell) for cell in row) for row in values)
    return guess_table(Shape("table", "", True, names, rows), "", "parquet")
