"""Experiments from a spec to a run folder: clean, split, expand, train each variant, compare and report."""

from __future__ import annotations

from leaven.experiment.run import describe_run, expand_variant, preview_variants, run

__all__ = ["describe_run", "expand_variant", "preview_variants", "run"]
