"""Corrupts a simulated log by known amounts: missing fields, duplicates, shuffled times, outliers and bots."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.errors import SpecError
from leaven.simulator.item_generation import DAY

Columns = dict[str, npt.NDArray[Any]]
"""Columns of the interactions: user, item, time, kind, quantity, price; user and item -1 where missing."""

MISSING = -1
_BOT_EVENTS = 400


@dataclass(frozen=True)
class Corruption:
    """Config of the corruption: shares of the lines, items or users in 0..1.

    missing_user, missing_item, missing_time  share of lines without this field
    duplicates                      share of lines that are duplicated
    shuffled_times                  share of lines whose times are exchanged
    price_outliers                  share of lines whose price is 10,000 times too high or negative
    bots                            bots to add, as a share of the users: 400 events each, one per second
    stray_views                     accidental events to add, as a share of the lines: of the first kind, any item
    misspelled_categories           share of items with a misspelled category
    missing_descriptions            share of items without a description

    >>> Corruption.typical().duplicates
    0.01
    """

    missing_user: float = 0.0
    missing_item: float = 0.0
    missing_time: float = 0.0
    duplicates: float = 0.0
    shuffled_times: float = 0.0
    price_outliers: float = 0.0
    bots: float = 0.0
    misspelled_categories: float = 0.0
    missing_descriptions: float = 0.0
    stray_views: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            limit = 10.0 if one.name == "stray_views" else 1.0  # there may be more of them than true events
            if not 0.0 <= getattr(self, one.name) <= limit:
                expected = f"a share in 0..{limit:g}"
                raise SpecError(f"corruption.{one.name}", expected, str(getattr(self, one.name)), "")
        missing = self.missing_user + self.missing_item + self.missing_time
        if missing + self.duplicates + self.shuffled_times + self.price_outliers > 1.0:
            raise SpecError("corruption", "shares of lines that sum to at most 1", "more", "lower some of them")

    @classmethod
    def typical(cls) -> Corruption:
        """The corruption of a typical log."""
        return cls(0.01, 0.005, 0.005, 0.01, 0.005, 0.005, 0.002, 0.03, 0.02)


def corrupt_lines(
    columns: Columns, corruption: Corruption, generator: np.random.Generator
) -> tuple[Columns, dict[str, int]]:
    """The corrupted lines in time order, and the number of lines per kind of corruption; no line has two kinds."""
    columns = {name: column.copy() for name, column in columns.items()}
    lines = len(columns["time"])
    order = generator.permutation(lines)
    facts: dict[str, int] = {}
    taken = 0

    def draw(share: float) -> npt.NDArray[np.int64]:
        nonlocal taken
        count = int(share * lines)
        taken += count
        return np.sort(order[taken - count : taken])

    for name in ("user", "item", "time"):
        rows = draw(getattr(corruption, f"missing_{name}"))
        columns[name][rows] = MISSING
        facts[f"missing_{name}"] = len(rows)
    facts["price_outliers"] = _scale_prices(columns, draw(corruption.price_outliers))
    facts["shuffled_times"] = _exchange_times(columns, draw(corruption.shuffled_times))
    twice = draw(corruption.duplicates)
    facts["duplicates_planted"] = len(twice)
    source = np.repeat(np.arange(lines), 1 + np.isin(np.arange(lines), twice))
    columns = {name: column[source] for name, column in columns.items()}
    facts["duplicates"] = _count_duplicates(columns)
    return columns, facts


def _count_duplicates(columns: Columns) -> int:
    """The number of lines that equal an earlier line: planted ones, and those that became equal by missing fields."""
    lines = np.zeros(len(columns["time"]), np.uint64)
    for name in sorted(columns):
        values = columns[name]
        # cents, as written; a missing price is -1
        whole = np.nan_to_num(np.round(values * 100), nan=-1) if values.dtype.kind == "f" else values
        lines = rng.mix_bits(lines ^ rng.mix_bits(whole.astype(np.int64).view(np.uint64)))
    return len(lines) - len(np.unique(lines))


def _scale_prices(columns: Columns, rows: npt.NDArray[np.int64]) -> int:
    """Makes prices 10,000 times too high and negative in turn; returns their number, 0 in worlds without prices."""
    if np.isnan(columns["price"]).all():
        return 0
    columns["price"][rows[::2]] *= 10_000.0
    columns["price"][rows[1::2]] *= -1.0
    return len(rows)


def _exchange_times(columns: Columns, rows: npt.NDArray[np.int64]) -> int:
    """Exchanges times by rotating them by half; returns the number of lines whose time changed."""
    before = columns["time"][rows]
    columns["time"][rows] = np.roll(before, len(before) // 2)
    return int((columns["time"][rows] != before).sum())


def add_bots(
    columns: Columns, users: int, n_items: int, share: float, generator: np.random.Generator
) -> tuple[Columns, dict[str, int]]:
    """The lines with those of bots, in time order, and the numbers of bots and their lines. Bots take random items."""
    count = int(np.ceil(share * users)) if share else 0
    if not count:
        return columns, {"bots": 0, "bot_lines": 0}
    lines = count * _BOT_EVENTS
    begin, end = int(columns["time"].min()), int(columns["time"].max()) - DAY
    first = generator.integers(begin, max(end, begin + 1), count)
    added: Columns = {
        "user": np.repeat(np.arange(users, users + count), _BOT_EVENTS),
        "item": generator.integers(1, n_items + 1, lines),
        "time": (first[:, None] + np.arange(_BOT_EVENTS)).ravel(),
        "kind": np.zeros(lines, np.int64),
        "quantity": np.ones(lines, np.int64),
    }
    added["price"] = columns["catalog_price"][added["item"]]
    both = {name: np.concatenate([columns[name], added[name]]) for name in added}
    order = np.argsort(both["time"], kind="stable")
    return {name: column[order] for name, column in both.items()}, {"bots": count, "bot_lines": lines}


def add_stray_views(
    columns: Columns, born: npt.NDArray[np.int64], share: float, generator: np.random.Generator
) -> tuple[Columns, dict[str, int]]:
    """The lines with accidental events of the first kind within an hour of other events, in time order.

    born int64 (items + 1,): release times. Items are uniform over those released at that time.
    """
    count = int(share * len(columns["time"]))
    if not count:
        return columns, {"stray_views": 0}
    near = generator.integers(0, len(columns["time"]), count)
    time = columns["time"][near] + generator.integers(1, 3600, count)
    by_release = np.argsort(born[1:], kind="stable") + 1
    n_released = np.searchsorted(born[by_release], time, side="right")
    item = by_release[(generator.random(count) * n_released).astype(np.int64)]
    added: Columns = {"user": columns["user"][near], "item": item, "time": time}
    added |= {"kind": np.zeros(count, np.int64), "quantity": np.ones(count, np.int64)}
    added["price"] = columns["catalog_price"][item]
    both = {name: np.concatenate([columns[name], added[name]]) for name in added}
    order = np.argsort(both["time"], kind="stable")
    kept = {"catalog_price": columns["catalog_price"]}
    return {name: column[order] for name, column in both.items()} | kept, {"stray_views": count}


def misspell_word(word: str, generator: np.random.Generator) -> str:
    """The word with one letter missing, doubled, or swapped with the next; never the word itself.

    >>> from leaven import rng
    >>> misspell_word("lamps", rng.make_generator(1)) != "lamps"
    True
    """
    at = int(generator.integers(0, len(word) - 1))
    forms = [word[:at] + word[at + 1 :], word[: at + 1] + word[at:]]
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if swapped != word:
        forms.append(swapped)
    return forms[int(generator.integers(0, len(forms)))]
