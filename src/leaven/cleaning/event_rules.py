"""Which single lines are dirt, each seen for itself?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from leaven.cleaning.bots_and_sessions import machines
from leaven.cleaning.cleaning_config import Clean, moment
from leaven.cleaning.id_encoding import Coded, examples, iso, rule
from leaven.cleaning.item_stats import about_items, bound_of, pattern
from leaven.sql import literal

MANY = 0.1
"""Share of the other lines whose orders start with a letter, above which one letter is no mark."""
BOUNDED = 3
"""From so many prices on, an item has a median worth comparing with."""


@dataclass(frozen=True)
class LineRule:
    """A condition on a line (`log`) and what is known of its item (`about`), as SQL.

    name   what the facts call it
    when   the condition; NULL counts as false
    drops  whether such lines go, or are only counted
    note   what a reader should know
    shown  examples that say more than the lines themselves; empty: the first lines
    """

    name: str
    when: str
    drops: bool = True
    note: str = ""
    shown: tuple[dict[str, Any], ...] = ()


def line_rules(log: Coded, wish: Clean) -> tuple[list[LineRule], list[dict[str, Any]]]:
    """(rules in the order in which lines are tried, what is said of rules that this log cannot have)."""
    skipped: list[dict[str, Any]] = []
    rules = [
        LineRule("missing_user", "log.user_code IS NULL", note="belongs to no history"),
        LineRule("missing_item", "log.item_code IS NULL", note="nothing to learn from"),
        LineRule("missing_time", "log.time IS NULL", note="has no place in a history"),
    ]
    for wanted, needs, make in _WISHES:
        if not wanted(wish):
            continue
        lacking = [name for name in needs if name not in _known(log)]
        found = _lacks(lacking[0]) if lacking else make(log, wish)
        if isinstance(found, str):
            skipped.append(rule(make.__name__.strip("_"), 0, 0, [], f"skipped: {found}"))
        else:
            rules += found
    return rules, skipped


def _known(log: Coded) -> tuple[str, ...]:
    return (*log.others, *(("catalogue",) if log.catalog else ()))


def _lacks(name: str) -> str:
    return f"there is no {name}" if name == "catalogue" else f"the log has no column for {name!r}"


def _bots(log: Coded, wish: Clean) -> list[LineRule] | str:
    note, shown = machines(log, wish)
    return [LineRule("bots", "bots.user_code IS NOT NULL" if note else "false", note=note, shown=tuple(shown))]


def _cancelled(log: Coded, wish: Clean) -> list[LineRule] | str:
    """A letter is a mark only where it stands out: not where most orders have it, nor where any letter may come."""
    when = f'starts_with(log."order", {literal(wish.cancelled_prefix)})'
    letter = "CASE WHEN regexp_matches(log.\"order\", '^[A-Za-z]') THEN 1.0 ELSE 0.0 END"
    cells = f"avg(CASE WHEN {when} THEN 1.0 ELSE 0.0 END), avg(CASE WHEN NOT {when} THEN {letter} END)"
    marked, lettered = (float(share or 0.0) for share in log.tables.rows(f"SELECT {cells} FROM {log.lines} AS log")[0])
    if marked > 0.5:
        return f"more than half of the lines have orders that start with {wish.cancelled_prefix!r}: no mark of a few"
    if marked and lettered > MANY and len(wish.cancelled_prefix) == 1:
        return f"orders start with other letters too, so {wish.cancelled_prefix!r} need not mean a cancellation"
    return [LineRule("cancelled", when, note=f"orders that start with {wish.cancelled_prefix!r}")]


def _negative_quantity(log: Coded, wish: Clean) -> list[LineRule] | str:
    return [LineRule("negative_quantity", "log.quantity < 0", note="goods given back, or stock corrected")]


def _zero_price(log: Coded, wish: Clean) -> list[LineRule] | str:
    return [LineRule("zero_price", "log.price = 0", note="nobody paid")]


def _negative_price(log: Coded, wish: Clean) -> list[LineRule] | str:
    return [LineRule("negative_price", "log.price < 0")]


def _absurd_price(log: Coded, wish: Clean) -> list[LineRule] | str:
    high, factor = bound_of(log, "price"), wish.absurd_price_factor
    if high is None:
        return "no line has a price above 0"
    many = f"log.price > {factor} * about.price OR log.price * {factor} < about.price"
    few = f"log.price > {factor * high}"
    when = f"log.price > 0 AND CASE WHEN about.prices >= {BOUNDED} THEN {many} ELSE {few} END"
    return [LineRule("absurd_price", when, note=f"{factor:g} times above or below the item's median price")]


def _absurd_quantity(log: Coded, wish: Clean) -> list[LineRule] | str:
    high, factor = bound_of(log, "quantity"), wish.absurd_quantity_factor
    if high is None:
        return "no line has a quantity above 0"
    many = f"greatest(about.quantity, {high})"
    when = f"log.quantity > {factor} * CASE WHEN about.quantities >= {BOUNDED} THEN {many} ELSE {high} END"
    note = f"more than {factor:g} times the item's median and what 99 % of the lines stay under ({high:g})"
    return [LineRule("absurd_quantity", when, note=note)]


def _not_a_product(log: Coded, wish: Clean) -> list[LineRule] | str:
    note = "postage, fees, manual entries: by the item's id" + (" and text" if "text" in log.others else "")
    named = f"SELECT 1 FROM {log.items} WHERE regexp_matches(item, {pattern(wish.non_product_ids)}) LIMIT 1"
    if "text" not in log.others and not (wish.non_product_ids and log.tables.rows(named)):
        return [LineRule("not_a_product", "false")]  # spares a join of every line
    return [LineRule("not_a_product", "about.product = 0", note=note)]


def _impossible_time(log: Coded, wish: Clean) -> list[LineRule] | str:
    first = moment(wish, "first_time")
    last = moment(wish, "last_time") or int(datetime.now(UTC).timestamp())
    late = LineRule("in_the_future", f"log.time > {last}", note=f"after {iso(last)}")
    if first is None:
        return [late]
    return [LineRule("too_early", f"log.time < {first}", note=f"before {iso(first)}"), late]


def _before_born(log: Coded, wish: Clean) -> list[LineRule] | str:
    if not _has_births(log):
        return "the catalogue has no column for 'born'"
    return [LineRule("before_born", "log.time < about.born", note="before the item's first day of sale")]


def _has_births(log: Coded) -> bool:
    return "born" in log.catalog_columns


def _not_in_catalogue(log: Coded, wish: Clean) -> list[LineRule] | str:
    drops = wish.unknown_items == "drop"
    note = "sold, but not in the catalogue" + ("" if drops else "; kept, with nothing known of them")
    when = "log.item_code IS NOT NULL AND about.listed IS NULL"
    when += " AND about.incomplete IS NULL" if log.incomplete else ""
    return [LineRule("not_in_catalogue", when, drops, note)]


def _incomplete_item(log: Coded, wish: Clean) -> list[LineRule] | str:
    if log.incomplete is None:
        return []
    return [LineRule("incomplete_item", "about.incomplete IS NOT NULL", note="of items that lack an attribute")]


def _missing_text(log: Coded, wish: Clean) -> list[LineRule] | str:
    return [LineRule("missing_text", "log.text IS NULL", False, "gets the item's most frequent text, where it has one")]


_WISHES: tuple[tuple[Any, tuple[str, ...], Any], ...] = (
    (lambda wish: wish.bot_moments_per_hour, (), _bots),
    (lambda wish: wish.cancelled_prefix, ("order",), _cancelled),
    (lambda wish: wish.negative_quantity, ("quantity",), _negative_quantity),
    (lambda wish: wish.zero_price, ("price",), _zero_price),
    (lambda wish: wish.negative_price, ("price",), _negative_price),
    (lambda wish: wish.non_product_ids or wish.non_product_texts, (), _not_a_product),
    (lambda wish: wish.absurd_price_factor, ("price",), _absurd_price),
    (lambda wish: wish.absurd_quantity_factor, ("quantity",), _absurd_quantity),
    (lambda wish: True, (), _impossible_time),
    (lambda wish: wish.before_born, ("catalogue",), _before_born),
    (lambda wish: wish.missing_attributes == "drop", ("catalogue",), _incomplete_item),
    (lambda wish: True, ("catalogue",), _not_in_catalogue),
    (lambda wish: wish.several_texts, ("text",), _missing_text),
)
"""(whether the rule is wished for, columns that it needs, what makes it), in the order of the rules."""


def look(log: Coded, rules: Sequence[LineRule], wish: Clean) -> list[dict[str, Any]]:
    """What each rule finds in all lines, and what it takes when those before it have taken theirs. One pass."""
    source = about_items(log, wish, rules)
    taken = " ".join(f"WHEN {one.when} THEN {place}" for place, one in enumerate(rules) if one.drops)
    sums = ", ".join(f"sum(CASE WHEN {one.when} THEN 1 ELSE 0 END)" for one in rules)
    sql = f"SELECT CASE {taken} ELSE -1 END AS taken, count(*), {sums} FROM {source} GROUP BY 1"
    found = log.tables.rows(sql)
    dropped = {int(row[0]): int(row[1]) for row in found}
    facts = []
    for place, one in enumerate(rules):
        touched = sum(int(row[2 + place]) for row in found)
        seen = f"SELECT log.* FROM {source} WHERE {one.when}"
        shown = list(one.shown) or (examples(log, seen) if touched else [])
        facts.append(rule(one.name, touched, dropped.get(place, 0), shown, one.note if touched else ""))
    return facts


def without(log: Coded, rules: Sequence[LineRule], wish: Clean) -> Coded:
    """The log without the lines that the rules drop."""
    source = about_items(log, wish, rules)
    bad = " ".join(f"WHEN {one.when} THEN 0" for one in rules if one.drops)
    log.tables.make("clean_good", f"SELECT log.* FROM {source} WHERE CASE {bad} ELSE 1 END = 1")
    return replace(log, lines="clean_good")
