"""Rules on single events: missing values, bots, cancellations, prices, quantities, times and catalog entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from leaven.cleaning.bots_and_sessions import find_bots
from leaven.cleaning.cleaning_config import CleaningConfig, parse_time_bound
from leaven.cleaning.id_encoding import EncodedLog, Rules, build_rule_facts, fetch_examples, format_time
from leaven.cleaning.item_stats import compute_upper_bound, format_pattern, join_item_stats
from leaven.sql import quote_literal

_MAX_OTHER_LETTERS = 0.1
"""Share of the other lines whose orders start with a letter, above which one letter does not mark cancellations."""
NO_CLOCK = "the log has no clock: times are places in an order"
_MIN_VALUES = 3
"""Number of prices or quantities from which on an item's median is compared with."""


@dataclass(frozen=True)
class EventRule:
    """A condition on a line (`log`) and the statistics of its item (`stats`), as SQL.

    name      name in the facts
    when      the condition; NULL counts as false
    drops     whether matching lines are dropped, or only counted
    note      explanation for the report
    examples  examples to show; empty: the first matching lines
    """

    name: str
    when: str
    drops: bool = True
    note: str = ""
    examples: tuple[dict[str, Any], ...] = ()


def build_rules(log: EncodedLog, config: CleaningConfig) -> tuple[list[EventRule], Rules]:
    """The rules in the order in which they apply, and the facts of rules that this log cannot have."""
    skipped: Rules = []
    rules = [
        EventRule("missing_user", "log.user_code IS NULL", note="belongs to no history"),
        EventRule("missing_item", "log.item_code IS NULL", note="nothing to learn from"),
        EventRule("missing_time", "log.time IS NULL", note="has no position in a history"),
    ]
    for builder in _BUILDERS:
        if not builder.is_enabled(config):
            continue
        missing = next((name for name in builder.needs if name not in _available_columns(log)), None)
        if missing == "clock":
            found: list[EventRule] | str = NO_CLOCK
        elif missing == "catalog":
            found = "there is no catalog"
        elif missing:
            found = f"the log has no column for {missing!r}"
        else:
            found = builder.build(log, config)
        if isinstance(found, str):
            skipped.append(build_rule_facts(builder.name, 0, 0, [], f"skipped: {found}"))
        else:
            rules += found
    return rules, skipped


def _available_columns(log: EncodedLog) -> tuple[str, ...]:
    return (*log.extra_columns, *(("catalog",) if log.catalog else ()), *(("clock",) if log.has_clock else ()))


