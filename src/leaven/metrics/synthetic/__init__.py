"""Metrics of made rows: alike, varied, not copied, private."""

from __future__ import annotations

from leaven.metrics.synthetic.protocol import Explained, Known, Sample, SampleMetric, Trait

__all__ = ["Explained", "Known", "Sample", "SampleMetric", "Trait"]
