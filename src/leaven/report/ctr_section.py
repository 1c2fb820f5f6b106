"""The report's section about CTR predictions: calibration, thresholds, the popularity baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaven.report import charts
from leaven.stats.effect import format_metric_name, format_percent


def build_calibration_section(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The calibration plot, the thresholds, and what popularity alone reaches; None for other tasks."""
    found = facts.get("clicks") or {}
    variants = found.get("arms") or {}
    if not variants:
        return None
    return {
        "plot": {"title": "Predicted and observed share", "svg": _plot_calibration(variants)},
        "thresholds": [
            (name, ", ".join(f"{threshold:.3f}" for threshold in variant.get("thresholds", [])))
            for name, variant in variants.items()
        ],
        "positive_share": format_percent(float(found.get("positive_share") or 0.0), signed=False),
        "popularity": _describe_popularity(found.get("popularity") or {}, facts),
    }


def _plot_calibration(variants: Mapping[str, Any]) -> Any:
    series = [
        (name, [(predicted, observed) for predicted, observed, _ in variant.get("calibration", [])])
        for name, variant in variants.items()
    ]
    alt_text = (
        f"Share of positives by mean predicted CTR, {len(series)} variants; a calibrated model is on the diagonal"
    )
    return charts.draw_calibration(series, "mean predicted CTR", "share of positives", alt_text)


def _describe_popularity(found: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str] | None:
    metric = str((facts.get("comparison") or {}).get("metric", ""))
    if metric not in found:
        return None
    return {
        "column": str(found.get("column", "")),
        "metric": format_metric_name(metric),
        "value": f"{found[metric]:.4f}",
    }
