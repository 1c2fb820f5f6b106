"""Quality evaluation of synthetic rows: fidelity, diversity, consistency, memorization, privacy."""

from __future__ import annotations

from leaven.quality.context import EvaluationContext
from leaven.quality.evaluate import evaluate_quality
from leaven.quality.quality_config import QualityConfig
from leaven.quality.result import Figure, Gate, GateResult, Judgement

__all__ = ["EvaluationContext", "Figure", "Gate", "GateResult", "Judgement", "QualityConfig", "evaluate_quality"]
