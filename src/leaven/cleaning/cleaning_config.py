"""What counts as dirt?"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from leaven.errors import SpecError

MISSING_WAYS = ("flag", "fill", "drop")
UNKNOWN_WAYS = ("keep", "drop")


@dataclass(frozen=True)
class Clean:
    """The wish for cleaning: the table `[clean]` of a spec. Lines without user, item or time always go.

    min_user_events     users with fewer events go, and
    min_item_events     items with fewer events go, again and again until nothing changes (the k-core); 1: all stay,
                        because rare items and short histories are what expansion is for
    duplicates          lines that equal an earlier line in every column that was read
    cancelled_prefix    orders that start so are cancellations; "": no such mark
    negative_quantity   lines that give goods back
    zero_price          lines with price 0: stock corrections, samples
    negative_price      lines with a price below 0
    absurd_price_factor     a price so many times above or below the item's median (items with fewer than 3 prices:
                            above the log's 99th percentile); 0: no bound
    absurd_quantity_factor  a quantity so many times above the item's median and the log's 99th percentile; 0: no bound
    non_product_ids     pattern (regular expression, case ignored) of item ids that are no products
    non_product_texts   the same for an item's most frequent text
    first_time          earlier events are errors of a clock (ISO 8601); "": no bound
    last_time           later events are errors of a clock (ISO 8601); "": the moment of cleaning
    before_born         events of an item before its birth in the catalogue
    several_texts       an item under several texts gets its most frequent one, and lines without a text too
    bot_moments_per_hour    users who act in more different seconds within an hour are machines; 0: nobody is
    gap_hours           a pause after which a user's next history begins, named user#2; 0: one history a user
    misspelt_categories     a rare category one letter from one at least five times as frequent becomes that one
    missing_attributes  items without category, price or a text: "flag" counts them, "fill" fills by rule (category
                        "unknown", price: the median of the category, text: category and brand), "drop" drops them
    unknown_items       items sold but not in the catalogue: "keep" (and count), or "drop"

    >>> Clean(min_user_events=5, min_item_events=5).duplicates
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
    absurd_price_factor: float = 100.0
    absurd_quantity_factor: float = 100.0
    non_product_ids: str = "^(post|postage|shipping|manual|discount|bank charges|amazonfee)$"
    non_product_texts: str = (
        "^(dotcom )?postage$|^manual$|^carriage$|^shipping|^discount$|^samples?$|^bank charges$|"
        "^amazon fee$|commission$|bad debt|^refund|^adjustment"
    )
    first_time: str = ""
    last_time: str = ""
    before_born: bool = True
    several_texts: bool = True
    bot_moments_per_hour: int = 300
    gap_hours: float = 0.0
    misspelt_categories: bool = True
    missing_attributes: str = "flag"
    unknown_items: str = "keep"

    def __post_init__(self) -> None:
        for name in ("min_user_events", "min_item_events"):
            if getattr(self, name) < 1:
                raise SpecError(f"clean.{name}", "1 or more", str(getattr(self, name)), "1 keeps all")
        for name in ("bot_moments_per_hour", "gap_hours"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SpecError(f"clean.{name}", "0 or more", str(getattr(self, name)), "0 switches it off")
        for name in ("absurd_price_factor", "absurd_quantity_factor"):
            if getattr(self, name) != 0 and not 1 < getattr(self, name) < math.inf:
                raise SpecError(f"clean.{name}", "a number above 1", str(getattr(self, name)), "0 switches it off")
        for name, ways in (("missing_attributes", MISSING_WAYS), ("unknown_items", UNKNOWN_WAYS)):
            if getattr(self, name) not in ways:
                raise SpecError(f"clean.{name}", f"one of {', '.join(ways)}", repr(getattr(self, name)), "")
        for name in ("first_time", "last_time"):
            moment(self, name)
        for name in ("non_product_ids", "non_product_texts"):
            _compiles(f"clean.{name}", getattr(self, name))


def moment(wish: Clean, name: str) -> int | None:
    """Seconds since 1970 of a field that holds a time; None where it is empty. No zone given means UTC.

    Raises SpecError for a text that is no time.
    """
    from datetime import UTC, datetime

    text = getattr(wish, name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError(f"clean.{name}", "a time such as 2011-12-09 or 2011-12-09T12:50", repr(text), "") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _compiles(where: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise SpecError(
            where, "a regular expression", f"{pattern!r} ({error})", "escape . ( [ with a backslash"
        ) from error
