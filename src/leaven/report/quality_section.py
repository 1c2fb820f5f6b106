"""What was found about made rows: a light each, the figures behind it, shapes, neighbours, what told the effect?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from leaven.report import charts, labels
from leaven.report.number_format import number
from leaven.stats.effect import percent, shown

Facts = Mapping[str, Any]

GROUPS: Mapping[str, str] = {
    "alike": "Alike",
    "varied": "Varied",
    "consistent": "Consistent",
    "not copied": "Not copied",
    "private": "Private",
}
LIGHTS: Mapping[str, tuple[str, str, str]] = {
    "green": ("helped", "●", "as real"),
    "yellow": ("unsure", "◐", "near"),
    "red": ("harmed", "○", "not"),
    "none": ("same", "–", "a check only"),
}
"""light -> (class of the page's style, sign, words)"""
BETTER: Mapping[str, str] = {"low": "lower", "high": "higher", "real": "as real"}
MOST_PREDICTIONS = 12
PNG = "data:image/png;base64,"


def judging(facts: Facts) -> dict[str, Any] | None:
    """The section of a run: one line of lights an arm, all figures below, and which of them told what helped."""
    found = facts.get("judging") or {}
    arms = {str(name): one for name, one in (found.get("arms") or {}).items()}
    if not arms and not found.get("skipped"):
        return None
    judged = {name: one for name, one in arms.items() if one.get("figures")}
    return {
        "skipped": [("", str(found["skipped"]))] if found.get("skipped") else _skipped(arms),
        "groups": [*GROUPS.values(), "Useful"] if judged else [],
        "rows": [{"arm": name, "cells": [*cells(one), _useful(one)]} for name, one in judged.items()],
        "how": how(next(iter(judged.values()))) if judged else "",
        "arms": [judgement(one) | {"name": name} for name, one in judged.items()],
        "prediction": _prediction(found.get("prediction") or {}, judged),
    }


def _skipped(arms: Mapping[str, Facts]) -> list[tuple[str, str]]:
    return [(name, str(one["skipped"])) for name, one in arms.items() if one.get("skipped")]


def cells(found: Facts) -> list[dict[str, str]]:
    """For each group its light, and the figure that it hangs on beside that of real rows."""
    figures = {one.get("kind"): one for one in found.get("figures") or []}
    shown = []
    for group, title in GROUPS.items():
        figure = figures.get((found.get("deciding") or {}).get(group)) or {}
        light, sign, said = LIGHTS.get(str((found.get("lights") or {}).get(group)), LIGHTS["none"])
        cell = {"group": title, "light": light, "sign": sign, "said": said if figure else "not known", "figure": ""}
        if figure:
            name = str(figure.get("kind", "")).replace("_", " ")
            cell["figure"] = f"{name} {value(figure.get('value'))}, real {value(figure.get('reference'))}"
        shown.append(cell)
    return shown


def _useful(found: Facts) -> dict[str, str]:
    useful = found.get("useful") or {}
    light = labels.light(useful.get("verdict"))
    figure = (
        f"{shown(str(useful.get('metric', '')))} {percent(useful['lift'])}" if useful.get("lift") is not None else ""
    )
    said = str(useful.get("verdict") or "not known")
    return {"group": "Useful", "light": light, "sign": labels.SIGNS[light], "said": said, "figure": figure}


def how(found: Facts) -> str:
    """What the figures stand beside."""
    facts = found.get("facts") or {}
    compared, rows = facts.get("compared") or {}, facts.get("rows") or {}
    halves = min([int(one) for one in compared.values()] or [0]) // 2
    learned = f" Their places are those of {facts['encoder']}." if facts.get("encoder") else ""
    owners = ", ".join(map(str, facts.get("left_out_columns") or ()))
    left_out = f" Columns that say whose row it is were left out: {owners}." if owners else ""
    return (
        f"Each figure stands beside the same one of real rows: {number(facts.get('halves'))} times, half of "
        f"{number(compared.get('held_out'))} rows that no generator saw is set against the other half, and against as "
        f"many new rows ({number(halves)} a side). All follows from seed {number(facts.get('seed'))}; of "
        f"{number(rows.get('new'))} new rows {number(compared.get('new'))} were looked at.{learned}{left_out}"
    )


def judgement(found: Facts) -> dict[str, Any]:
    """All figures by group, what was skipped, the gates, the drawings, the neighbours."""
    figures = list(found.get("figures") or [])
    looks = found.get("looks") or {}
    groups = [(title, [_line(one) for one in figures if one.get("group") == name]) for name, title in GROUPS.items()]
    steered = (found.get("facts") or {}).get("held_out_users_steered_the_plan")
    return {
        "note": "This plan steered itself by how well the held-out users were served." if steered else "",
        "groups": [(title, lines) for title, lines in groups if lines],
        "skipped": [
            (str(kind).replace("_", " "), str(why))
            for kind, why in (found.get("skipped_metrics") or found.get("skipped") or {}).items()
        ],
        "gates": [_gate(one) for one in found.get("gates") or []],
        "copies": number(found.get("copies_found", len(found.get("copies") or []))),
        "plots": [_plot(one) for one in looks.get("distributions") or [] if one.get("sides") and one.get("names")],
        "neighbours": [_pair(one) for one in looks.get("neighbours") or []],
    }


def _line(figure: Facts) -> dict[str, str]:
    light, sign, said = LIGHTS.get(str(figure.get("light")), LIGHTS["none"])
    return {
        "name": str(figure.get("kind", "")).replace("_", " "),
        "says": str(figure.get("says", "")),
        "more": _more(figure.get("more") or {}),
        "value": value(figure.get("value")),
        "interval": _pair_of(figure.get("interval")),
        "real": _pair_of(figure.get("reference_range")),
        "better": BETTER.get(str(figure.get("better")), ""),
        "light": light,
        "sign": sign,
        "said": said,
    }


def _more(more: Facts) -> str:
    """What a metric adds to its figure, where a reader can use it."""
    parts = []
    if more.get("called"):
        parts.append(f"{more['called']}; of all rows {value(more.get('of_all'))}")
    if more.get("means") and more.get("shift") is not None:
        parts.append(f"{more['means']}: the median lies {value(more['shift'])} standard deviations away")
    if more.get("gave_away"):
        told = [f"{one[0]} {value(one[1])}" for one in more["gave_away"][:3] if len(one) > 1]
        parts.append(f"told most by {', '.join(told)}")
    if more.get("tpr") is not None:
        parts.append(f"{value(more['tpr'])} of them found while 1 % of strangers are accused")
    return "; ".join(parts)


def _pair_of(ends: Any) -> str:
    found = list(ends or [])
    return f"{value(found[0])} to {value(found[1])}" if len(found) == 2 else ""


def value(one: Any) -> str:
    """Three figures, no more than a person takes in; the same number of decimals for numbers of a size.

    >>> value(0.51234), value(12.345), value(1234.5), value(-0.2)
    ('0.512', '12.35', '1,234', '−0.200')
    """
    if not isinstance(one, int | float):
        return "–"
    places = 0 if abs(one) >= 100 else 2 if abs(one) >= 10 else 3
    return f"{one:,.{places}f}".replace("-", "−")


def _gate(gate: Facts) -> dict[str, str]:
    passed = bool(gate.get("passed"))
    light, sign = ("helped", "●") if passed else ("harmed", "○")
    said = "passed" if passed else "failed"
    return {
        "gate": str(gate.get("gate", "")),
        "light": light,
        "sign": sign,
        "said": said,
        "value": value(gate.get("value")),
    }


def _plot(found: Facts) -> dict[str, Any]:
    title = str(found.get("title", ""))
    return {"title": title, "svg": charts.overlay(found, f"{title}, shares of {', '.join(found['sides'])} rows")}


def _pair(found: Facts) -> dict[str, Any]:
    shared = {int(place) for place in found.get("shared") or []}
    new, real = list(found.get("new") or []), list(found.get("real") or [])
    both = {new[place] for place in shared if place < len(new)}
    return {
        "sort": {"nearest": "among the nearest", "middle": "in the middle", "farthest": "among the farthest"}.get(
            str(found.get("sort")), ""
        ),
        "distance": value(found.get("distance")),
        "pictures": [Markup(one) for one in found.get("pictures") or [] if str(one).startswith(PNG)],
        "new": [{"name": name, "mark": place in shared} for place, name in enumerate(new)],
        "real": [{"name": name, "mark": name in both} for name in real],
    }


def _prediction(found: Facts, judged: Mapping[str, Facts]) -> dict[str, Any] | None:
    if not found or len(judged) < 2:
        return None
    says = {one.get("kind"): one.get("says", "") for arm in judged.values() for one in arm.get("figures") or []}
    rows = [
        {
            "name": str(one.get("kind", "")).replace("_", " "),
            "says": says.get(one.get("kind"), ""),
            "rho": value(one.get("rho")),
            "interval": f"{value(one.get('low'))} to {value(one.get('high'))}",
            "told": one.get("low") is not None and one.get("high") is not None and one["low"] * one["high"] > 0,
        }
        for one in (found.get("figures") or [])[:MOST_PREDICTIONS]
    ]
    return {"rows": rows, "arms": number(found.get("arms")), "fewest": number(found.get("fewest"))}


def headline(found: Facts) -> str:
    """One sentence: what holds, and what does not."""
    lights = found.get("lights") or {}
    good = [name for name in GROUPS if lights.get(name) == "green"]
    near = [name for name in GROUPS if lights.get(name) == "yellow"]
    bad = [name for name in GROUPS if lights.get(name) == "red"]
    parts = [f"{_listed(good)} as real rows are"] * bool(good)
    parts += [f"nearly {_listed(near)}"] * bool(near) + [f"but not {_listed(bad)}"] * bool(bad)
    if bad and not good and not near:
        parts = [f"not {_listed(bad)}"]
    return f"The new rows are {', '.join(parts)}." if parts else "Too few rows to say anything."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
