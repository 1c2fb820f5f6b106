"""What does every transform, generator, recommender, metric and engine promise?

A wish is a plain frozen dataclass; `fit` returns another type, which works. What makes samples is
given training rows and nothing else. `tests/contracts/` checks every registered class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from leaven.data.catalog import Catalog
from leaven.data.histories import HeldOut, Histories
from leaven.data.pictures import Pictures
from leaven.data.samples import Samples

Keys = npt.NDArray[np.uint64]
Strength = npt.NDArray[np.float32]
Tell = Callable[[int, int, str], None]
"""Progress: (done, total, a few words)."""


class Rows(Protocol):
    """What a plan needs to know of the rows that it works on: `Histories` and `Samples` are such."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def keys(self) -> npt.NDArray[np.uint64]: ...

    @property
    def parents(self) -> npt.NDArray[np.uint64]: ...

    @property
    def origin(self) -> npt.NDArray[np.int16]: ...

    def __len__(self) -> int: ...

    def check(self) -> Self:
        """Itself, once every promise of its class is kept; DataError names the first broken one."""
        ...

    def take(self, rows: npt.ArrayLike) -> Self:
        """The rows at these indices (int), or where this mask (bool) is true."""
        ...

    def slice(self, first: int, last: int) -> Self:
        """Rows first..last - 1."""
        ...

    def joined(self, others: Sequence[Any]) -> Self:
        """These rows, then those of the others."""
        ...

    def same_as(self, other: Any) -> npt.NDArray[np.bool_]:
        """bool (rows,): where both say the same; lineage does not count."""
        ...

    def read_back(self, *paths: str | Path) -> Self:
        """Rows of files that `to_parquet` wrote, with all that these rows know beside their columns."""
        ...

    def to_parquet(self, path: str | Path) -> None: ...


class FittedTransform(Protocol):
    """Changes rows. Same keys, same bytes; strength 0 is the identity; the input stays as it was.

    One new row a row, in the same order, with its key, parent, origin and weight (`Histories.rebuilt`);
    windows may give several rows for one, next to each other (`rebuilt` with `rows`). Naming new rows and
    recording their origin is the plan's work. A wish with `weighs_rows = True` may lower the weight of a row to say
    how sure it is; the step's own weight is multiplied by it.
    """

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """New rows. keys uint64 (rows,), one a row; strength float32 (rows,) in 0..1."""
        ...

    def reasons(self, rows: Histories) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Why a row cannot change, whatever the chance: a few words -> bool (rows,); "shorter than 3 events"."""
        ...


class Transform(Protocol):
    """The wish for a transform. `shortest` is the length below which a row stays as it is."""

    @property
    def shortest(self) -> int: ...

    def fit(self, train: Histories) -> FittedTransform: ...


class FittedTextTransform(Protocol):
    """Changes texts. Same keys, same bytes in any batch; strength 0 is the identity; protected spans survive."""

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One new text a text. keys uint64 (texts,); strength float32 (texts,) in 0..1."""
        ...

    def reasons(self, texts: Sequence[str]) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Why a text cannot change, whatever the chance: a few words -> bool (texts,); "no word has a synonym"."""
        ...


class TextTransform(Protocol):
    """The wish for a change of items' texts."""

    def fit(self, catalog: Catalog) -> FittedTextTransform: ...


class TextGenerator(TextTransform, Protocol):
    """The wish for a model that writes items' texts: an operator on words whose answers are kept, not drawn anew."""

    @property
    def cache(self) -> str: ...


class FittedEncoder(Protocol):
    """Items as vectors: the same items, the same bytes, whatever stands beside them."""

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        ...

    def __call__(self, catalog: Catalog) -> npt.NDArray[np.float32]:
        """float32 (items, width): item *i* is row *i - 1*; zeros where an item has nothing of what is read."""
        ...


class Encoder(Protocol):
    """The wish for an encoder of items. modality: "words", "attributes", "pictures" …"""

    @property
    def modality(self) -> str: ...

    def knows(self, catalog: Catalog) -> bool:
        """Whether the catalogue has anything of what it reads."""
        ...

    def fit(self, catalog: Catalog, key: int = 0) -> FittedEncoder: ...


class FittedImageTransform(Protocol):
    """Changes pictures. Same keys, same bytes in any batch; strength 0 is the identity; the input stays as it was."""

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """One new picture a picture. keys uint64 (pictures,); strength float32 (pictures,) in 0..1."""
        ...

    def reasons(self, pictures: Pictures) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Why a picture cannot change, whatever the chance: a few words -> bool (pictures,)."""
        ...


class ImageTransform(Protocol):
    """The wish for a change of items' pictures; the catalogue tells which items must keep what."""

    def fit(self, catalog: Catalog) -> FittedImageTransform: ...


class FittedImageGenerator(Protocol):
    """Makes pictures. Same keys, same bytes at any batch size, whatever else is made beside."""

    def sample(self, keys: Keys, category: npt.NDArray[np.int32] | None = None) -> Pictures:
        """One picture a key, of a category code each (0: any). They are views, never new items of the catalogue."""
        ...

    def save(self, folder: Path) -> None: ...


