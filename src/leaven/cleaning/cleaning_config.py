"""Config of cleaning: the rules and their bounds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from leaven.errors import SpecError

_MISSING_TREATMENTS = ("flag", "fill", "drop")
_UNKNOWN_TREATMENTS = ("keep", "drop")


@dataclass(frozen=True)
class CleaningConfig:
    """Config of cleaning: the table `[clean]` of a spec. Lines without user, item or time are always dropped.

    min_user_events          users with fewer events are dropped, and
    min_item_events          items with fewer events, repeatedly until nothing changes (the k-core); 1 keeps all,
                             because expansion is meant for rare items and short histories
    duplicates               lines that equal an earlier line in every column that was read
    cancelled_prefix         orders with this prefix are cancellations; "": no such prefix
    negative_quantity        returned goods
    zero_price               lines with price 0: stock corrections, samples
    negative_price           lines with a price below 0
    price_outlier_factor     maximum ratio of a price to the item's median, or of the median to the price (items with
                             fewer than 3 prices: ratio to the log's 99th percentile); 0: no bound
    quantity_outlier_factor  maximum ratio of a quantity to the item's median and the log's 99th percentile; 0: no bound
    non_product_ids          pattern (regular expression, case ignored) of item ids that are not products
    non_product_texts        the same for an item's most frequent text
    first_time               earlier events are clock errors (ISO 8601); "": no bound
    last_time                later events are clock errors (ISO 8601); "": the time of cleaning
    before_release           drops events of an item before its release in the catalog
    inconsistent_texts       lines of an item with several texts, and lines without one, get the most frequent text
    bot_seconds_per_hour     users with events in more distinct seconds of an hour are bots; 0: no bound
    session_gap_hours        a longer pause starts the user's next history, named user#2; 0: one history per user
    misspelled_categories    a rare category one edit from one at least five times as frequent is replaced by it
    missing_attributes       items without category, price or a text: "flag" counts them, "fill" fills them (category
                             "unknown", price: the median of the category, text: category and brand), "drop" drops them
    unknown_items            items sold but not in the catalog: "keep" (and count), or "drop"

    >>> CleaningConfig(min_user_events=5, min_item_events=5).duplicates
    True

    Raises SpecError for a value out of bounds.
    """

    min_user_events: int = 1
    min_item_events: int = 1
    duplicates: bool = True
    cancelled_prefix: str = "C"
    negative_quantity: bool = True
    zero_price: bool = True
    negative_price: bool = True
    price_outlier_factor: float = 100.0
    quantity_outlier_factor: float = 100.0
    non_product_ids: str = "^(post|postage|shipping|manual|discount|bank charges|amazonfee)$"
    non_product_texts: str = (
        "^(dotcom )?postage$|^manual$|^carriage$|^shipping|^discount$|^samples?$|^bank charges$|"
        "^amazon fee$|commission$|bad debt|^refund|^adjustment"
    )
    first_time: str = ""
    last_time: str = ""
    before_release: bool = True
    inconsistent_texts: bool = True
    bot_seconds_per_hour: int = 300
    session_gap_hours: float = 0.0
    misspelled_categories: bool = True
    missing_attributes: str = "flag"
    unknown_items: str = "keep"

    def __post_init__(self) -> None:
        for name, events in (("min_user_events", self.min_user_events), ("min_item_events", self.min_item_events)):
            _check(name, events, events >= 1, "1 or more", "1 keeps all")
        for name, bound in (
            ("bot_seconds_per_hour", self.bot_seconds_per_hour),
            ("session_gap_hours", self.session_gap_hours),
        ):
            _check(name, bound, 0 <= bound < math.inf, "0 or more", "0 switches it off")
        factors = {
            "price_outlier_factor": self.price_outlier_factor,
            "quantity_outlier_factor": self.quantity_outlier_factor,
        }
        for name, factor in factors.items():
            _check(name, factor, factor == 0 or 1 < factor < math.inf, "a number above 1", "0 switches it off")
        choices = {
            "missing_attributes": (self.missing_attributes, _MISSING_TREATMENTS),
            "unknown_items": (self.unknown_items, _UNKNOWN_TREATMENTS),
        }
        for name, (choice, known) in choices.items():
            _check(name, repr(choice), choice in known, f"one of {', '.join(known)}", "")
        for name in ("first_time", "last_time"):
            parse_time_bound(self, name)
        for name, pattern in (("ids", self.non_product_ids), ("texts", self.non_product_texts)):
            _check_pattern(f"clean.non_product_{name}", pattern)


def _check(name: str, value: object, is_valid: bool, wanted: str, fix: str) -> None:
    if not is_valid:
        raise SpecError(f"clean.{name}", wanted, str(value), fix)


def parse_time_bound(config: CleaningConfig, name: str) -> int | None:
    """Seconds since 1970 of a time field; None where it is empty. Times without a zone are UTC.

    Raises SpecError for an invalid time.
    """
    from datetime import UTC, datetime

    text = getattr(config, name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError(f"clean.{name}", "a time such as 2011-12-09 or 2011-12-09T12:50", repr(text), "") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _check_pattern(where: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise SpecError(
            where, "a regular expression", f"{pattern!r} ({error})", "escape . ( [ with a backslash"
        ) from error
