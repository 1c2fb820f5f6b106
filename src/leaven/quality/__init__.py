"""Quality evaluation of synthetic rows: fidelity, diversity, consistency, memorization, privacy."""

from __future__ import annotations

from leaven.quality.context import Beside
from leaven.quality.evaluate import judge
from leaven.quality.quality_config import Judging
from leaven.quality.result import Figure, Gate, Judgement, Passed

__all__ = ["Beside", "Figure", "Gate", "Judgement", "Judging", "Passed", "judge"]
