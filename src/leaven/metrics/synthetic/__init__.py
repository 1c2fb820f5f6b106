"""Metrics of synthetic rows: fidelity, diversity, consistency, memorization, privacy."""

from __future__ import annotations

from leaven.metrics.synthetic.protocol import (
    ExplainableMetric,
    FeaturizedRows,
    MetricTraits,
    ReferenceData,
    SampleMetric,
)

__all__ = ["ExplainableMetric", "FeaturizedRows", "MetricTraits", "ReferenceData", "SampleMetric"]
