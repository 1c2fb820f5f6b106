"""Steps of a run that differ between tasks: data preparation, checks and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven.config import Spec
from leaven.experiment import ctr_task, ranking_task
from leaven.experiment.evaluation_result import EvaluationResult

Timed = Callable[[str, Callable[[], Any]], Any]
"""Calls a part of a stage under a name, and records its seconds."""


class TaskSteps(Protocol):
    """A module of this folder. `parts` is a split with `.train`, `.valid`, `.test` and `.facts`."""

    def list_files(self, spec: Spec) -> list[str]:
        """Paths, globs and URLs of the data."""
        ...

    def prepare_parts(self, spec: Spec, timed: Timed) -> tuple[Any, dict[str, Any]]:
        """(what `save_parts` stores, facts of the data)."""
        ...

    def drop_users(self, prepared: Any, keys: npt.NDArray[np.uint64]) -> Any:
        """The prepared data without the users of these row ids."""
        ...

    def save_parts(self, prepared: Any, folder: Path) -> None: ...

    def load_parts(self, folder: Path) -> Any:
        """The parts."""
        ...

    def check_parts(self, spec: Spec, parts: Any) -> None:
        """Raises LeavenError where the spec does not suit the data, before anything is trained."""
        ...

    def evaluate_model(self, fitted: Any, parts: Any, evaluate: Any, seed: int) -> EvaluationResult:
        """Metrics of the test users. evaluate: the `[evaluate]` table of the spec."""
        ...

    def list_users(self, parts: Any) -> npt.NDArray[np.uint64]:
        """uint64 (users,): row ids of the users, in the order of the values of `evaluate_model`."""
        ...

    def group_users(self, parts: Any) -> Mapping[str, npt.NDArray[np.str_]]:
        """Name of a grouping -> the group of each user."""
        ...

    def build_extra_facts(self, spec: Spec, parts: Any, facts: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Further facts of the run. facts: those of all trainings."""
        ...


_TASKS: Mapping[str, TaskSteps] = {"ranking": ranking_task, "ctr": ctr_task}


def of(spec: Spec) -> TaskSteps:
    """The steps of a spec's task."""
    return _TASKS[spec.task]
