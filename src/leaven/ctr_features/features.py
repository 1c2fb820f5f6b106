"""Features of users, items, user-item pairs and time, as known just before each sample.

Each feature is read from running totals by a join on "strictly before": events of the same second, including the
positive itself, are not known yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leaven.ctr_features.negative_sampling import DAY
from leaven.ctr_features.running_totals import TOTALS_OWNERS, FeatureTables
from leaven.sql import quote_identifier

_NUMERIC = {
    "user_events": "coalesce(user_now.events, 0)",
    "user_visits": "coalesce(user_now.moments, 0)",
    "user_days_since_last": f"(r.time - user_now.time) / {DAY}.0",
    "user_days_known": f"(r.time - user_now.first) / {DAY}.0",
    "item_events": "coalesce(item_now.events, 0)",
    "item_days_since_last": f"(r.time - item_now.time) / {DAY}.0",
    "item_days_on_sale": f"(r.time - coalesce(items.born, item_now.first)) / {DAY}.0",
    "pair_events": "coalesce(pair_now.events, 0)",
    "pair_days_since_last": f"(r.time - pair_now.time) / {DAY}.0",
    "hour": "CAST(hour(make_timestamp(r.time * 1000000)) AS DOUBLE)",
}
_PRICED = {
    "user_spent_per_visit": "user_now.spent / user_now.moments",
    "user_usual_price": "user_now.prices / nullif(user_now.priced, 0)",
    "item_price": "coalesce(item_now.price, items.price)",
    "pair_price_ratio": "ln(greatest(coalesce(item_now.price, items.price), 0.01)"
    " / greatest(user_now.prices / nullif(user_now.priced, 0), 0.01))",
}
_TASTES = {
    "pair_category_events": "coalesce(taste_now.events, 0)",
    "pair_category_share": "coalesce(taste_now.events, 0) / user_now.events",
    "pair_category_days_since_last": f"(r.time - taste_now.time) / {DAY}.0",
}
_CONTEXT = {
    "weekday": "dayname(make_timestamp(r.time * 1000000))",
    "season": "['winter', 'spring', 'summer', 'autumn'][1 + (month(make_timestamp(r.time * 1000000)) % 12) // 3]",
}


def list_feature_columns(
    tables: FeatureTables, window_days: Sequence[int], ids: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Numeric and categorical feature columns: name -> SQL."""
    numeric = dict(_NUMERIC)
    for days in window_days:
        numeric[f"user_events_{days}d"] = f"coalesce(user_now.events, 0) - coalesce(user_{days}.events, 0)"
        numeric[f"item_events_{days}d"] = f"coalesce(item_now.events, 0) - coalesce(item_{days}.events, 0)"
    numeric |= _PRICED if tables.has_price else {}
    own = _name_user_columns(tables, numeric)
    numeric |= {own[name]: cell for name, cell in _select_user_columns(tables, is_number=True).items()}
    categorical = {"user": "users.id", "item": "items.id"} if ids else {}
    categorical |= {f"item_{name}": f"items.{name}" for name in tables.attributes}
    categorical |= {own[name]: cell for name, cell in _select_user_columns(tables, is_number=False).items()}
    if tables.has_category:
        numeric |= _TASTES
        categorical["user_favourite"] = "favourites.category"
    return numeric, categorical | _CONTEXT


def _name_user_columns(tables: FeatureTables, taken: Mapping[str, str]) -> dict[str, str]:
    """Column of click_users -> the name of its feature, which no other feature has."""
    known = {name.lower() for name in (*taken, *_PRICED, "user_favourite")}
    return {name: f"{name}_in_table" if name.lower() in known else name for name in tables.user_attributes}


def _select_user_columns(tables: FeatureTables, is_number: bool) -> dict[str, str]:
    """Column of click_users -> SQL, of the attributes that hold numbers, or of the others."""
    names = [name for name, holds_numbers in tables.user_attributes.items() if holds_numbers == is_number]
    return {name: f"users.{quote_identifier(name)}" for name in names}


def select_features(
    tables: FeatureTables, window_days: Sequence[int], numeric: dict[str, str], categorical: dict[str, str]
) -> str:
    """A SELECT of the features of table click_rows (row, user_code, item_code, time), in the order of `row`."""
    cells = [f"CAST({sql} AS DOUBLE) AS {quote_identifier(name)}" for name, sql in numeric.items()]
    cells += [f"CAST({sql} AS VARCHAR) AS {quote_identifier(name)}" for name, sql in categorical.items()]
    joins = [_join_before(name, f"{name}_now", 0) for name in TOTALS_OWNERS]
    joins += [_join_before(name, f"{name}_{days}", days * DAY) for days in window_days for name in ("user", "item")]
    keys = "r.user_code = favourite.user_code AND r.time > favourite.time"
    return f"""
        SELECT {", ".join(cells)}
        FROM (SELECT rows.*, listed.category_code FROM click_rows AS rows
              JOIN click_items AS listed ON listed.code = rows.item_code) AS r
        JOIN click_users AS users ON users.code = r.user_code JOIN click_items AS items ON items.code = r.item_code
        {" ".join(joins)}
        ASOF LEFT JOIN click_favourite AS favourite ON {keys}
        LEFT JOIN (SELECT DISTINCT category_code, category FROM click_items) AS favourites
               ON favourites.category_code = favourite.category_code
        ORDER BY r.row"""


def _join_before(table: str, alias: str, seconds: int) -> str:
    """The join with the totals strictly before the time of the sample minus `seconds`."""
    owners = [f"r.{name} = {alias}.{name}" for name in TOTALS_OWNERS[table].split(", ")]
    time = f"r.time - {seconds}" if seconds else "r.time"
    return f"ASOF LEFT JOIN click_{table} AS {alias} ON {' AND '.join(owners)} AND {time} > {alias}.time"