class ImageGenerator(Protocol):
    """The wish for a generator of pictures. Its class also has `load(folder)`."""

    def fit(self, train: Pictures, key: int, category: npt.NDArray[np.int32] | None = None) -> FittedImageGenerator: ...


class FittedGenerator(Protocol):
    """Makes rows. Same keys, same bytes at any batch size."""

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key (parents 0), or one continuation of each row of `like` (parents theirs)."""
        ...

    def save(self, folder: Path) -> None: ...


class Generator(Protocol):
    """The wish for a generator. `keep` names the kinds of filters that its rows pass by default."""

    @property
    def keep(self) -> Sequence[str]: ...

    def fit(self, train: Histories, key: int) -> FittedGenerator: ...


class Scored(Protocol):
    """A fitted generator that knows how likely a row is."""

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): natural logarithm of each row's probability given its first event."""
        ...


class Strategy(Protocol):
    """How many copies of each row? None negative; the exact total where one was asked."""

    def __call__(self, train: Any, key: int) -> npt.NDArray[np.int32]: ...


class TableStrategy(Protocol):
    """The same for samples. It may have `groups(train)`: rows -> int64 (rows,), the group that it fills up: a row that
    a generator makes is then of the group of the row that it stands for."""

    def __call__(self, train: Samples, key: int) -> npt.NDArray[np.int32]: ...


class Schedule(Protocol):
    """Training progress in 0..1 to strength in 0..1."""

    def __call__(self, progress: float) -> float: ...


@dataclass(frozen=True, eq=False)
class Kept:
    """mask bool (rows,): which new rows stay. refused: reason -> how many of the others."""

    mask: npt.NDArray[np.bool_]
    refused: Mapping[str, int]


@dataclass(frozen=True)
class Signals:
    """What a look says of one stratum of the control users; losses in nats a target, dropout off.

    stratum  its name: how many events a history holds
    users    control users in it
    control, probe  mean loss of control users, who are not learned from, and of as many who are
    gap      control - probe
    target   the gap where the un-augmented pilot did best on control; None: there was no pilot
    gap_error  standard error of gap - target, user by user: who is hard to serve is so in both; without a pilot, of gap
    slope    change of the control loss since the look before, user by user; slope_error its standard error; None:
             there was none before
    """

    stratum: str
    users: int
    control: float
    probe: float
    gap: float
    gap_error: float
    target: float | None = None
    slope: float | None = None
    slope_error: float | None = None


@dataclass(frozen=True)
class Feedback:
    """All that a controller is told at a look: control users and a training probe, nothing of valid or test.

    step, progress  where training stands; until: progress at which it is asked again
    strata   by the length of histories, short ones first
    excess   control loss above the un-augmented pilot's at the same step, user by user; excess_error its standard
             error; None: the pilot did not go so far
    steps    names of the steps that it steers
    key      its draws follow from it
    """

    step: int
    progress: float
    until: float
    strata: tuple[Signals, ...]
    excess: float | None = None
    excess_error: float | None = None
    steps: tuple[str, ...] = ()
    key: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Feedback:
        """What `dataclasses.asdict` made of one, back from JSON."""
        return cls(**{**row, "strata": tuple(Signals(**one) for one in row["strata"]), "steps": tuple(row["steps"])})


@dataclass(frozen=True)
class Decision:
    """What holds from here on.

    strength  of each stratum, 0..1: a factor on the step's own strength
    share     of each stratum, 0..1: a factor on the step's own counts (copies, or p where rows are replaced)
    why       in words
    step      the one step that acts; "": all that are steered
    flag      what a reader of the report must know; "": nothing
    """

    strength: tuple[float, ...]
    share: tuple[float, ...]
    why: str
    step: str = ""
    flag: str = ""


class Controller(Protocol):
    """Feedback in, decision out; {} is the first state, and states are JSON-able. Same feedback, same decisions.

    strata       lengths at which a further stratum of histories begins
    pilot_share  how much of a training an un-augmented pilot runs before; 0: none is needed
    """

    @property
    def strata(self) -> tuple[int, ...]: ...

    @property
    def pilot_share(self) -> float: ...

    def __call__(self, feedback: Feedback, state: Mapping[str, Any]) -> tuple[Decision, Mapping[str, Any]]: ...


class FittedFilter(Protocol):
    """Idempotent: what was kept is kept again."""

    def __call__(self, new: Histories) -> Kept: ...


class Filter(Protocol):
    def fit(self, train: Histories, key: int) -> FittedFilter: ...


@runtime_checkable
class Measured(Protocol):
    """A fitted filter that can say by which figures it judges."""

    def measured(self, new: Histories) -> Mapping[str, npt.NDArray[np.float64]]:
        """A few words -> float64 (rows,); NaN where a row has no such figure."""
        ...


class FittedTableFilter(Protocol):
    """Idempotent: what was kept is kept again."""

    def __call__(self, new: Samples) -> Kept: ...


