"""Steps of a run that differ between tasks: data preparation, checks and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from leaven.augmentation import Plan
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.experiment import ctr_task, ranking_task
from leaven.experiment.evaluation_result import EvaluationResult
from leaven.experiment.prepared_data import PreparationConfig, TaskFacts, Timed
from leaven.facts import DataFacts, TrainingFacts

PreparedT = TypeVar("PreparedT")
PartsT = TypeVar("PartsT")
ModelT = TypeVar("ModelT", contravariant=True)
FittedT = TypeVar("FittedT", contravariant=True)
EvaluationT = TypeVar("EvaluationT", contravariant=True)


class TaskSteps(Protocol[PreparedT, PartsT, ModelT, FittedT, EvaluationT]):
    """A module of this folder. `parts` is a split with `.train`, `.valid`, `.test` and `.facts`; `evaluate` is the
    `[evaluate]` table of the spec."""

    def prepare_parts(self, config: PreparationConfig, timed: Timed) -> tuple[PreparedT, DataFacts]:
        """(what `save_parts` stores, facts of the data)."""
        ...

    def drop_users(self, prepared: PreparedT, keys: npt.NDArray[np.uint64]) -> PreparedT:
        """The prepared data without the users of these row ids."""
        ...

    def save_parts(self, prepared: PreparedT, folder: Path) -> None: ...

    def load_parts(self, folder: Path) -> PartsT:
        """The parts."""
        ...

    def get_catalog(self, parts: PartsT) -> Catalog | None:
        """The items; None where the task has none."""
        ...

    def get_unseen(self, parts: PartsT) -> Histories | Samples | None:
        """Complete rows of the control users; None where there are none."""
        ...

    def check_parts(
        self, parts: PartsT, recommender: ModelT, plans: Sequence[Plan], evaluate: EvaluationT, rules: Sequence[str]
    ) -> None:
        """Raises LeavenError where a plan, the evaluation or a rule does not suit the data, before anything is
        trained."""
        ...

    def evaluate_model(self, fitted: FittedT, parts: PartsT, evaluate: EvaluationT, seed: int) -> EvaluationResult:
        """Metrics of the test users."""
        ...

    def list_users(self, parts: PartsT) -> npt.NDArray[np.uint64]:
        """uint64 (users,): row ids of the users, in the order of the values of `evaluate_model`."""
        ...

    def group_users(self, parts: PartsT) -> Mapping[str, npt.NDArray[np.str_]]:
        """Name of a grouping -> the group of each user."""
        ...

    def build_task_facts(
        self, config: PreparationConfig, parts: PartsT, evaluate: EvaluationT, trainings: Sequence[TrainingFacts]
    ) -> TaskFacts:
        """Facts that only this task has. trainings: of the whole run."""
        ...


AnyTask = TaskSteps[Any, Any, Any, Any, Any]
_TASKS: Mapping[str, AnyTask] = {"ranking": ranking_task, "ctr": ctr_task}


def of(task: str) -> AnyTask:
    """The steps of a task."""
    return _TASKS[task]
