"""Are made rows alike, varied, consistent, not copied, private? Every figure beside that of unseen real rows."""

from __future__ import annotations

from leaven.judging.beside import Beside
from leaven.judging.judgement import Figure, Gate, Judgement, Passed
from leaven.judging.procedure import judge
from leaven.judging.wish import Judging

__all__ = ["Beside", "Figure", "Gate", "Judgement", "Judging", "Passed", "judge"]
