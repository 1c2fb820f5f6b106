"""The spec of a run: data, preparation, recommender, variants and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leaven import registry
from leaven.augmentation.plan import Plan
from leaven.cleaning import Clean
from leaven.config.build import families_of
from leaven.config.evaluation import Evaluate, EvaluateClicks
from leaven.ctr_features import Sampling
from leaven.errors import SpecError, nearest
from leaven.ingest.source_config import ItemSource
from leaven.protocols import (
    Filter,
    Generator,
    ImageGenerator,
    ImageTransform,
    Strategy,
    TableFilter,
    TableGenerator,
    TableStrategy,
    TableTransform,
    TextGenerator,
    TextTransform,
    Transform,
)
from leaven.quality import Judging

BASELINE, CONTROL = "baseline", "repeat"
"""Variants that always run: no plan; as many duplicated rows as the largest plan adds."""
VARIANTS, QUALITY = "arm", "judge"
"""Keys of the tables of variants and of the evaluation of synthetic rows."""


@dataclass(frozen=True)
class Task:
    """A prediction task, with the types that keys of its specs have.

    name                    as in `task = "…"`
    operator, copies, keep  protocols of `use`, `copies` and `keep` of a step; they give the registry families
    recommender, split      (registry family, default kind)
    evaluate                class of [evaluate]
    tables                  tables and keys that only this task has
    """

    name: str
    operator: Any
    copies: Any
    keep: Any
    recommender: tuple[str, str]
    split: tuple[str, str]
    evaluate: Any
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arm:
    """One plan under trial."""

    name: str
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True)
class Spec:
    """A whole run.

    data     a log (`Source`), or in task "clicks" a labelled table (`Labelled`)
    samples  task "clicks" with a log: how it becomes labelled rows
    rules    task "clicks": rules that every synthetic row must keep, for all steps without filters of their own
    judge    evaluation of synthetic and changed rows; None: off
    """

    name: str
    data: Any
    items: ItemSource | None = None
    clean: Clean = field(default_factory=Clean)
    split: Any = None
    recommender: Any = None
    evaluate: Any = None
    arms: tuple[Arm, ...] = ()
    seed: int = 7
    task: str = "ranking"
    samples: Sampling | None = None
    rules: tuple[str, ...] = ()
    judge: Judging | None = field(default_factory=Judging)

    def __post_init__(self) -> None:
        task = TASKS[self.task]
        for name, (family, kind) in (("split", task.split), ("recommender", task.recommender)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, registry.made(family, kind))
        if self.evaluate is None:
            object.__setattr__(self, "evaluate", task.evaluate())

    def arm(self, name: str) -> Arm:
        """The variant of a name.

        Raises SpecError that names the nearest.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise SpecError("variant", "a variant of the spec", repr(name), nearest(name, [arm.name for arm in self.arms]))


RANKING = Task(
    "ranking",
    Transform | Generator | TextTransform | TextGenerator | ImageTransform | ImageGenerator,
    Strategy,
    tuple[Filter, ...],
    ("recommenders", "transformer"),
    ("splits", "time"),
    Evaluate,
)

CLICKS = Task(
    "clicks",
    TableTransform | TableGenerator,
    TableStrategy,
    tuple[TableFilter, ...],
    ("click_models", "mlp"),
    ("sample_splits", "time"),
    EvaluateClicks,
    ("samples", "rules"),
)

TASKS: Mapping[str, Task] = {task.name: task for task in (RANKING, CLICKS)}


def repeat_of(spec: Spec) -> Any:
    """Config of the operator that duplicates rows, in the task of a spec."""
    return registry.made(families_of(TASKS[spec.task].operator)[0], "repeat")
