"""From a spec to a run folder: cleaned, split, augmented, expanded, trained with and without, compared, reported."""

from __future__ import annotations

from leaven.experiment.run import expand_arm, outline, preview_arms, run

__all__ = ["expand_arm", "outline", "preview_arms", "run"]
