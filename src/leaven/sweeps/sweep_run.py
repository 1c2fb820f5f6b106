"""How does a family of arms become a curve?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import epoch_rows, load
from leaven.config import Spec
from leaven.config import load as load_spec
from leaven.config.experiment_spec import BASELINE
from leaven.datasets.histories import REAL
from leaven.experiment import evaluation_result, tasks
from leaven.experiment import run as run_arms
from leaven.progress import Tell, quiet
from leaven.protocols import Engine
from leaven.report.html import write as write_page
from leaven.run_folder import FACTS, REPORT, Run, write_json
from leaven.stats import Question
from leaven.stats.effect import percent, shown
from leaven.sweeps import grid as families
from leaven.sweeps.grid import Family
from leaven.sweeps.knee import begins_to_hurt, knee
from leaven.sweeps.row_fidelity import Likeness, ruler

HALF = 0.5
"""Progress of the epoch whose rows are held against real ones, where steps make fresh ones in each."""


def dose(
    spec: Spec | str | Path,
    arm: str,
    doses: Sequence[float],
    out: str | Path,
    resume: bool = False,
    engine: Engine | None = None,
    tell: Tell = quiet,
    at_once: int = 1,
) -> Run:
    """The effect of an arm over the number of rows that it adds: 0, half, as many, twice as many copies …

    Every dose is an arm of one run, so that a killed one goes on with `resume`, and `at_once` trains several. The facts
    have a part "study": points with intervals, the best dose, the first one beyond it that is worse, and the report
    shows them.

    Raises SpecError for an arm that adds no rows; whatever `run` raises.
    """
    wish = spec if isinstance(spec, Spec) else load_spec(spec)
    return _studied(families.doses(wish, arm, doses), Path(out), resume, engine, tell, at_once)


def sweep(
    spec: Spec | str | Path,
    vary: str,
    out: str | Path,
    resume: bool = False,
    engine: Engine | None = None,
    tell: Tell = quiet,
    at_once: int = 1,
) -> Run:
    """Effect and likeness along the values of one field of one step: "arm.NAME.step.0.FIELD=0,0.1,0.3".

    Likeness is how well a classifier tells made rows from real ones of users kept apart. Every value is an arm of one
    run, so that a killed one goes on with `resume`, and `at_once` trains several.

    Raises SpecError for what is not there or is no number; whatever `run` raises.
    """
    wish = spec if isinstance(spec, Spec) else load_spec(spec)
    return _studied(families.varied(wish, vary), Path(out), resume, engine, tell, at_once)


def _studied(family: Family, out: Path, resume: bool, engine: Engine | None, tell: Tell, at_once: int) -> Run:
    run = run_arms(family.spec, out, resume, engine, tell, at_once)
    facts = run.facts()
    tell(0, 0, "the curve")
    facts["study"] = curve(run, family, facts)
    write_json(run.folder / FACTS, facts)
    write_page(run.folder / FACTS, run.folder / REPORT)
    tell(1, 1, "the curve")
    return run


def curve(run: Run, family: Family, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The part "study" of the facts: a point a value, the best one, where more hurts, the knees, and words."""
    alike, said = _likeness(run, family)
    points = [_point(family, place, facts, alike) for place in range(len(family.values))]
    study: dict[str, Any] = {
        "arm": family.arm,
        "what": family.what,
        "metric": facts["comparison"]["metric"],
        "x": "rows added, as a multiple of the real ones" if family.what == "dose" else family.what,
        "points": points,
    }
    study |= _turns(run, family, points, facts)
    study["knees"] = {name: _knee(points, name) for name in ("lift", "auc")}
    study["real_auc"] = said if isinstance(said, dict) else None
    return study | {"words": _words(study, said if isinstance(said, str) else "")}


def _point(family: Family, place: int, facts: Mapping[str, Any], alike: Mapping[str, Likeness]) -> dict[str, Any]:
    name, value = family.names[place], family.values[place]
    arms: dict[str, Any] = {one["name"]: one for one in facts["arms"]}
    arm = arms.get(name, {})  # there is none of the baseline, which makes nothing
    new, real = int(arm.get("rows_new", 0)), max(int(arm.get("rows_real", 0)), 1)
    point = {"arm": name, "value": families.shown(value), "rows_new": new, "added": round(new / real, 4)}
    point["x"] = point["added"] if family.what == "dose" else _number(value)
    point |= _effect(name, facts)
    if name in alike:
        found = alike[name]
        point |= {"auc": found.auc, "auc_low": found.low, "auc_high": found.high}
    return point


