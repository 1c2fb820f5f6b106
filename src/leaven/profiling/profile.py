"""Profiles a log: its format, its quality, what cleaning and splitting would do, and advice."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from leaven import registry
from leaven.cleaning import CleaningConfig, clean_events, survey_events
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.facts import JsonObject
from leaven.ingest import CatalogSource, LogSource, UserSource, build_histories, infer_format, read_events
from leaven.introspection import format_toml_value
from leaven.profiling.log_statistics import compute_log_statistics
from leaven.splits.log_splits import LeaveOneOut, Split, TimeSplit
from leaven.transforms.sequence.target_windows import COMMON_RULES, TargetDivergence, measure_target_divergence

_DEFAULT_RULE = next(iter(COMMON_RULES))


def profile_log(
    source: object,
    cleaning_config: CleaningConfig | None = None,
    split_config: TimeSplit | None = None,
    items: CatalogSource | None = None,
    users: UserSource | None = None,
) -> JsonObject:
    """Facts of a log, JSON-able; nothing is written or changed.

    reading   source, format, columns (inferred where none are given), lines
    survey    what each cleaning rule alone finds in the log as read
    raw       statistics of the log as read, without lines that lack user, item or time
    cleaning  what cleaning would do, rule by rule, in its order
    health    statistics of the cleaned log
    split     facts of its time split; {"error": …} where a part would be empty
    targets   the divergence of the training targets of each target rule from the validation targets (rules,
              closest first, and the recommended one), by the time split or else leave-one-out
    leave_one_out_leak_share  share of leave-one-out's training events that happen after its test events
    advice    sentences

    >>> import pyarrow as pa
    >>> log = pa.table({"user": ["a", "a"], "item": ["x", "y"], "time": [1318896000, 1318896001]})
    >>> profile_log(log)["health"]["events"]
    2

    Raises DataError for a log that cannot be read, or that cleaning would empty.
    """
    events = read_events(_infer_columns(source), items=items, users=users)
    found = survey_events(events, cleaning_config)
    view = "leaven_whole_lines"
    whole = '"user" IS NOT NULL AND item IS NOT NULL AND time IS NOT NULL'
    events.connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM {events.table} WHERE {whole}")
    raw_histories = build_histories(replace(events, table=view)).histories
    raw = compute_log_statistics(raw_histories)
    done = clean_events(events, cleaning_config)
    histories = build_histories(done.events).histories
    facts: JsonObject = {"reading": dict(events.facts), "survey": found, "raw": raw, "cleaning": done.rules}
    parts = _try_split(histories, split_config or TimeSplit())
    facts |= {
        "health": compute_log_statistics(histories),
        "split": parts.facts if isinstance(parts, Split) else {"error": str(parts)},
    }
    facts["targets"] = _compare_targets(histories, parts)
    facts["leave_one_out_leak_share"] = facts["split"].get("leave_one_out_leak_share")
    return facts | {"advice": build_advice(facts)}


def _infer_columns(source: object) -> LogSource:
    """The source with all columns that can be inferred, where none are given: rules read more than ids."""
    config = source if isinstance(source, LogSource) else LogSource(source)
    if config.columns or not isinstance(config.interactions, str | Path) or "://" in str(config.interactions):
        return config
    found = infer_format(config.interactions)
    if found.kind == "items":
        got = f"columns {', '.join(found.names)}, as of items"
        raise DataError(
            str(config.interactions), "a log of events: user, item, time", got, "give columns = { user = … }"
        )
    columns = found.columns if found.format != "sequences" and found.kind == "log" and found.header else {}
    return replace(config, columns=columns)


def _try_split(histories: Histories, config: TimeSplit | LeaveOneOut) -> Split | DataError:
    try:
        return config.split(histories)
    except DataError as error:
        return error


@dataclass(frozen=True)
class TargetRuleFacts:
    """How far the training targets of one rule are from the validation targets, in nats.

    step            the rule as a step of a spec
    excess          divergence beyond that of the closest rule, with its standard error
    is_recommended  whether it is the first rule that is not significantly farther than the closest
    """

    rule: str
    step: str
    n_windows: int
    n_targets: int
    divergence: float
    excess: float
    standard_error: float
    is_lowest: bool
    is_recommended: bool

    @classmethod
    def from_divergence(cls, found: TargetDivergence) -> TargetRuleFacts:
        """Return the facts of a measured rule."""
        values = {one.name: getattr(found, one.name) for one in fields(cls) if one.name != "step"}
        return cls(step=_format_step(found.config), **values)


def _compare_targets(histories: Histories, parts: Split | DataError) -> dict[str, object]:
    """Divergences of the target rules; by leave-one-out where the time split fails."""
    if isinstance(parts, DataError) or "clock" in parts.facts:
        parts = _try_split(histories, LeaveOneOut())
    if isinstance(parts, DataError):
        return {"error": str(parts)}
    divergences = measure_target_divergence(parts.train, parts.valid)
    rules = [TargetRuleFacts.from_divergence(one) for one in divergences]
    chosen = next(one.rule for one in rules if one.is_recommended)
    return {
        "split": parts.facts["kind"],
        "valid_targets": len(parts.valid.target_items),
        "recommended": chosen,
        "rules": [asdict(one) for one in rules],
    }


def _format_step(transform: Any) -> str:
    """A transform as a step of a spec: its kind and the fields that differ from the defaults."""
    held = {one.name: getattr(transform, one.name) for one in fields(transform)}
    own = {name: value for name, value in held.items() if value != getattr(type(transform)(), name)}
    return format_toml_value({"use": registry.find_kind("transforms", transform), **own})


def build_advice(facts: JsonObject) -> list[str]:
    """Advice from these facts, most important first."""
    found = []
    split, shape, raw = facts["split"], facts["health"], facts["raw"]
    if "error" in split:
        found.append(f"The time split does not work here: {split['error']}")
    if "clock" in split:
        found.append("The log has no clock: set kind = 'leave_one_out' in [split].")
    lost = 1.0 - shape["events"] / max(facts["reading"]["lines"], 1)
    if lost > 0.1:
        most = sorted(facts["cleaning"], key=lambda one: -int(one["dropped"]))[:3]
        why = ", ".join(f"{one['rule'].replace('_', ' ')} {one['dropped']:,}" for one in most if one["dropped"])
        found.append(f"Cleaning takes {lost:.0%} of the lines: {why}.")
    ties, share, single = shape.get("tie_share", 0.0), facts["leave_one_out_leak_share"], raw["users_with_one_event"]
    if ties > 0.2:
        found.append(
            f"{ties:.1%} of the events share their second with another of the same user: the file alone orders them."
        )
    if share:
        found.append(
            f"Leave-one-out leaks the future: on average, {share:.0%} of its training events follow the test event."
        )
    if shape["repeat_share"] > 0.05:
        found.append(f"{shape['repeat_share']:.0%} of the events repeat an item of the same user.")
    if single > 0.2 * raw["users"]:
        found.append(f"{single:,} of {raw['users']:,} users have one event: no next item to train on.")
    return found + _advise_targets(facts["targets"])


def _advise_targets(targets: JsonObject) -> list[str]:
    """The recommended target rule, and why."""
    if "error" in targets:
        return []
    by_rule = {one["rule"]: TargetRuleFacts(**one) for one in targets["rules"]}
    chosen, plain = by_rule[targets["recommended"]], by_rule[_DEFAULT_RULE]
    if chosen is plain:
        return [f"Train on {_DEFAULT_RULE}: no other target rule is closer to the validation targets."]
    gain = f"{chosen.divergence:.2f} nats from the validation targets, those of {_DEFAULT_RULE} {plain.divergence:.2f}"
    return [f"Try {chosen.rule}, {chosen.step}: its training targets are {gain} (counted, not trained)."]
