"""How is a log or a ready table prepared for click prediction, and how are predicted chances judged?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.cleaning import clean
from leaven.config import Spec
from leaven.ctr_features import Labelled, SampleParts, look, read_labelled
from leaven.datasets.events import Events
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.experiment import adaptive_training
from leaven.experiment.evaluation_result import Judged
from leaven.filters.rules import Rules
from leaven.ingest import order, read
from leaven.metrics.ctr.ctr_metrics import best_threshold, calibration
from leaven.metrics.ctr.ctr_names import parse_all
from leaven.metrics.ctr.ctr_segments import row_groups
from leaven.profiling.log_statistics import health
from leaven.protocols import FittedClickModel, Training
from leaven.registry import made as made_wish
from leaven.run_folder import read_json, write_json

Timed = Callable[[str, Callable[[], Any]], Any]
_FACTS = "parts.json"
CURVE_GROUPS = 10
"""Groups of about equal size in the plot of calibration."""
_POPULAR = "item_events_30d"


def files(spec: Spec) -> list[str]:
    """The log and the table of the items, or the ready table."""
    if isinstance(spec.data, Labelled):
        return [str(spec.data.labelled)]
    return [str(spec.data.interactions), *([str(spec.items.items)] if spec.items else [])]


def made(spec: Spec, timed: Timed) -> tuple[SampleParts, dict[str, Any]]:
    """Labelled rows in three parts; what is odd about those that teach is told and kept."""
    parts, facts = _of_table(spec, timed) if isinstance(spec.data, Labelled) else _of_log(spec, timed)
    odd = timed("looking for leaks", lambda: look(parts.train))
    for one in odd:
        timed(f"careful: {one.words}", lambda: None)
    return parts, facts | {"split": dict(parts.facts), "oddities": [asdict(one) for one in odd]}


def _of_table(spec: Spec, timed: Timed) -> tuple[SampleParts, dict[str, Any]]:
    rows: Samples = timed("reading the table", lambda: read_labelled(spec.data))
    parts = timed("split", lambda: spec.split.of_table(rows, rng.key(spec.seed, "split")))
    return parts, {"reading": dict(rows.facts) | {"numbers": len(rows.numeric), "categories": len(rows.categorical)}}


def _of_log(spec: Spec, timed: Timed) -> tuple[SampleParts, dict[str, Any]]:
    events: Events = timed("reading the log", lambda: read(spec.data, items=spec.items))
    cleaned = timed("cleaning", lambda: clean(events, spec.clean))
    found = timed("health of the log", lambda: health(order(cleaned.events).histories))
    key = rng.key(spec.seed, "samples")
    parts = timed("sampling rows", lambda: spec.split.of_log(cleaned.events, spec.samples, key))
    return parts, {"reading": dict(events.facts), "cleaning": list(cleaned.rules), "health": found}


def save(made: SampleParts, folder: Path) -> None:
    """A file a part, and their facts."""
    made.save(folder)
    write_json(folder / _FACTS, dict(made.facts))


def without(made: SampleParts, keys: npt.NDArray[np.uint64]) -> SampleParts:
    """The same without the rows of these users."""
    kept: dict[str, Any] = {name: rows.take(~np.isin(rows.users, keys)) for name, rows in made.named.items()}
    return replace(made, **kept)


def load(folder: Path) -> SampleParts:
    """What `save` wrote."""
    return SampleParts.load(folder, read_json(folder / _FACTS, "run again with --resume"))


def check(spec: Spec, parts: SampleParts) -> None:
    """Raises SpecError for rules of columns that are not there, DataError for rules that real rows break; LeavenError
    for plans that the click model cannot serve."""
    for arm in spec.arms:
        adaptive_training.check(arm.plan, spec.recommender, parts)
    kept = Rules(spec.rules).fit(parts.train)(parts.train)
    if kept.refused:
        said = ", ".join(f"{count:,} break {rule!r}" for rule, count in kept.refused.items())
        raise DataError("rules", "rules that every real training row keeps", said, "correct the rule, or clean the log")


def judge(fitted: FittedClickModel, parts: SampleParts, spec: Spec) -> Judged:
    """Chances of the test rows by every metric; the threshold is that of the best F1 on the validation rows."""
    test, valid = parts.test, parts.valid
    chance = fitted.predict(test)
    threshold = best_threshold(valid.label.astype(np.float64), fitted.predict(valid))
    label, named = test.label.astype(np.float64), parse_all(spec.evaluate.metrics)
    metrics = {name: one.metric(threshold) for name, one in named.items()}
    values = {name: metrics[name].of_users(label, chance, test.users) for name, one in named.items() if one.per_user}
    pooled = {name: metrics[name](label, chance, users=test.users) for name, one in named.items() if not one.per_user}
    groups = {}
    for by, groups_of in row_groups(test, parts.train).items():
        for group in np.unique(groups_of):
            mine = groups_of == group
            found = metrics[spec.evaluate.metrics[0]].of_users(label[mine], chance[mine], test.users[mine])
            if np.isfinite(found).all():
                groups[by, str(group)] = found
    return Judged(values, pooled, groups, {"threshold": threshold, "calibration": _curve(label, chance)})


def _curve(label: npt.NDArray[np.float64], chance: npt.NDArray[np.float64]) -> list[list[float]]:
    """(mean chance, share of positives, rows) of each group."""
    _, said, happened, size = calibration(label, chance, groups=CURVE_GROUPS)
    return [[round(x, 5) for x in one] for one in zip(said.tolist(), happened.tolist(), size.tolist(), strict=True)]


def users(parts: SampleParts) -> npt.NDArray[np.uint64]:
    """The users of the test rows, in the order of their keys."""
    return np.unique(parts.test.users)


def labels(parts: SampleParts) -> Mapping[str, npt.NDArray[np.str_]]:
    """Users are not grouped as a whole: their rows are (`row_groups`)."""
    return {}


def more(spec: Spec, parts: SampleParts, facts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Thresholds and calibration of every arm, and what popularity alone would reach."""
    arms: dict[str, dict[str, Any]] = {}
    for one in facts:
        mine = arms.setdefault(str(one["arm"]), {"thresholds": [], "calibration": one["calibration"]})
        mine["thresholds"].append(one["threshold"])
    found: dict[str, Any] = {"arms": arms, "positive_share": float(parts.test.label.mean())}
    if _POPULAR in parts.train.numeric:
        popular = made_wish("click_models", "popularity", {"column": _POPULAR}).fit(parts.train, Training())
        judged = judge(popular, parts, spec)
        values = {name: float(one.mean()) for name, one in judged.values.items() if np.isfinite(one).all()}
        found["popularity"] = {"column": _POPULAR, **values}
    return {"clicks": found}
