"""The contract of trackers, and the facts that they get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class RunStart:
    """A run begins. settings: dotted key of the resolved spec -> its value."""

    name: str
    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class StageEnd:
    """A stage is done: reading, rows of a variant, a training."""

    stage: str
    seconds: float


@dataclass(frozen=True)
class ValidationResult:
    """One validation of a training. series: variant and seed; values: name, such as loss or ndcg -> value."""

    series: str
    step: int
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunEnd:
    """A run ends. metrics: name -> value; artifacts: files of the run; status: "finished", or the error."""

    name: str
    status: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """What is reported at the end of a run."""

    end: RunEnd
    validations: tuple[ValidationResult, ...] = ()


class Tracker(Protocol):
    """What observes a run. Methods run in a separate thread; an error becomes one line of warning."""

    def on_run_start(self, facts: RunStart) -> None: ...
    def on_stage(self, facts: StageEnd) -> None: ...
    def on_validation(self, facts: ValidationResult) -> None: ...
    def on_run_end(self, facts: RunEnd) -> None: ...


def flatten_settings(table: object, name: str = "") -> dict[str, object]:
    """Dotted key -> value of everything in a resolved spec; variants and steps are numbered from 1.

    >>> flatten_settings({"split": {"kind": "time"}, "variant": [{"name": "crop"}]})
    {'split.kind': 'time', 'variant.1.name': 'crop'}
    """
    if isinstance(table, list | tuple) and any(isinstance(entry, Mapping) for entry in table):
        table = {str(number): entry for number, entry in enumerate(table, 1)}
    if not isinstance(table, Mapping):
        return {name: table}
    flat: dict[str, object] = {}
    for key, value in table.items():
        flat |= flatten_settings(value, f"{name}.{key}" if name else str(key))
    return flat
