"""Configs of labeled rows: sampled from a log, or read from a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from leaven.ctr_features.label_expression import LabelExpression
from leaven.errors import SpecError, suggest_name

NegativeStrategy = Literal["mixed", "uniform", "popularity", "category", "observed"]


@dataclass(frozen=True)
class SamplingConfig:
    """Config of labeled rows sampled from a log.

    label            which events are positives: "rating >= 4" (or >, <=, <, ==), "kind == buy"; a column of the log by
                     its role or its own name. "": all. Events without a value are left out, and counted
    negatives        "observed": the events that do not meet `label`; else how negatives are drawn from the items on
                     sale: "uniform"; "popularity", by the events of the last `popularity_days`; "category", from the
                     positive's own category (hard; from all items where the category has no other); "mixed", a random
                     one of the three. "": "observed" with a label, else "mixed"
    ratio            drawn negatives per positive; unused for observed ones
    on_sale_days     an item is on sale from its first event until this long after its last one, as of the day's start
    popularity_days  window of the popularity
    allow_repeats    whether repeated items are positives; False: only first events are, and no item of the user is ever
                     a negative
    positive_kinds   kinds of events that are positives, as several labels "kind == …" with drawn negatives; (): all
    window_days      windows of the recent counts among the features
    include_ids      whether the ids of user and item are columns
    max_positives    a random subset of this size is kept of more positives, and the rest counted; of observed
                     negatives the same share is kept

    A negative is never an item that the user takes at that time or later within the period of the samples.

    >>> SamplingConfig(ratio=2).negatives, SamplingConfig(label="rating >= 4").negatives
    ('mixed', 'observed')

    Raises SpecError for a value out of bounds.
    """

    ratio: int = 4
    negatives: NegativeStrategy | Literal[""] = ""
    on_sale_days: float = 90.0
    popularity_days: int = 30
    allow_repeats: bool = True
    positive_kinds: tuple[str, ...] = ()
    window_days: tuple[int, ...] = (7, 30)
    include_ids: bool = True
    max_positives: int = 1_000_000
    label: str = ""

    def __post_init__(self) -> None:
        if not self.negatives:
            object.__setattr__(self, "negatives", "observed" if self.label else "mixed")
        if self.label:
            LabelExpression.parse(self.label, "sampling.label")
        if self.label and self.positive_kinds:
            fix = 'write label = "kind == buy", or positive_kinds alone'
            raise SpecError("sampling.label", "a label or positive_kinds", "both", fix)
        if self.negatives == "observed" and not self.label:
            fix = 'write label = "rating >= 4" or "kind == buy"'
            raise SpecError("sampling.negatives", 'a label next to "observed"', "none", fix)
        if self.negatives not in get_args(NegativeStrategy):
            fix = suggest_name(str(self.negatives), get_args(NegativeStrategy))
            raise SpecError("sampling.negatives", "a known strategy", repr(self.negatives), fix)
        bounds = {
            "ratio": self.ratio,
            "on_sale_days": self.on_sale_days,
            "popularity_days": self.popularity_days,
            "max_positives": self.max_positives,
        }
        for name, bound in bounds.items():
            if not bound > 0:
                raise SpecError(f"sampling.{name}", "more than 0", str(bound), "")
        if not self.window_days or min(self.window_days) < 1:
            raise SpecError("sampling.window_days", "one window or more, of 1 day or more", str(self.window_days), "")


@dataclass(frozen=True, eq=False)
class LabeledTable:
    """Config of a table of labeled rows.

    labeled               a CSV, Parquet file, folder, glob, database or frame
    label                 its column of 0 and 1, or a condition, "rating >= 4" or "kind == buy", whose column is then no
                          feature
    user, time            its columns of users and times, if it has them
    numeric, categorical  types of columns; of the others, those whose cells are all numbers are numeric
    hashed                patterns of sparse columns ("f*") that are hashed into `buckets` numbers
    multi_valued          columns whose cells hold several names, split at `separator`, which are hashed too
    buckets               size of the hashed columns together, and of each column of `multi_valued`
    """

    labeled: Any
    label: str
    user: str = ""
    time: str = ""
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    multi_valued: tuple[str, ...] = ()
    separator: str = "|"
    buckets: int = 64

    def __post_init__(self) -> None:
        if self.buckets < 1 or not self.separator:
            got = f"{self.buckets}, {self.separator!r}"
            raise SpecError("data.buckets, separator", "1 bucket or more, a separator", got, "buckets = 64")
