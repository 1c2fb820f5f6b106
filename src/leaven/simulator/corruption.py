"""What is wrong with the log, and how much of it exactly?"""

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
class Dirt:
    """How much dirt is planted: shares of the lines (or of the items, or of the users) in 0..1.

    missing_user, missing_item, missing_time  share of lines without that field
    duplicates            share of lines that appear twice
    shuffled_times        share of lines that swap their times with each other
    absurd_prices         share of lines whose price is 10,000 times too high, or below zero
    bots                  share of users that are added as bots: 400 events a second apart
    misspelt_categories   share of items whose category is misspelt
    missing_words         share of items without a description

    >>> Dirt.typical().duplicates
    0.01
    """

    missing_user: float = 0.0
    missing_item: float = 0.0
    missing_time: float = 0.0
    duplicates: float = 0.0
    shuffled_times: float = 0.0
    absurd_prices: float = 0.0
    bots: float = 0.0
    misspelt_categories: float = 0.0
    missing_words: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            if not 0.0 <= getattr(self, one.name) <= 1.0:
                raise SpecError(f"dirt.{one.name}", "a share in 0..1", str(getattr(self, one.name)), "")
        lines = ("missing_user", "missing_item", "missing_time", "duplicates", "shuffled_times", "absurd_prices")
        if sum(getattr(self, name) for name in lines) > 1.0:
            raise SpecError("dirt", "shares of lines that sum to at most 1", "more", "lower some of them")

    @classmethod
    def typical(cls) -> Dirt:
        """As much as a log from a careless system has."""
        return cls(0.01, 0.005, 0.005, 0.01, 0.005, 0.005, 0.002, 0.03, 0.02)


def plant(columns: Columns, dirt: Dirt, chance: np.random.Generator) -> tuple[Columns, dict[str, int]]:
    """(the lines in time order with dirt, how many lines have each kind of it): no line has two kinds."""
    columns = {name: column.copy() for name, column in columns.items()}
    lines = len(columns["time"])
    order = chance.permutation(lines)
    facts: dict[str, int] = {}
    taken = 0

    def draw(share: float) -> npt.NDArray[np.int64]:
        nonlocal taken
        count = int(share * lines)
        taken += count
        return np.sort(order[taken - count : taken])

    for name in ("user", "item", "time"):
        places = draw(getattr(dirt, f"missing_{name}"))
        columns[name][places] = MISSING
        facts[f"missing_{name}"] = len(places)
    facts["absurd_prices"] = _absurd(columns, draw(dirt.absurd_prices))
    facts["shuffled_times"] = _shuffled(columns, draw(dirt.shuffled_times))
    twice = draw(dirt.duplicates)
    facts["duplicates_planted"] = len(twice)
    again = np.repeat(np.arange(lines), 1 + np.isin(np.arange(lines), twice))
    columns = {name: column[again] for name, column in columns.items()}
    facts["duplicates"] = _copies(columns)
    return columns, facts


def _copies(columns: Columns) -> int:
    """Lines that equal an earlier line: those planted, and the few that lost what told them apart."""
    lines = np.zeros(len(columns["time"]), np.uint64)
    for name in sorted(columns):
        values = columns[name]
        # cents, as written; a missing price becomes one number of its own
        whole = np.nan_to_num(np.round(values * 100), nan=-1) if values.dtype.kind == "f" else values
        lines = rng.mix(lines ^ rng.mix(whole.astype(np.int64).view(np.uint64)))
    return len(lines) - len(np.unique(lines))


def _absurd(columns: Columns, places: npt.NDArray[np.int64]) -> int:
    """Prices 10,000 times too high and prices below zero, by turns; none where the world has no prices."""
    if np.isnan(columns["price"]).all():
        return 0
    columns["price"][places[::2]] *= 10_000.0
    columns["price"][places[1::2]] *= -1.0
    return len(places)


def _shuffled(columns: Columns, places: npt.NDArray[np.int64]) -> int:
    """Times handed round by half a turn; counts the lines whose time is now another one."""
    before = columns["time"][places]
    columns["time"][places] = np.roll(before, len(before) // 2)
    return int((columns["time"][places] != before).sum())


def bots(
    columns: Columns, users: int, n_items: int, share: float, chance: np.random.Generator
) -> tuple[Columns, dict[str, int]]:
    """(the lines and those of the bots, in time order, how many bots and lines): they click through anything."""
    count = int(np.ceil(share * users)) if share else 0
    if not count:
        return columns, {"bots": 0, "bot_lines": 0}
    lines = count * _BOT_EVENTS
    begin, end = int(columns["time"].min()), int(columns["time"].max()) - DAY
    first = chance.integers(begin, max(end, begin + 1), count)
    added: Columns = {
        "user": np.repeat(np.arange(users, users + count), _BOT_EVENTS),
        "item": chance.integers(1, n_items + 1, lines),
        "time": (first[:, None] + np.arange(_BOT_EVENTS)).ravel(),
        "kind": np.zeros(lines, np.int64),
        "quantity": np.ones(lines, np.int64),
    }
    added["price"] = columns["catalog_price"][added["item"]]
    both = {name: np.concatenate([columns[name], added[name]]) for name in added}
    order = np.argsort(both["time"], kind="stable")
    return {name: column[order] for name, column in both.items()}, {"bots": count, "bot_lines": lines}


def misspelt(word: str, chance: np.random.Generator) -> str:
    """The word with one letter missing, doubled, or swapped with the next; never the word itself.

    >>> from leaven import seeds
    >>> misspelt("lamps", seeds.generator(1)) != "lamps"
    True
    """
    place = int(chance.integers(0, len(word) - 1))
    ways = [word[:place] + word[place + 1 :], word[: place + 1] + word[place:]]
    swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if swapped != word:
        ways.append(swapped)
    return ways[int(chance.integers(0, len(ways)))]
