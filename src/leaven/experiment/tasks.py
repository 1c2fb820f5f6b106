"""What differs from task to task: how data is prepared, checked and judged? The rest of a run is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven.config import Spec
from leaven.experiment import ctr_task, ranking_task
from leaven.experiment.evaluation_result import Judged

Timed = Callable[[str, Callable[[], Any]], Any]
"""Runs a part of a stage under a name, and keeps its seconds."""


class Work(Protocol):
    """A module of this folder. `parts` have `.train`, `.valid`, `.test` and `.facts`."""

    def files(self, spec: Spec) -> list[str]:
        """Paths, globs and URLs of the data."""
        ...

    def made(self, spec: Spec, timed: Timed) -> tuple[Any, dict[str, Any]]:
        """(what `save` keeps, facts of the data)."""
        ...

    def without(self, made: Any, keys: npt.NDArray[np.uint64]) -> Any:
        """What was made, without the users of these keys."""
        ...

    def save(self, made: Any, folder: Path) -> None: ...

    def load(self, folder: Path) -> Any:
        """The parts."""
        ...

    def check(self, spec: Spec, parts: Any) -> None:
        """Raises DataError where the spec does not suit the data, before anything is trained."""
        ...

    def judge(self, fitted: Any, parts: Any, spec: Spec) -> Judged: ...

    def users(self, parts: Any) -> npt.NDArray[np.uint64]:
        """uint64 (users,): whose values `judge` gives, in that order."""
        ...

    def labels(self, parts: Any) -> Mapping[str, npt.NDArray[np.str_]]:
        """What users are grouped by -> the group of each."""
        ...

    def more(self, spec: Spec, parts: Any, facts: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Further parts of the run's facts; facts: those of all trainings."""
        ...


WORKS: Mapping[str, Work] = {"ranking": ranking_task, "clicks": ctr_task}


def of(spec: Spec) -> Work:
    """The work of a spec's task."""
    return WORKS[spec.task]