class TableFilter(Protocol):
    def fit(self, train: Samples, key: int) -> FittedTableFilter: ...


@dataclass(frozen=True, eq=False)
class Ranked:
    """items int32 (users, k), best first, 0 where there was nothing left; scores float32 (users, k)."""

    items: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]


Say = Literal["go on", "fresh rows", "stop"]
"""What who looks on asks of the loop: nothing, a new epoch with the rows as they are from now on, the end."""


class Watch(Protocol):
    """Looks on while a recommender trains. The loop shows it losses, and knows nothing of what they are for."""

    @property
    def users(self) -> HeldOut | Samples:
        """Whose loss it wants to see: users with what came next, no history empty; of a click model labelled rows."""
        ...

    def look(self, step: int, progress: float, losses: npt.NDArray[np.float64]) -> Say:
        """losses float64 (users,): mean over a user's targets of minus log of the softmax over the whole catalogue;
        of a click model float64 (rows,), minus log of the chance that it gave to what happened.
        """
        ...

    def memory(self) -> dict[str, Any]:
        """JSON-able: the loop keeps it in its checkpoint."""
        ...

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Back to what `memory` said: an interrupted training goes on."""
        ...


@dataclass(frozen=True, eq=False)
class Training:
    """How a fit is asked for, beside the rows.

    key      every draw of the training follows from it
    steps    optimiser steps; None: what the recommender finds right for these rows
    valid    users for early stopping (of a click model: labelled rows); never test
    refresh  (epoch, progress in 0..1) -> the rows to learn from in that epoch; None: always `train`. A recommender
             that knows no epochs learns from refresh(0, 0.5)
    folder   where checkpoints lie and from where an interrupted training goes on; None: nowhere
    tell     progress
    views    (epoch, progress in 0..1) -> the items as they are described in that epoch; None: always as the rows'
             catalogue has them. Given to recommenders alone whose wish says in `reads` that it knows "words"


    watch    looks on at every look; a recommender that takes no optimiser steps shows it nothing
    """

    key: int = 0
    steps: int | None = None
    valid: Any = None
    refresh: Callable[[int, float], Any] | None = None
    folder: Path | None = None
    tell: Tell = field(default=lambda done, total, words: None)
    views: Callable[[int, float], Catalog] | None = None

    watch: Watch | None = None


class FittedRecommender(Protocol):
    """Scores fall along a row; no seen item unless asked; save and load change nothing."""

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """How training went: step, seconds, loss, valid_ndcg … ; empty where nothing is trained."""
        ...

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> Ranked: ...

    def save(self, folder: Path) -> None: ...


class Recommender(Protocol):
    """The wish for a recommender. Its class also has `load(folder) -> FittedRecommender`."""

    def fit(self, train: Histories, training: Training) -> FittedRecommender: ...

    def steps(self, train: Histories) -> int | None:
        """Optimiser steps that it would take on these rows; None where it takes none."""
        ...


class RankingMetric(Protocol):
    """One value per user; the best value for a perfect list."""

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> npt.NDArray[np.float64]: ...


class FittedClickModel(Protocol):
    """Says how likely each row is a positive; save and load change nothing."""

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1. Categories that training had not seen count as unknown."""
        ...

    def save(self, folder: Path) -> None: ...


class ClickModel(Protocol):
    """The wish for a click model. Its class also has `load(folder) -> FittedClickModel`."""

    def fit(self, train: Samples, training: Training) -> FittedClickModel: ...

    def steps(self, train: Samples) -> int | None:
        """Optimiser steps that it would take on these rows; None where it takes none."""
        ...


class FittedTableTransform(Protocol):
    """Changes samples. Same keys, same bytes; strength 0 is the identity; the input stays as it was.

    One new row a row, in the same order, with its key, parent, origin and weight.
    """

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples: ...


class TableTransform(Protocol):
    def fit(self, train: Samples) -> FittedTableTransform: ...


class FittedTableGenerator(Protocol):
    """Makes samples. Same keys, same bytes at any batch size."""

    def sample(self, keys: Keys) -> Samples:
        """One row a key (parents 0), over the levels of the training rows."""
        ...

    def save(self, folder: Path) -> None: ...


class TableGenerator(Protocol):
    """The wish for a generator of samples. Its class also has `load(folder)`."""

    def fit(self, train: Samples, key: int) -> FittedTableGenerator: ...


class ClickMetric(Protocol):
    """One number for a table of predictions; `weight` counts rows, so that a bootstrap over users is a weight."""

    def __call__(
        self,
        label: npt.NDArray[np.float64],
        chance: npt.NDArray[np.float64],
        weight: npt.NDArray[np.float64] | None = None,
        users: npt.NDArray[np.uint64] | None = None,
    ) -> float: ...


class Engine(Protocol):
    """Runs one task over shards, in order: the same answers as a plain loop."""

    def map(self, task: Callable[[Any, Any], Any], shards: Sequence[Any], shared: Any) -> Iterator[Any]:
        """task(shared, shard) for each shard; an error names its shard."""
        ...
