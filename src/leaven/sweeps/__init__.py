"""What does more of it do? One arm with many values of one thing, in one run.

dose    more and fewer rows: where does more begin to hurt?
sweep   any number of any step: effect and likeness along its values
"""

from __future__ import annotations

from leaven.sweeps.sweep_run import dose, sweep

__all__ = ["dose", "sweep"]
