"""The statistics of a log on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leaven.cli import output
from leaven.display import draw_sparkline
from leaven.report.number_format import format_label, format_named, format_number, format_record, list_scalars

_MAX_CHARACTERS = 76  # of an example; `--json` has it in full, and four more
_PLOTS = {
    "length_histogram": "events of a history",
    "popularity": "items by popularity",
    "per_day": "events a day",
    "hours": "hours of the day",
}
_LEAK = "leave_one_out_leak_share"


def format_profile(profile: Mapping[str, Any]) -> Iterator[Any]:
    """All of a profile: how the log was read, statistics before and after cleaning, rules, splits, target rules,
    advice.
    """
    yield output.build_pairs(_format_reading(profile["reading"]), "Read")
    yield ""
    yield output.build_table(["statistic", ">as read", ">cleaned"], _compare_figures(profile["raw"], profile["health"]))
    yield ""
    yield output.build_pairs(_draw_plots(profile["health"]))
    yield ""
    yield output.build_table(["cleaning", ">touches", ">drops", "such as"], _format_rules(profile["cleaning"]))
    yield ""
    split = {_LEAK: profile[_LEAK], **profile["split"]}
    yield output.build_pairs(
        list_scalars({name: value for name, value in split.items() if value != 0}), "Split by time"
    )
    if rules := profile.get("targets", {}).get("rules"):
        yield ""
        yield output.build_table(
            ["targets of", ">rows", ">nats", ">excess", "", "as a step"], map(_format_target_rule, rules)
        )
    if profile.get("advice"):
        yield ""
        yield from (f"• {sentence}" for sentence in profile["advice"])


def _format_reading(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from list_scalars(facts, skip=("columns", "items", "users", "files"))
    if columns := facts.get("columns"):
        yield "Columns", ", ".join(f"{role} = {column}" for role, column in columns.items())
    if users := facts.get("users"):
        attributes = ", ".join(f"{name} ({kind})" for name, kind in users["attributes"].items())
        known = f"{users['matched']:,} of {users['matched'] + users['unmatched']:,} users of the log"
        yield "Table of users", f"{users['lines']:,} lines; {known}; {attributes}"


def _compare_figures(raw: Mapping[str, Any], cleaned: Mapping[str, Any]) -> list[list[str]]:
    """Figures that are one number, before and after cleaning."""
    return [
        [format_label(key), format_named(key, raw.get(key)), format_named(key, cleaned[key])]
        for key in cleaned
        if key not in _PLOTS
    ]


def _format_rules(rules: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    """Rules that found something, those that drop most first; then those that found nothing, in one line."""
    for rule in sorted(rules, key=lambda rule: (-rule["dropped"], -rule["touched"])):
        if rule["touched"]:
            examples = [format_record(example) for example in (rule.get("examples") or [])[:1]]
            text = examples[0] if examples else str(rule.get("note") or "")
            short = text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
            yield (
                format_label(str(rule["rule"])),
                format_number(rule.get("touched")),
                format_number(rule.get("dropped")),
                short,
            )
    if idle := [format_label(str(rule["rule"])).lower() for rule in rules if not rule["touched"]]:
        yield "nothing of", "", "", ", ".join(idle)


def _format_target_rule(rule: Mapping[str, Any]) -> list[str]:
    """How far a rule for targets is from what validation measures."""
    excess = "" if rule["is_lowest"] else f"{rule['excess']:.3f} ± {2 * rule['standard_error']:.3f}"
    mark = "recommended" if rule["is_recommended"] else ""
    return [rule["rule"], format_number(rule["n_windows"]), f"{rule['divergence']:.3f}", excess, mark, rule["step"]]


def _draw_plots(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, title in _PLOTS.items():
        pairs = _list_pairs(facts.get(key) or [])
        if len(pairs) > 1:
            heights = [float(height) for _, height in pairs]
            yield title, draw_sparkline(heights)
            yield "", f"{pairs[0][0]} … {pairs[-1][0]}, at most {format_number(int(max(heights)))}"


def _list_pairs(curve: Any) -> list[tuple[Any, Any]]:
    """(position, height) of a mapping, of pairs, or of plain heights, which are numbered from 1."""
    if isinstance(curve, Mapping):
        return list(curve.items())
    return [(one[0], one[1]) if isinstance(one, list | tuple) else (number, one) for number, one in enumerate(curve, 1)]
