"""Which rows are labelled, and with what are they described? Or where do ready ones lie?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from leaven.errors import SpecError, nearest

Draw = Literal["mixed", "uniform", "popularity", "category"]


@dataclass(frozen=True)
class Sampling:
    """The wish for labelled rows from a log.

    ratio           negatives for each positive
    negatives       how they are drawn from what was on sale: "uniform"; "popularity", by the sales of the last
                    `popular_days`; "category", from the positive's own category (hard; anything where it holds
                    nothing else); "mixed", one of the three by lot
    on_sale_days    an item is on sale from its first sale until so long after its latest one, as of the day's start
    popular_days    how far back popularity looks
    repeats         a user may take an item again; False: only first times are positives, and nothing that the user
                    ever had is a negative
    positive_kinds  kinds of events that are positives; (): all
    window_days     spans of the recent counts among the features
    ids             user and item are columns too
    most_positives  more than these are thinned out by lot, and counted

    A negative is never an item that the user takes then or later, as far as the samples' own period goes.

    >>> Sampling(ratio=2).negatives
    'mixed'

    Raises SpecError for a value out of bounds.
    """

    ratio: int = 4
    negatives: Draw = "mixed"
    on_sale_days: float = 90.0
    popular_days: int = 30
    repeats: bool = True
    positive_kinds: tuple[str, ...] = ()
    window_days: tuple[int, ...] = (7, 30)
    ids: bool = True
    most_positives: int = 1_000_000

    def __post_init__(self) -> None:
        if self.negatives not in get_args(Draw):
            fix = nearest(str(self.negatives), get_args(Draw))
            raise SpecError("sampling.negatives", "a known way", repr(self.negatives), fix)
        for name in ("ratio", "on_sale_days", "popular_days", "most_positives"):
            if not getattr(self, name) > 0:
                raise SpecError(f"sampling.{name}", "more than 0", str(getattr(self, name)), "")
        if not self.window_days or min(self.window_days) < 1:
            raise SpecError("sampling.window_days", "one span or more, of 1 day or more", str(self.window_days), "")


@dataclass(frozen=True, eq=False)
class Labelled:
    """The wish for a ready table of labelled rows.

    labelled     a CSV, Parquet file, folder, glob, database or frame
    label        its column of 0 and 1
    user, time   its columns, if it has them: whose row it is, and when it was
    numeric, categorical   what columns hold; of the others, those whose cells are all numbers are numbers
    hashed       patterns of columns ("f*") that are added up in `buckets` numbers: for thousands of sparse ones
    several      columns whose cells hold several names, parted by `separator`, which are hashed too
    buckets      numbers that the hashed columns together become, and each column of `several`
    """

    labelled: Any
    label: str
    user: str = ""
    time: str = ""
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    several: tuple[str, ...] = ()
    separator: str = "|"
    buckets: int = 64

    def __post_init__(self) -> None:
        if self.buckets < 1 or not self.separator:
            got = f"{self.buckets}, {self.separator!r}"
            raise SpecError("data.buckets, separator", "1 bucket or more, a separator", got, "buckets = 64")
