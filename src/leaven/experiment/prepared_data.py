"""What the stages of a run share about its data: the settings that shape them, and the prepared parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from leaven.cleaning import CleaningConfig
from leaven.config import Spec
from leaven.ctr_features import LabeledTable, SampleSplit, SamplingConfig
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.facts import CtrFacts, DataFacts
from leaven.ingest.source_config import CatalogSource, LogSource, UserSource
from leaven.splits.log_splits import Split

T = TypeVar("T")


class Timed(Protocol):
    """Calls a part of a stage under a name, and records its seconds."""

    def __call__(self, description: str, work: Callable[[], T], /) -> T: ...


@dataclass(frozen=True)
class PreparationConfig:
    """The part of a spec that shapes the data. samples: how a log becomes labeled rows, in a CTR task."""

    source: LogSource | LabeledTable
    items: CatalogSource | None
    users: UserSource | None
    clean: CleaningConfig
    split: Any
    samples: SamplingConfig | None
    seed: int

    @classmethod
    def from_spec(cls, spec: Spec) -> PreparationConfig:
        """The settings of a spec."""
        return cls(spec.data, spec.items, spec.users, spec.clean, spec.split, spec.samples, spec.seed)

    def list_sources(self) -> list[str]:
        """Paths, globs and URLs of the data: the log and the tables of items and users, or the labeled table."""
        if isinstance(self.source, LabeledTable):
            return [str(self.source.labeled)]
        options = self.source.options
        given = [path for path in (options.valid, options.test) if path]
        tables = [str(table.location) for table in (self.items, self.users) if table is not None]
        return [str(self.source.interactions), *given, *tables]


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Prepared data of a run.

    split        its parts: histories, or samples of a CTR task
    catalog      the items; None where the task has none
    unseen       complete rows of the control users, which nothing is fitted on; None where there are none
    facts        reading, cleaning, statistics, split
    fingerprint  of the data and of all settings that shaped them
    seconds      part of the preparation -> its seconds
    """

    split: Split | SampleSplit
    catalog: Catalog | None
    unseen: Histories | Samples | None
    facts: DataFacts
    fingerprint: str
    seconds: Mapping[str, float]

    @property
    def train(self) -> Histories | Samples:
        """The training rows: histories or samples."""
        return self.split.train


@dataclass(frozen=True)
class TaskFacts:
    """Facts of a run that only its task has. best_possible: value of the deciding metric for a model that knows the
    simulation; None for other logs. skipped_groupings: groupings of rows whose groups have too few users."""

    best_possible: float | None = None
    ctr: CtrFacts | None = None
    skipped_groupings: tuple[str, ...] = ()