def _number(value: families.Value) -> float:
    """Where a value stands on the axis: a pair at its middle."""
    return float(sum(value) / 2) if isinstance(value, tuple) else float(value)


def _effect(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one arm against the baseline, which is 0 away from itself."""
    comparison = facts["comparison"]
    if name == BASELINE:
        return {"mean": comparison["means"][BASELINE], "lift": 0.0, "low": 0.0, "high": 0.0, "verdict": ""}
    found = next(one for one in comparison["effects"] if one["arm"] == name)
    return {key: found[key] for key in ("mean", "lift", "low", "high", "p_holm", "verdict")}


def _turns(
    run: Run, family: Family, points: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> dict[str, int | None]:
    comparison = facts["comparison"]
    metric, smallest = comparison["metric"], comparison["smallest_lift"]
    values = {name: _values(run, name, metric, family.spec.evaluate.seeds) for name in family.names}
    question = Question(metric, smallest, rng.key(family.spec.seed, "study"))
    best, hurts = begins_to_hurt(values, family.names, question)
    return {"best": best, "hurts": hurts}


def _values(run: Run, arm: str, metric: str, trainings: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """float64 (seeds, users)."""
    found = []
    for seed in range(1, trainings + 1):
        found.append(evaluation_result.load(run.fit(arm, seed) / "values.npz")[0][metric])
    return np.stack(found)


def _knee(points: Sequence[Mapping[str, Any]], name: str) -> int | None:
    there = [place for place, point in enumerate(points) if point.get(name) is not None]
    low, high = ("low", "high") if name == "lift" else ("auc_low", "auc_high")
    x, y = ([float(points[place][key]) for place in there] for key in ("x", name))
    found = knee(x, y, [(points[place][high] - points[place][low]) / 2 for place in there])
    return None if found is None else there[found]


def _likeness(run: Run, family: Family) -> tuple[dict[str, Likeness], dict[str, float] | str]:
    """(arm -> likeness of its made rows, what real rows get or why there is nothing)."""
    split: Any = tasks.of(family.spec).load_parts(run.data)
    held = ruler(split, family.spec.seed)
    if isinstance(held, str):
        return {}, held
    found = {}
    for arm in family.spec.arms:
        once = load(run.arm(arm.name) / "expanded", arm.plan, split.train)
        rows: Any = epoch_rows(split.train, once, arm.plan, family.spec.seed)(0, HALF)
        alike = held.measure(rows.take(np.flatnonzero(rows.origin != REAL)))
        if alike is not None:
            found[arm.name] = alike
    real = held.ordinary
    return found, {"auc": real.auc, "low": real.low, "high": real.high}


def _words(study: Mapping[str, Any], missing: str) -> list[str]:
    """What the curve says, and what it does not."""
    points, metric = study["points"], shown(study["metric"])
    if len({(point["mean"], point["rows_new"]) for point in points}) == 1:
        return [f"Every value gave the same rows and figures: {study['what']} changes nothing in this arm."]
    best = points[study["best"]]
    what = "dose" if study["what"] == "dose" else study["what"]
    said = [f"The highest {metric} is at {what} {best['value']}: {_lift(best)}."]
    if study["hurts"] is not None:
        worse = points[study["hurts"]]
        said.append(f"More begins to hurt at {worse['value']}: shown to be worse than {best['value']}.")
    elif study["best"] < len(points) - 1:
        said.append(f"No value beyond {best['value']} is shown to be worse: more data or seeds would tell.")
    else:
        said.append("The highest value tried is the best: the curve may go on.")
    for name, words in (("lift", "effect"), ("auc", "likeness")):
        if (place := study["knees"][name]) is not None:
            said.append(f"The {words} bends at {points[place]['value']}.")
    if study["real_auc"]:
        said.append(
            f"A classifier tells training rows from other real ones by {study['real_auc']['auc']:.2f} (0.5: not)."
        )
    return [*said, missing] if missing else said


def _lift(point: Mapping[str, Any]) -> str:
    if point["verdict"] == "":
        return "no new rows at all"
    interval = f"95 % interval {percent(point['low'])} to {percent(point['high'])}"
    return f"{percent(point['lift'])}, {interval}, {point['verdict']}"
