"""The descriptor of a modality, and the types that its parts exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.facts import ImageExample, TextExample, UnreadableFiles
from leaven.ingest.source_config import CatalogSource
from leaven.metrics.synthetic import FeaturizedRows
from leaven.modalities.featurization import FeatureInfo, Featurizer
from leaven.modalities.histograms import Distribution
from leaven.protocols import FittedRecommender, RngKeys

if TYPE_CHECKING:
    from leaven.nn.inception import ImageFeatureExtractor


class RowSet(Protocol):
    """Rows of any modality."""

    def __len__(self) -> int: ...

    def take(self, indices: npt.NDArray[np.int64], /) -> Self: ...


R = TypeVar("R", bound=RowSet)
Ints = npt.NDArray[np.int64]
ItemValues = list[Any]
"""One value per item: a text, or uint8 (height, width, 3); None where an item has no image."""
Notes = dict[str, int | tuple[str, ...]]
"""What reading recorded: counts, and lists of names."""
ROWS_WITHOUT_COPIES = "new-without-copies"
"""File of the new rows that copy no real row, without its suffix."""
ROLES = ("real", "held-out", "new")


@dataclass(frozen=True, eq=False)
class EvaluationContext:
    """Optional inputs of a quality evaluation.

    items           sequences: the catalog, or for logs the location of the table of items; for names and consistency
    recommender     sequences: one fitted on the real rows only, over the same dense ids; it is not changed
    column          texts and images: the column of a table with the texts, or the image files
    label, caption  images: the columns of a table with the label and the description of each image
    encoder         images: a file of Inception weights, for FID, or of another network (TorchScript)
    """

    items: Catalog | CatalogSource | None = None
    recommender: FittedRecommender | None = None
    column: str = ""
    label: str = ""
    caption: str = ""
    encoder: str | Path | ImageFeatureExtractor | None = None


NO_CONTEXT = EvaluationContext()


@dataclass(frozen=True, eq=False)
class QualityInputs(Generic[R]):
    """The three sets of rows of a quality evaluation, over one catalog or the same columns.

    modality  name of their modality
    names     names of the real and of the new rows; None: rows are named by their index
    is_log    whether histories came as logs, with original ids
    """

    modality: str
    real: R
    held_out: R
    new: R
    notes: Notes = field(default_factory=dict)
    names: tuple[Sequence[str], Sequence[str]] | None = None
    is_log: bool = False


@dataclass(frozen=True, eq=False)
class ComparedSides(Generic[R]):
    """Rows of the three sides (training, held out, new), their featurized samples, and the description of the
    features.
    """

    rows: tuple[R, R, R]
    samples: tuple[FeaturizedRows, FeaturizedRows, FeaturizedRows]
    info: FeatureInfo


def has_no_clock(rows: Any) -> bool:
    """For modalities without times."""
    return False


@dataclass(frozen=True)
class RowQuality(Generic[R]):
    """How rows of a modality are read, featurized, shown and written in a quality evaluation.

    context_fields  fields of `EvaluationContext` that it uses
    owns            whether a source certainly holds such rows; resembles: whether it probably does
    read            (real, held-out and new source, context) -> checked inputs; raises DataError
    hash_rows       content of each row as uint64 (rows,)
    fit_featurizer  (training rows, fold, key, context) -> featurizer
    describe        marginal distributions of the three sides
    format_row      (rows, index) -> its parts as text: items, cells or words
    find_copies     (new, real) -> int64 (new rows,): training row that each new row copies, -1 for none
    write_rows      (rows, inputs that they come from, folder) -> path of the written file
    residual_unit   what one surprisal belongs to, "event" or "word"; "": the residuals are no surprisals
    load_image      (rows, index) -> uint8 (height, width, 3), for rows that are shown as images
    has_clock       whether the times of rows are timestamps
    """

    owns: Callable[[Any], bool]
    resembles: Callable[[Any], bool]
    read: Callable[[Sequence[Any], EvaluationContext], QualityInputs[R]]
    hash_rows: Callable[[R], npt.NDArray[np.uint64]]
    fit_featurizer: Callable[[R, R, int, EvaluationContext], Featurizer]
    describe: Callable[[ComparedSides[R]], list[Distribution | None]]
    format_row: Callable[[R, int], list[str]]
    find_copies: Callable[[R, R], Ints]
    write_rows: Callable[[R, QualityInputs[R], Path], Path]
    context_fields: tuple[str, ...] = ()
    residual_unit: str = ""
    load_image: Callable[[R, int], npt.NDArray[np.uint8]] | None = None
    has_clock: Callable[[R], bool] = has_no_clock


@dataclass(frozen=True)
class RowComparison:
    """One row before and after a step, in parts; changed: indices into `after` of parts that are new.

    user                   the user's own id; "" where it is not known
    before_ids, after_ids  own ids of the parts; empty where they have none
    """

    before: Sequence[str]
    after: Sequence[str]
    changed: Sequence[int]
    user: str = ""
    before_ids: Sequence[str] = ()
    after_ids: Sequence[str] = ()


@dataclass(frozen=True)
class PlanRows:
    """How rows that plans change are previewed and compared.

    choose        (rows, number, seed) -> that many readable rows, at random
    compare       (one row before, the same row after) -> both in parts; the first may be empty
    fit_features  (training rows, unseen rows, key) -> function from rows to features float64 (rows, features)
    """

    choose: Callable[[Any, int, int], Any]
    compare: Callable[[Any, Any], RowComparison]
    fit_features: Callable[[Any, Any, int], Callable[[Any], npt.NDArray[np.float64]]]


class ItemStep(Protocol):
    """What item views read of a step."""

    @property
    def use(self) -> Any: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def display_name(self) -> str: ...

    @property
    def is_generator(self) -> bool: ...


class ItemViews(Protocol):
    """How views of items are made, shown and stored. Items are indices into the catalog, from 0."""

    def find_columns(self, step: ItemStep) -> tuple[str, ...]:
        """Columns that a step changes. Raises DataError where the catalog lacks them."""
        ...

    def fit(self, step: ItemStep, key: int) -> Any:
        """The step's fitted operator. key: of its random draws."""
        ...

    def get_values(self, column: str) -> ItemValues:
        """Values of all items."""
        ...

    def find_items(self, column: str) -> Ints:
        """Items with a value."""
        ...

    def apply(self, fitted: Any, values: ItemValues, items: Ints, keys: RngKeys, strength: float) -> ItemValues:
        """Changed values of some items."""
        ...

    def count_unchanged(self, fitted: Any, before: ItemValues, after: ItemValues, items: Ints) -> Mapping[str, int]:
        """Reason -> number of unchanged values."""
        ...

    def replace_values(self, catalog: Catalog, columns: Mapping[str, ItemValues]) -> Catalog:
        """The catalog with these values of all items, column by column."""
        ...

    def show_pair(self, item: str, before: Any, after: Any, step: ItemStep) -> TextExample | ImageExample:
        """One pair of values of an item for the report."""
        ...

    def summarize_pair(self, item: str, before: Any, after: Any) -> RowComparison:
        """One pair of values as text."""
        ...

    def to_columns(self, before: ItemValues, after: ItemValues) -> dict[str, Any]:
        """Columns of a file of views."""
        ...

    def count_unreadable(self) -> Mapping[str, UnreadableFiles]:
        """Reason -> values that could not be read."""
        ...


