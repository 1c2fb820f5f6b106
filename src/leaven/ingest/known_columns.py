"""Names that columns of logs and of tables of items usually have, and how they are matched."""

from __future__ import annotations

import re

EVENT_COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user_id", "customer_id", "reviewer_id", "visitor_id", "member_id", "client_id", "person_id", "viewer_id",
             "listener_id", "account_id", "user", "customer", "reviewer", "visitor", "member", "uid", "username",
             "buyer_id", "用户ID", "用户编号", "用户", "客户ID"),
    "item": ("item_id", "parent_asin", "asin", "stock_code", "product_id", "article_id", "movie_id", "track_id",
             "video_id", "song_id", "book_id", "goods_id", "sku_id", "business_id", "artist_id", "game_id", "recipe_id",
             "news_id", "anime_id", "item", "sku", "product", "iid", "isbn", "商品ID", "物品ID", "商品编号", "商品"),
    "time": ("timestamp", "time", "datetime", "event_time", "invoice_date", "order_date", "purchase_date", "date",
             "created_at", "unix_review_time", "t_dat", "ts", "when", "day", "date_added", "review_time", "event_date",
             "event_timestamp", "time_stamp", "checkin_time", "时间戳", "时间", "日期", "行为时间"),
    "kind": ("event_type", "kind", "action", "behavior", "behaviour", "behavior_type", "event", "action_type",
             "行为类型", "行为"),
    "quantity": ("quantity", "qty", "amount", "units", "数量"),
    "price": ("unit_price", "price", "item_price", "价格"),
    "value": ("rating", "overall", "stars", "score", "value", "book_rating", "event_value", "评分"),
    "order": ("invoice_no", "order_id", "invoice", "order", "basket_id", "transaction_id", "session_id"),
    "text": ("description", "title", "name", "product_name", "item_name"),
    "country": ("country", "region", "market"),
}  # fmt: skip
ITEM_COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "item": EVENT_COLUMN_NAMES["item"],
    "text": ("title", "title_zh", "name", "product_name", "item_name", "description", "description_zh", "summary",
             "text", "movie_title", "book_title", "标题", "名称", "商品名称", "商品标题", "描述"),
    "image": ("image", "image_path", "picture", "photo", "iconic_image"),
    "price": EVENT_COLUMN_NAMES["price"],
    "category": ("category", "main_category", "department", "genre", "genres", "categories", "class", "类别", "类目"),
    "brand": ("brand", "maker", "manufacturer", "store", "品牌"),
    "born": ("born", "release_date", "released", "first_sold", "available_from"),
    "attributes": ("attributes", "tags"),
}  # fmt: skip
USER_COLUMN_NAMES = ("age", "gender", "sex", "occupation", "zip_code", "zip", "birthday", "country", "city", "location")
"""Columns of a table of users."""


def normalize_name(name: str) -> str:
    """A column's name in lower case, letters and digits only: "Customer ID" and "customer_id" are one."""
    return re.sub(r"[\W_]", "", name.lower())


_KNOWN = {normalize_name(name) for table in (EVENT_COLUMN_NAMES, ITEM_COLUMN_NAMES) for row in table.values()
          for name in row} | set(map(normalize_name, USER_COLUMN_NAMES))  # fmt: skip


def is_known_name(name: str) -> bool:
    """Whether a cell is the usual name of a column."""
    return normalize_name(name.split(":")[0]) in _KNOWN


def match_columns(names: tuple[str, ...], words: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """our name -> column; the first known name of each that the file has.

    >>> match_columns(("CustomerID", "StockCode", "InvoiceDate"), EVENT_COLUMN_NAMES)
    {'user': 'CustomerID', 'item': 'StockCode', 'time': 'InvoiceDate'}
    """
    found: dict[str, str] = {}
    for word, known in words.items():
        free = {normalize_name(name): name for name in reversed(names) if name not in found.values()}
        hit = next((free[normalize_name(one)] for one in known if normalize_name(one) in free), None)
        if hit is not None:
            found[word] = hit
    return found
