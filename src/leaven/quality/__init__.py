"""Are made rows alike, varied, consistent, not copied, private? Every figure beside that of unseen real rows."""

from __future__ import annotations

from leaven.quality.context import Beside
from leaven.quality.evaluate import judge
from leaven.quality.quality_config import Judging
from leaven.quality.result import Figure, Gate, Judgement, Passed

__all__ = ["Beside", "Figure", "Gate", "Judgement", "Judging", "Passed", "judge"]