@dataclass(frozen=True)
class ViewSource:
    """Views of items in this modality.

    name   in specs ("images.crop"), facts, and what a recommender reads
    build  (catalog, side length of images in pixels, folder of fitted models or None) -> views
    """

    name: str
    build: Callable[[Catalog, int, Path | None], ItemViews]


@dataclass(frozen=True)
class Family:
    """A registry family, and the protocol that its kinds implement."""

    name: str
    protocol: Any


@dataclass(frozen=True)
class OperatorFamilies:
    """Registry families of a modality: operators, and the strategies and filters of steps on its rows."""

    transforms: Family
    generators: Family
    strategies: Family | None = None
    filters: Family | None = None

    @property
    def all(self) -> tuple[Family, ...]:
        """All families that exist."""
        return tuple(one for one in (self.transforms, self.generators, self.strategies, self.filters) if one)

    @property
    def operators(self) -> tuple[str, str]:
        """Names of the families of transforms and generators."""
        return self.transforms.name, self.generators.name


@dataclass(frozen=True)
class Modality(Generic[R]):
    """One modality of data.

    containers  types of its rows: in quality evaluations, and in plans
    families    registry families of its operators
    task        task whose specs take its operators
    quality     rows in a quality evaluation
    plan_rows   for operators that change rows; views: for operators that change views of items
    """

    name: str
    containers: tuple[type, ...]
    families: OperatorFamilies
    task: str
    quality: RowQuality[R]
    plan_rows: PlanRows | None = None
    views: ViewSource | None = None
