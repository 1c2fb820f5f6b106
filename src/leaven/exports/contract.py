"""The contract of exporters: what a target can hold, and how its files are written and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from leaven.exports.files import FolderWriter
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.preflight import Violation
from leaven.exports.source import ExportSource

if TYPE_CHECKING:
    import pyarrow as pa

RowForm = Literal["events", "held_out_targets", "targets", "pairs"]
ALL_COLUMNS = "*"


@dataclass(frozen=True)
class TargetTraits:
    """What a target can hold.

    library       library and version that the files are tested with
    usage         code that reads the files
    rows          "events": every event of every part · "held_out_targets": training events, and of held-out parts the
                  targets · "targets": one record per target, with the events before it as a list · "pairs": one record
                  per user and item, in which repeated events are merged
    columns       event columns that its files hold under any name; ("*",): all
    time_unit     precision of times: "ns", "s", or "" where there are none
    reads_weight  whether the library trains with row weights
    has_items     whether attributes of items have a place; has_users: of users
    has_numbers   whether its files hold numbers instead of ids in any case
    needs_events  whether rows have to name a user and an item
    """

    library: str
    usage: str
    rows: RowForm
    columns: tuple[str, ...]
    time_unit: str = "s"
    reads_weight: bool = True
    has_items: bool = False
    has_users: bool = False
    has_numbers: bool = False
    needs_events: bool = True

    def holds_column(self, column: str) -> bool:
        """Whether the target's files hold an event column."""
        return ALL_COLUMNS in self.columns or column in self.columns


@dataclass(frozen=True, eq=False)
class LoadedExport:
    """What an exporter reads from its files. parts: name -> rows without lineage, in the order of the export."""

    parts: Mapping[str, pa.Table]
    items: pa.Table | None = None
    users: pa.Table | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


class Exporter(Protocol):
    """A target. A config is a frozen dataclass, whose fields are options of the target."""

    traits: ClassVar[TargetTraits]

    def find_violations(self, source: ExportSource) -> Iterable[Violation]:
        """Every rule of the target that the data break."""
        ...

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """Write the files; what is lost in addition to columns that `traits` names. Runs after `find_violations`."""
        ...

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """Read the files of `write` again."""
        ...
