"""Trackers of runs: MLflow, TensorBoard, Weights & Biases, SwanLab, or any Python function.

A tracker runs in a separate thread behind a bounded queue: it never blocks or fails a run. Without an address,
trackers write to local folders.
"""

from leaven import registry
from leaven.tracking.background import RunTracking
from leaven.tracking.contract import RunEnd, RunStart, StageEnd, Tracker, ValidationResult

__all__ = ["RunEnd", "RunStart", "RunTracking", "StageEnd", "Tracker", "ValidationResult"]


def __getattr__(name: str) -> type:
    return registry.load_class(__name__, name)


def __dir__() -> list[str]:
    return sorted([*__all__, *registry.list_classes(__name__)])
