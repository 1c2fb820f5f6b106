"""Facts of the rows of a variant: what each step created, changed and rejected, with examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from leaven.facts.serialization import JsonObject


@dataclass(frozen=True)
class Preview:
    """One row before and after one step: items of a history, or cells of a sample.

    before   empty for a row without a source row
    changed  indices into `after` of entries that do not come from `before`
    """

    step: str
    before: Sequence[str]
    after: Sequence[str]
    changed: Sequence[int]

    def as_dict(self) -> JsonObject:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class UnreadableFiles:
    """Images that could not be read for one reason. files: at most three of them."""

    count: int
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepFacts:
    """What one step of a plan did.

    index        number of the step from 1, the `origin` of its rows
    synthetic    number of rows that it created or changed; of a step in each epoch, in one epoch half-way
    tried        number of rows that it was applied to
    unchanged    reason -> number of rows that it left as they were
    rejected     reason -> number of rows that its filters rejected
    weight       weight of its rows; None for steps on items
    modality     "text" or "images" for steps on items; "" for steps on rows
    columns      text columns of a step on items
    during       range of training progress in which it is active; None: all of it
    rounds       number of rows of each round, for steps that run in rounds
    unreadable   reason -> images that it could not read
    """

    index: int
    name: str
    mode: str = ""
    when: str = ""
    input: str = ""
    description: str = ""
    synthetic: int = 0
    tried: int = 0
    unchanged: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    weight: float | None = None
    modality: str = ""
    columns: tuple[str, ...] = ()
    during: tuple[float, float] | None = None
    rounds: tuple[int, ...] = ()
    unreadable: Mapping[str, UnreadableFiles] = field(default_factory=dict)


@dataclass(frozen=True)
class TextExample:
    """Text of an item before and after a step, in parts (text, whether it is removed or new)."""

    item: str
    before: tuple[tuple[str, bool], ...]
    after: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class ImageExample:
    """Image of an item before and after a step, as PNG in base64.

    distance          root mean squared difference, on a scale of 255
    nearest           of a generated image: the nearest real image, with its item and distance
    """

    item: str
    before: str
    after: str
    distance: float
    nearest: str = ""
    nearest_item: str = ""
    nearest_distance: float | None = None


@dataclass(frozen=True)
class GalleryFacts:
    """Examples of one step on items. modality: "text" or "images"; unchanged: share of unchanged values."""

    step: str
    modality: str = "text"
    column: str = ""
    unchanged: float = 0.0
    examples: tuple[TextExample | ImageExample, ...] = ()


@dataclass(frozen=True)
class ReuseFacts:
    """Steps of a reduced plan whose rows were reused, and those that ran again."""

    reused: tuple[str, ...] = ()
    recreated: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanEdge:
    """Rows that go from one node of a plan to another. label: "adds", "views" or ""."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class PlanGraph:
    """A plan as a graph: real rows, items, steps, training rows. nodes: id -> lines of its label."""

    nodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edges: tuple[PlanEdge, ...] = ()


@dataclass(frozen=True)
class VariantFacts:
    """Rows of one variant.

    real_rows, synthetic_rows  numbers of rows that training starts with
    seconds                    time to create the rows
    reuse                      only where steps were left out of an expanded folder
    plan                       the steps as a graph
    """

    name: str
    combine: str = ""
    real_rows: int = 0
    synthetic_rows: int = 0
    steps: tuple[StepFacts, ...] = ()
    previews: tuple[Preview, ...] = ()
    galleries: tuple[GalleryFacts, ...] = ()
    seconds: float = 0.0
    reuse: ReuseFacts | None = None
    plan: PlanGraph = field(default_factory=PlanGraph)
