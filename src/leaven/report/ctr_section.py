"""How do predicted chances stand to what happened, and from which chance on is a row said to be positive?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaven.report import charts
from leaven.stats.effect import percent, shown


def chances(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The plot of calibration, the thresholds, and what popularity alone reaches; None where nothing was clicked."""
    found = facts.get("clicks") or {}
    arms = found.get("arms") or {}
    if not arms:
        return None
    return {
        "plot": {"title": "Said and happened", "svg": _calibration(arms)},
        "thresholds": [(arm, ", ".join(f"{one:.3f}" for one in of.get("thresholds", []))) for arm, of in arms.items()],
        "positive_share": percent(float(found.get("positive_share") or 0.0), signed=False),
        "popularity": _popularity(found.get("popularity") or {}, facts),
    }


def _calibration(arms: Mapping[str, Any]) -> Any:
    series = [(arm, [(said, happened) for said, happened, _ in of.get("calibration", [])]) for arm, of in arms.items()]
    told = f"Share of positives by mean predicted chance, {len(series)} arms; the diagonal is a model that is right"
    return charts.against_diagonal(series, "mean predicted chance", "share that happened", told)


def _popularity(found: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str] | None:
    metric = str((facts.get("comparison") or {}).get("metric", ""))
    if metric not in found:
        return None
    return {"column": str(found.get("column", "")), "metric": shown(metric), "value": f"{found[metric]:.4f}"}
