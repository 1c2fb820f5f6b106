"""Metrics of synthetic rows: fidelity, diversity, consistency, memorization, privacy."""

from __future__ import annotations

from leaven.metrics.synthetic.protocol import (
    ExplainableMetric,
    FeaturizedRows,
    MetricDetails,
    MetricTraits,
    ReferenceData,
    SampleMetric,
)

__all__ = ["ExplainableMetric", "FeaturizedRows", "MetricDetails", "MetricTraits", "ReferenceData", "SampleMetric"]
