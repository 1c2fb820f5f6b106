"""Metrics of synthetic rows: fidelity, diversity, consistency, memorization, privacy."""

from __future__ import annotations

from leaven.metrics.synthetic.protocol import Explained, Known, Sample, SampleMetric, Trait

__all__ = ["Explained", "Known", "Sample", "SampleMetric", "Trait"]
