"""Sweeps: one variant with many values of one field, in one run, with effect and fidelity as curves.

`variant.NAME.copies=0,0.5,1,2` varies the number of synthetic rows, `variant.NAME.step.0.FIELD=…` any number of a step.
"""

from __future__ import annotations

from leaven.sweeps.sweep_run import run_sweep

__all__ = ["run_sweep"]
