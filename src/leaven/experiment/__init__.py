"""Experiments from a spec to a run folder: clean, split, expand, train each variant, compare and report."""

from __future__ import annotations

from leaven.experiment.run import expand_arm, outline, preview_arms, run

__all__ = ["expand_arm", "outline", "preview_arms", "run"]
