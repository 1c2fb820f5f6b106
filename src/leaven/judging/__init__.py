"""Are made rows alike, varied, not copied, private? Every figure beside the same figure of unseen real rows."""

from __future__ import annotations

from leaven.judging.judgement import Figure, Gate, Judgement, Passed
from leaven.judging.procedure import judge

__all__ = ["Figure", "Gate", "Judgement", "Passed", "judge"]
