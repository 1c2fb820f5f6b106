"""What is this file, and what would leaven do with it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from leaven import registry
from leaven.cleaning import Clean, clean, survey
from leaven.datasets.events import Events
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.ingest import ItemSource, Source, guess, order, read
from leaven.introspection import written
from leaven.profiling.log_statistics import health
from leaven.splits.log_splits import LeaveOneOut, Split, TimeSplit
from leaven.transforms.sequence.target_windows import USUAL_RULES, target_divergence

_PLAINEST = next(iter(USUAL_RULES))


def profile(
    source: Source | Any,
    clean_wish: Clean | None = None,
    split_wish: TimeSplit | None = None,
    items: ItemSource | None = None,
) -> dict[str, Any]:
    """Facts of a log, JSON-able; nothing is written and nothing is changed.

    reading   what was read and how: source, format, columns (guessed where none were given), lines
    survey    what each rule of cleaning alone finds in the log as it was read
    raw       health of the log as it was read, less the lines without user, item or time
    cleaning  what cleaning would do, rule by rule, in its order
    health    health of what would be left
    split     what the time split of that would look like; {"error": …} where it would be empty
    targets   how far the training targets of each way of splitting histories lie from the validation targets
              (rules, closest first, and the one that is recommended), by the time split or else leave-one-out
    leave_one_out_leak_share  how much of leave-one-out's training would lie in the future of its tests
    advice    sentences

    >>> import pyarrow as pa
    >>> log = pa.table({"user": ["a", "a"], "item": ["x", "y"], "time": [1318896000, 1318896001]})
    >>> profile(log)["health"]["events"]
    2

    Raises DataError for a log that cannot be read, or of which nothing would be left.
    """
    events = read(_with_columns(source), items=items)
    found = survey(events, clean_wish)
    raw = health(_as_read(events))
    done = clean(events, clean_wish)
    histories = order(done.events).histories
    facts: dict[str, Any] = {"reading": dict(events.facts), "survey": found, "raw": raw, "cleaning": done.rules}
    parts = _split(histories, split_wish or TimeSplit())
    facts |= {"health": health(histories), "split": parts.facts if isinstance(parts, Split) else {"error": str(parts)}}
    facts["targets"] = _targets(histories, parts)
    facts["leave_one_out_leak_share"] = facts["split"].get("leave_one_out_leak_share")
    return facts | {"advice": advice(facts)}


def _with_columns(source: Source | Any) -> Source:
    """The source with every column that the guess can name, where the user named none: rules read more than ids."""
    wish = source if isinstance(source, Source) else Source(source)
    if wish.columns or not isinstance(wish.interactions, str | Path) or "://" in str(wish.interactions):
        return wish
    seen = guess(wish.interactions)
    if seen.kind == "items":
        got = f"columns {', '.join(seen.names)}, of items it seems"
        raise DataError(str(wish.interactions), "a log of events: who, what, when", got, "give columns = { user = … }")
    known = seen.columns if seen.format != "sequences" and seen.kind == "log" and seen.header else {}
    return replace(wish, columns=known)


def _as_read(events: Events) -> Histories:
    """The histories of all lines that have user, item and time."""
    view = "leaven_whole_lines"
    whole = '"user" IS NOT NULL AND item IS NOT NULL AND time IS NOT NULL'
    events.connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM {events.table} WHERE {whole}")
    return order(replace(events, table=view)).histories


def _split(histories: Histories, wish: TimeSplit | LeaveOneOut) -> Split | DataError:
    try:
        return wish.split(histories)
    except DataError as error:
        return error


def _targets(histories: Histories, parts: Split | DataError) -> dict[str, Any]:
    """What each way of splitting would aim at; by leave-one-out where time cannot split."""
    if isinstance(parts, DataError) or "clock" in parts.facts:
        parts = _split(histories, LeaveOneOut())
    if isinstance(parts, DataError):
        return {"error": str(parts)}
    told = target_divergence(parts.train, parts.valid)
    rules = [{**asdict(one), "wish": _said(one.wish)} for one in told]
    chosen = next(one.rule for one in told if one.recommended)
    return {
        "split": parts.facts["kind"],
        "valid_targets": len(parts.valid.items),
        "recommended": chosen,
        "rules": rules,
    }


def _said(wish: Any) -> str:
    """A transform as a step of a spec says it: its kind, and the fields that are not as they are by default."""
    held = {one.name: getattr(wish, one.name) for one in fields(wish)}
    own = {name: value for name, value in held.items() if value != getattr(type(wish)(), name)}
    return written({"use": registry.kind_of("transforms", wish), **own})


_BASKET = "order inside a basket is the file's word alone"
_LEAK = "of its training lies, in the mean, after the event that it tests"


def advice(facts: Mapping[str, Any]) -> list[str]:
    """What a reader of these facts should do or know, most important first."""
    said = []
    split, shape, raw = facts["split"], facts["health"], facts["raw"]
    if "error" in split:
        said.append(f"The time split does not work here: {split['error']}")
    if "clock" in split:
        said.append("The log has no clock: set kind = 'leave_one_out' in [split].")
    lost = 1.0 - shape["events"] / max(facts["reading"]["lines"], 1)
    if lost > 0.1:
        most = sorted(facts["cleaning"], key=lambda one: -int(one["dropped"]))[:3]
        why = ", ".join(f"{one['rule'].replace('_', ' ')} {one['dropped']:,}" for one in most if one["dropped"])
        said.append(f"Cleaning takes {lost:.0%} of the lines: {why}.")
    ties, share, single = shape.get("tie_share", 0.0), facts["leave_one_out_leak_share"], raw["users_with_one_event"]
    if ties > 0.2:
        said.append(f"{ties:.1%} of the events share their second with another of the same user: {_BASKET}.")
    if share:
        said.append(f"Leave-one-out would learn from the future: {share:.0%} {_LEAK}.")
    if shape["repeat_share"] > 0.05:
        said.append(f"{shape['repeat_share']:.0%} of the events repeat an item that the user already had.")
    if single > 0.2 * raw["users"]:
        said.append(f"{single:,} of {raw['users']:,} users have one event: no next item to learn from.")
    return said + _aim(facts["targets"])


def _aim(targets: Mapping[str, Any]) -> list[str]:
    """Which way of splitting histories is recommended, and why."""
    if "error" in targets:
        return []
    by_rule = {one["rule"]: one for one in targets["rules"]}
    chosen, plain = by_rule[targets["recommended"]], by_rule[_PLAINEST]
    if chosen is plain:
        return [f"Learn from {_PLAINEST}: no other splitting of histories aims closer at what validation asks for."]
    gain = f"{chosen['nats']:.2f} nats from what validation asks for, those of {_PLAINEST} {plain['nats']:.2f}"
    return [f"Try {chosen['rule']}, {chosen['wish']}: its training targets lie {gain} (counted, not trained)."]
