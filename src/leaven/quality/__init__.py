"""Quality evaluation of synthetic rows: fidelity, diversity, consistency, memorization, privacy."""

from __future__ import annotations

from leaven.modalities.modality import EvaluationContext
from leaven.quality.evaluate import evaluate_quality
from leaven.quality.quality_config import Gate, QualityConfig
from leaven.quality.quality_facts import Figure, GateResult, QualityFacts
from leaven.quality.row_comparison import write_rows_without_copies

__all__ = [
    "EvaluationContext",
    "Figure",
    "Gate",
    "GateResult",
    "QualityConfig",
    "QualityFacts",
    "evaluate_quality",
    "write_rows_without_copies",
]
