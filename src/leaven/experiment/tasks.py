"""Steps of a run that differ between tasks: data preparation, checks and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven.augmentation import Plan
from leaven.datasets.catalog import Catalog
from leaven.experiment import ctr_task, ranking_task
from leaven.experiment.evaluation_result import EvaluationResult
from leaven.experiment.prepared_data import PreparationConfig, TaskFacts, Timed
from leaven.facts import DataFacts, TrainingFacts


class TaskSteps(Protocol):
    """A module of this folder. `parts` is a split with `.train`, `.valid`, `.test` and `.facts`; `evaluate` is the
    `[evaluate]` table of the spec."""

    def prepare_parts(self, config: PreparationConfig, timed: Timed) -> tuple[Any, DataFacts]:
        """(what `save_parts` stores, facts of the data)."""
        ...

    def drop_users(self, prepared: Any, keys: npt.NDArray[np.uint64]) -> Any:
        """The prepared data without the users of these row ids."""
        ...

    def save_parts(self, prepared: Any, folder: Path) -> None: ...

    def load_parts(self, folder: Path) -> Any:
        """The parts."""
        ...

    def get_catalog(self, parts: Any) -> Catalog | None:
        """The items; None where the task has none."""
        ...

    def get_unseen(self, parts: Any) -> Any:
        """Complete rows of the control users; None where there are none."""
        ...

    def check_parts(
        self, parts: Any, recommender: Any, plans: Sequence[Plan], evaluate: Any, rules: Sequence[str]
    ) -> None:
        """Raises LeavenError where a plan, the evaluation or a rule does not suit the data, before anything is
        trained."""
        ...

    def evaluate_model(self, fitted: Any, parts: Any, evaluate: Any, seed: int) -> EvaluationResult:
        """Metrics of the test users."""
        ...

    def list_users(self, parts: Any) -> npt.NDArray[np.uint64]:
        """uint64 (users,): row ids of the users, in the order of the values of `evaluate_model`."""
        ...

    def group_users(self, parts: Any) -> Mapping[str, npt.NDArray[np.str_]]:
        """Name of a grouping -> the group of each user."""
        ...

    def build_task_facts(
        self, config: PreparationConfig, parts: Any, evaluate: Any, trainings: Sequence[TrainingFacts]
    ) -> TaskFacts:
        """Facts that only this task has. trainings: of the whole run."""
        ...


_TASKS: Mapping[str, TaskSteps] = {"ranking": ranking_task, "ctr": ctr_task}


def of(task: str) -> TaskSteps:
    """The steps of a task."""
    return _TASKS[task]