def _build_bots(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    note, shown = find_bots(log, config)
    when = "bots.user_code IS NOT NULL" if note else "false"
    return [EventRule("bots", when, note=note, examples=tuple(shown))]


def _build_cancelled(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    """One letter marks cancellations only where it is rare, and where other orders do not start with letters too."""
    prefix = config.cancelled_prefix
    when = f'starts_with(log."order", {quote_literal(prefix)})'
    letter = "CASE WHEN regexp_matches(log.\"order\", '^[A-Za-z]') THEN 1.0 ELSE 0.0 END"
    cells = f"avg(CASE WHEN {when} THEN 1.0 ELSE 0.0 END), avg(CASE WHEN NOT {when} THEN {letter} END)"
    shares = log.backend.fetch_rows(f"SELECT {cells} FROM {log.lines} AS log")[0]
    marked, lettered = (float(share or 0.0) for share in shares)
    if marked > 0.5:
        return f"more than half of the lines have orders that start with {prefix!r}: not a mark of cancellations"
    if marked and lettered > _MAX_OTHER_LETTERS and len(prefix) == 1:
        return f"orders start with other letters too, so {prefix!r} need not mean a cancellation"
    return [EventRule("cancelled", when, note=f"orders that start with {prefix!r}")]


def _build_negative_quantity(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    return [EventRule("negative_quantity", "log.quantity < 0", note="returned goods, or corrections of the stock")]


def _build_zero_price(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    return [EventRule("zero_price", "log.price = 0", note="nothing was paid")]


def _build_negative_price(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    return [EventRule("negative_price", "log.price < 0")]


def _build_price_outlier(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    high, factor = compute_upper_bound(log, "price"), config.price_outlier_factor
    if high is None:
        return "no line has a price above 0"
    many = f"log.price > {factor} * stats.price OR log.price * {factor} < stats.price"
    few = f"log.price > {factor * high}"
    when = f"log.price > 0 AND CASE WHEN stats.prices >= {_MIN_VALUES} THEN {many} ELSE {few} END"
    return [EventRule("price_outlier", when, note=f"{factor:g} times above or below the item's median price")]


def _build_quantity_outlier(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    high, factor = compute_upper_bound(log, "quantity"), config.quantity_outlier_factor
    if high is None:
        return "no line has a quantity above 0"
    many = f"greatest(stats.quantity, {high})"
    when = f"log.quantity > {factor} * CASE WHEN stats.quantities >= {_MIN_VALUES} THEN {many} ELSE {high} END"
    note = f"more than {factor:g} times the item's median and the 99th percentile of all lines ({high:g})"
    return [EventRule("quantity_outlier", when, note=note)]


def _build_not_a_product(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    note = "postage, fees, manual entries: by the item's id" + (" and text" if "text" in log.extra_columns else "")
    named = f"SELECT 1 FROM {log.items} WHERE regexp_matches(item, {format_pattern(config.non_product_ids)}) LIMIT 1"
    if "text" not in log.extra_columns and not (config.non_product_ids and log.backend.fetch_rows(named)):
        return [EventRule("not_a_product", "false")]  # saves a join with every line
    return [EventRule("not_a_product", "stats.product = 0", note=note)]


def _build_impossible_time(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    first = parse_time_bound(config, "first_time")
    last = parse_time_bound(config, "last_time") or int(datetime.now(UTC).timestamp())
    late = EventRule("in_the_future", f"log.time > {last}", note=f"after {format_time(last)}")
    if first is None:
        return [late]
    return [EventRule("too_early", f"log.time < {first}", note=f"before {format_time(first)}"), late]


def _build_before_release(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    if "born" not in log.catalog_columns:
        return "the catalog has no column for 'born'"
    return [EventRule("before_release", "log.time < stats.born", note="before the item's first day of sale")]


def _build_incomplete_item(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    if log.incomplete_items is None:
        return []
    return [EventRule("incomplete_item", "stats.incomplete IS NOT NULL", note="of items that lack an attribute")]


def _build_not_in_catalog(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    drops = config.unknown_items == "drop"
    note = "sold, but not in the catalog" + ("" if drops else "; kept, without attributes")
    when = "log.item_code IS NOT NULL AND stats.listed IS NULL"
    when += " AND stats.incomplete IS NULL" if log.incomplete_items else ""
    return [EventRule("not_in_catalog", when, drops, note)]


def _build_missing_text(log: EncodedLog, config: CleaningConfig) -> list[EventRule] | str:
    return [EventRule("missing_text", "log.text IS NULL", False, "gets the item's most frequent text, if it has one")]


@dataclass(frozen=True)
class _RuleBuilder:
    """Builds the rules of one name, where they are enabled and the log has the columns that they need.

    `build` returns a text where the log cannot have the rule: the reason.
    """

    name: str
    is_enabled: Callable[[CleaningConfig], object]
    needs: tuple[str, ...]
    build: Callable[[EncodedLog, CleaningConfig], list[EventRule] | str]


_BUILDERS = (
    _RuleBuilder("bots", lambda config: config.bot_seconds_per_hour, ("clock",), _build_bots),
    _RuleBuilder("cancelled", lambda config: config.cancelled_prefix, ("order",), _build_cancelled),
    _RuleBuilder("negative_quantity", lambda config: config.negative_quantity, ("quantity",), _build_negative_quantity),
    _RuleBuilder("zero_price", lambda config: config.zero_price, ("price",), _build_zero_price),
    _RuleBuilder("negative_price", lambda config: config.negative_price, ("price",), _build_negative_price),
    _RuleBuilder(
        "not_a_product", lambda config: config.non_product_ids or config.non_product_texts, (), _build_not_a_product
    ),
    _RuleBuilder("price_outlier", lambda config: config.price_outlier_factor, ("price",), _build_price_outlier),
    _RuleBuilder(
        "quantity_outlier", lambda config: config.quantity_outlier_factor, ("quantity",), _build_quantity_outlier
    ),
    _RuleBuilder("impossible_time", lambda config: True, ("clock",), _build_impossible_time),
    _RuleBuilder("before_release", lambda config: config.before_release, ("catalog", "clock"), _build_before_release),
    _RuleBuilder(
        "incomplete_item", lambda config: config.missing_attributes == "drop", ("catalog",), _build_incomplete_item
    ),
    _RuleBuilder("not_in_catalog", lambda config: True, ("catalog",), _build_not_in_catalog),
    _RuleBuilder("missing_text", lambda config: config.inconsistent_texts, ("text",), _build_missing_text),
)
"""In the order in which the rules apply."""


def count_matches(log: EncodedLog, rules: Sequence[EventRule], config: CleaningConfig) -> Rules:
    """The facts of each rule: the lines that it matches, and those that earlier rules leave to it. One pass."""
    source = join_item_stats(log, config, rules)
    first = " ".join(f"WHEN {one.when} THEN {index}" for index, one in enumerate(rules) if one.drops)
    sums = ", ".join(f"sum(CASE WHEN {one.when} THEN 1 ELSE 0 END)" for one in rules)
    sql = f"SELECT CASE {first} ELSE -1 END AS taken, count(*), {sums} FROM {source} GROUP BY 1"
    found = log.backend.fetch_rows(sql)
    dropped = {int(row[0]): int(row[1]) for row in found}
    facts = []
    for index, one in enumerate(rules):
        touched = sum(int(row[2 + index]) for row in found)
        matching = f"SELECT log.* FROM {source} WHERE {one.when}"
        shown = list(one.examples) or (fetch_examples(log, matching) if touched else [])
        facts.append(build_rule_facts(one.name, touched, dropped.get(index, 0), shown, one.note if touched else ""))
    return facts


def drop_matches(log: EncodedLog, rules: Sequence[EventRule], config: CleaningConfig) -> EncodedLog:
    """The log without the lines that the rules drop."""
    source = join_item_stats(log, config, rules)
    bad = " ".join(f"WHEN {one.when} THEN 0" for one in rules if one.drops)
    log.backend.create_table("clean_good", f"SELECT log.* FROM {source} WHERE CASE {bad} ELSE 1 END = 1")
    return replace(log, lines="clean_good")
