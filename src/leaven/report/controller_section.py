"""What was decided while training, and what did it look at? A section of the page, and a line on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from leaven.report import charts
from leaven.report.number_format import NONE, number, small_percent

Facts = Mapping[str, Any]
Rows = Sequence[Facts]

UP, DOWN, HELD = "up", "down", "held"


def section(facts: Facts) -> dict[str, Any] | None:
    """Charts of strength and of what it followed, flags, and a table with one row a look; None without decisions."""
    trainings = _by_training(facts)
    if not trainings:
        return None
    arms = list(dict.fromkeys(arm for arm, _ in trainings))
    return {
        "counted": counted(facts),
        "flags": [f"{arm}, seed {seed}: {flag}" for (arm, seed), rows in trainings.items() if (flag := _flag(rows))],
        "arms": [_arm(arm, {seed: rows for (name, seed), rows in trainings.items() if name == arm}) for arm in arms],
    }


def counted(facts: Facts) -> list[str]:
    """One sentence an arm: how many decisions, which, and what its pilots cost."""
    told, trainings = [], _by_training(facts)
    for arm in dict.fromkeys(arm for arm, _ in trainings):
        logs = [rows for (name, _), rows in trainings.items() if name == arm]
        if not any(row.get("signals") for rows in logs for row in rows):
            told.append(f"{arm}: {logs[0][0].get('why')}")
            continue
        moves = [move for rows in logs for move in moved(rows)]
        how = ", ".join(f"{moves.count(move)} {move}" for move in (UP, DOWN, HELD))
        trained = "1 training" if len(logs) == 1 else f"{number(len(logs))} trainings"
        told.append(f"{arm}: {number(len(moves))} decisions in {trained}: {how}")
    steps = (facts.get("cost") or {}).get("pilot_steps")
    return [*told, f"pilots took {number(steps)} optimiser steps"] if told and steps else told


def moved(rows: Rows) -> list[str]:
    """Of each decision of one training, whether the mean strength over strata went up, down, or was held."""
    levels = [0.0, *(_mean(_strength(row)) for row in rows)]
    return [UP if now > before else DOWN if now < before else HELD for before, now in pairwise(levels)]


def _by_training(facts: Facts) -> dict[tuple[str, str], list[Facts]]:
    found: dict[tuple[str, str], list[Facts]] = {}
    for row in facts.get("decisions") or []:
        found.setdefault((str(row.get("arm", "")), str(row.get("seed", ""))), []).append(row)
    return found


def _arm(name: str, by_seed: Mapping[str, list[Facts]]) -> dict[str, Any]:
    return {
        "name": name,
        "plots": [plot for plot in (_strengths(name, by_seed), _gaps(name, by_seed)) if plot],
        "seeds": [{"seed": seed, "rows": [_row(row) for row in rows]} for seed, rows in by_seed.items()],
    }


def _strengths(name: str, by_seed: Mapping[str, list[Facts]]) -> dict[str, Any] | None:
    """Strength over steps, as stairs: what was decided holds until the next look."""
    series = []
    for seed, rows in by_seed.items():
        for nth, stratum in enumerate(_strata(rows)):
            series.append((stratum, seed, _stairs(_points(rows, list(map(_strength, rows)), nth))))
    return _plot("Strength", name, series)


def _gaps(name: str, by_seed: Mapping[str, list[Facts]]) -> dict[str, Any] | None:
    """How much worse control users are served than a probe of the training rows, and the target, over steps."""
    series = []
    for seed, rows in by_seed.items():
        for nth, stratum in enumerate(_strata(rows)):
            for key in ("gap", "target"):
                found = _points(rows, [_signals(row, key) for row in rows], nth)
                series.append((f"{key} {stratum}", seed, found))
    return _plot("Gap of control users to the probe, nats", name, series)


def _points(rows: Rows, figures: Sequence[Sequence[float]], nth: int) -> charts.Points:
    """(step, figure of stratum nth) of the looks that have both."""
    pairs = [(row.get("step"), of) for row, of in zip(rows, figures, strict=True) if row.get("signals")]
    return [(float(step), of[nth]) for step, of in pairs if step is not None and len(of) > nth]


def _signals(row: Facts, key: str) -> list[float]:
    """One figure of every stratum; none where any lacks it."""
    strata = (row.get("signals") or {}).get("strata") or []
    found = [one.get(key) for one in strata]
    return [float(one) for one in found] if all(isinstance(one, int | float) for one in found) else []


def _plot(title: str, name: str, series: Sequence[tuple[str, str, charts.Points]]) -> dict[str, Any] | None:
    long = [(_short(arm), seed, found) for arm, seed, found in series if len(found) > 1]
    return {"title": title, "svg": charts.curves(long, f"{title} of {name} by optimiser step")} if long else None


def _short(series: str) -> str:
    """All users together need no name of a stratum."""
    return series.removesuffix(" all") if series != "all" else "strength"


def _stairs(places: charts.Points) -> charts.Points:
    found: charts.Points = []
    for nth, (step, level) in enumerate(places):
        found += [(step, places[nth - 1][1])] if nth else []
        found.append((step, level))
    return found


def _strata(rows: Rows) -> list[str]:
    """Names of the strata, with what they are counted in."""
    signals: Facts = next((row["signals"] for row in rows if row.get("signals")), {})
    names = [str(one.get("stratum", "")) for one in signals.get("strata") or []]
    return names if names == ["all"] else [f"{name} events" for name in names]


def _row(row: Facts) -> dict[str, str]:
    everybody = "all" if any(_strength(row)) else NONE
    return {
        "step": number(row.get("step")),
        "strength": " · ".join(f"{level:.2f}" for level in _strength(row)) or NONE,
        "acts": str((row.get("decision") or {}).get("step") or everybody),
        "gap": " · ".join(f"{one:.3f}".replace("-", "−") for one in _signals(row, "gap")) or NONE,
        "control": " · ".join(f"{one:.3f}" for one in _signals(row, "control")) or NONE,
        "why": str(row.get("why", "")),
        "at": small_percent(float(row.get("progress") or 0.0)),
    }


def _strength(row: Facts) -> list[float]:
    """The strength of each stratum; its share of the counts where that alone is moved."""
    decision = row.get("decision") or {}
    pairs = zip(decision.get("strength") or [], decision.get("share") or [], strict=False)
    return [min(float(strength), float(share)) for strength, share in pairs]


def _mean(levels: Sequence[float]) -> float:
    return sum(levels) / len(levels) if levels else 0.0


def _flag(rows: Rows) -> str:
    return next((flag for row in rows if (flag := str((row.get("decision") or {}).get("flag") or ""))), "")
