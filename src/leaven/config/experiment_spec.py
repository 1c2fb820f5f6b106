"""The spec of a run: data, preparation, recommender, variants and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leaven import registry
from leaven.cleaning import CleaningConfig
from leaven.config.build import list_operator_families
from leaven.config.evaluation import CtrEvaluationConfig, EvaluationConfig
from leaven.config.variants import SearchConfig, Variant
from leaven.ctr_features import SamplingConfig
from leaven.errors import SpecError, suggest_name
from leaven.ingest.source_config import CatalogSource, UserSource
from leaven.modalities import get_modality
from leaven.quality import QualityConfig
from leaven.tracking import Tracker
from leaven.translation import ENGLISH

BASELINE, CONTROL = "baseline", "repeat"
"""Variants that always run: no plan; as many duplicated rows as the largest plan adds."""
VARIANTS, QUALITY, TRACKING, AUTO = "variant", "quality", "tracking", "auto"
"""Keys of the tables of variants, of the evaluation of synthetic rows, of trackers, and of a plan search."""


@dataclass(frozen=True)
class Task:
    """A prediction task, with the types that keys of its specs have.

    name                as in `task = "…"`
    modality            name of the modality of the rows that steps change
    recommender, split  (registry family, default kind)
    evaluate            class of [evaluate]
    tables              tables and keys that only this task has
    """

    name: str
    modality: str
    recommender: tuple[str, str]
    split: tuple[str, str]
    evaluate: Any
    tables: tuple[str, ...] = ()

    @property
    def operator_families(self) -> tuple[str, ...]:
        """Registry families of `use` in a step."""
        return list_operator_families(self.name)

    @property
    def step_families(self) -> Mapping[str, tuple[str, ...]]:
        """Key of a step -> registry families of its values."""
        families = get_modality(self.modality).families
        own = {"copies": families.strategies, "filters": families.filters}
        return {key: (family.name,) for key, family in own.items() if family} | {"strength": ("schedules",)}


@dataclass(frozen=True)
class Spec:
    """A whole run.

    data     a log (`LogSource`), or in task "ctr" a labelled table (`LabeledTable`)
    samples  task "ctr" with a log: how it becomes labelled rows
    rules    task "ctr": rules that every synthetic row must keep, for all steps without filters of their own
    quality  evaluation of synthetic and changed rows; None: off
    tracking  what observes the run; None: nothing. It does not shape results, and `resolve_spec` leaves it out
    lang      language of the report and of the verdict, as `tracking`
    auto      settings of a plan search with this spec (`leaven auto`); None: its defaults. A run does not read them
    """

    name: str
    data: Any
    items: CatalogSource | None = None
    users: UserSource | None = None
    clean: CleaningConfig = field(default_factory=CleaningConfig)
    split: Any = None
    recommender: Any = None
    evaluate: Any = None
    variants: tuple[Variant, ...] = ()
    seed: int = 7
    task: str = "ranking"
    samples: SamplingConfig | None = None
    rules: tuple[str, ...] = ()
    quality: QualityConfig | None = field(default_factory=QualityConfig)
    tracking: Tracker | None = field(default=None, compare=False)
    lang: str = field(default=ENGLISH, compare=False)
    auto: SearchConfig | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        task = TASKS[self.task]
        for name, (family, kind) in (("split", task.split), ("recommender", task.recommender)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, registry.create_config(family, kind))
        if self.evaluate is None:
            object.__setattr__(self, "evaluate", task.evaluate())

    def variant(self, name: str) -> Variant:
        """The variant of a name; "" is the only variant.

        Raises SpecError that names the nearest.
        """
        if not name:
            if len(self.variants) == 1:
                return self.variants[0]
            fix = f"name one: {', '.join(repr(variant.name) for variant in self.variants)}"
            raise SpecError("variant", "a name, where a spec has several variants", "none", fix)
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise SpecError(
            "variant",
            "a variant of the spec",
            repr(name),
            suggest_name(name, [variant.name for variant in self.variants]),
        )


RANKING = Task(
    "ranking",
    "sequence",
    ("recommenders", "transformer"),
    ("splits", "time"),
    EvaluationConfig,
)

CTR = Task(
    "ctr",
    "tabular",
    ("ctr_models", "mlp"),
    ("sample_splits", "time"),
    CtrEvaluationConfig,
    ("samples", "rules"),
)

TASKS: Mapping[str, Task] = {task.name: task for task in (RANKING, CTR)}


def build_repeat(spec: Spec) -> Any:
    """Config of the operator that duplicates rows, in the task of a spec."""
    return registry.create_config(TASKS[spec.task].operator_families[0], "repeat")
