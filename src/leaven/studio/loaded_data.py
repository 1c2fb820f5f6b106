"""The data of the spec under edit: read, cleaned and split, kept in memory while the spec's data tables stay."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from leaven.cleaning import clean_events, survey_events
from leaven.config import Spec
from leaven.ctr_features import LabeledTable, SamplingConfig, read_labeled_table, sample_log
from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.errors import LeavenError, ReadingWarning
from leaven.ingest import build_catalog, build_histories, read_events
from leaven.profiling.log_statistics import compute_log_statistics
from leaven.run_folder import compute_fingerprint
from leaven.splits.log_splits import Split
from leaven.studio import log_sample

_MAX_TABLE_ROWS = 2000
_SAMPLING = threading.Lock()
_KEPT = 2  # data sets in memory: the present one, and the one before a change


@dataclass(frozen=True, eq=False)
class LoadedData:
    """What pages show of the data.

    histories  cleaned, with the catalog; None for a labeled table
    train      training part of the split; all histories where the split fails
    table      labeled rows of a labeled table; None for a log
    events     the cleaned log, from which labeled rows are sampled; None for a labeled table
    one_in     every how many users were read
    survey, rules  what each cleaning rule finds alone, and what it dropped in order
    raw, health    statistics before and after cleaning
    split      facts of the split, or its error
    """

    key: str
    histories: Histories | None = None
    train: Histories | None = None
    table: Samples | None = None
    events: Events | None = None
    sampling: SamplingConfig | None = None
    one_in: int = 1
    reading: dict[str, Any] = field(default_factory=dict)
    survey: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)

    @property
    def catalog(self) -> Catalog | None:
        """The items."""
        return None if self.histories is None else self.histories.catalog

    @cached_property
    def samples(self) -> Samples | None:
        """Labeled rows, for operators of tables; sampled on first use. None where the log has no times, or is short."""
        if self.table is not None or self.events is None or self.histories is None:
            return self.table
        with _SAMPLING:  # a connection to DuckDB serves one thread at a time
            since = int(np.sort(self.histories.times)[-min(_MAX_TABLE_ROWS, self.histories.n_events)])
            try:
                return _take_samples(sample_log(self.events, self.sampling, since=since))
            except LeavenError:
                return None

    @cached_property
    def item_index(self) -> dict[str, int]:
        """Own id -> dense id."""
        return {} if self.catalog is None else {one: place for place, one in enumerate(self.catalog.ids, 1)}


class DataCache:
    """Loads data once for each state of the files and of the tables that shape it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._held: OrderedDict[str, LoadedData] = OrderedDict()

    def load(self, spec: Spec) -> LoadedData:
        """The data of a spec. Raises LeavenError for data that cannot be read or cleaned."""
        key = _fingerprint_data(spec)
        with self._lock:
            if key not in self._held:
                self._held[key] = _load_data(spec, key, self._folder)
                while len(self._held) > _KEPT:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return self._held[key]

    def peek(self, spec: Spec) -> LoadedData | None:
        """The data where they are loaded already."""
        return self._held.get(_fingerprint_data(spec))


def _fingerprint_data(spec: Spec) -> str:
    table = spec.data
    paths = [table.labeled] if isinstance(table, LabeledTable) else [table.interactions]
    paths += [spec.items.items] if spec.items is not None else []
    states = [(str(path), _get_state(Path(str(path)))) for path in paths]
    items = None if spec.items is None else asdict(spec.items)
    return compute_fingerprint(states, asdict(table), items, asdict(spec.clean), repr(spec.split), repr(spec.samples))


def _get_state(path: Path) -> list[int]:
    if not path.exists():
        return []
    return [path.stat().st_size, path.stat().st_mtime_ns]


def _load_data(spec: Spec, key: str, folder: Path) -> LoadedData:
    if isinstance(spec.data, LabeledTable):
        rows = read_labeled_table(spec.data)
        return LoadedData(key, table=_take_samples(rows), reading=dict(rows.facts))
    sampled = log_sample.sample_log(spec.data, folder / "samples")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadingWarning)  # the facts of reading hold them
        events = read_events(sampled.source, items=spec.items)
    survey = survey_events(events, spec.clean)
    view = "studio_whole_lines"
    whole = '"user" IS NOT NULL AND item IS NOT NULL AND time IS NOT NULL'
    events.connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM {events.table} WHERE {whole}")
    raw = compute_log_statistics(build_histories(replace(events, table=view)).histories)
    done = clean_events(events, spec.clean)
    ordered = build_histories(done.events)
    histories = replace(ordered.histories, catalog=build_catalog(done.events, ordered.item_ids))
    split = _try_split(spec, histories)
    return LoadedData(
        key,
        histories,
        split.train if isinstance(split, Split) else histories,
        None,
        done.events,
        spec.samples,
        sampled.one_in,
        dict(events.facts),
        survey,
        done.rules,
        raw,
        compute_log_statistics(histories),
        dict(split.facts) if isinstance(split, Split) else {"error": str(split)},
    )


def _try_split(spec: Spec, histories: Histories) -> Split | LeavenError:
    try:
        found: Split = spec.split.split(histories)
    except LeavenError as error:
        return error
    return found


def _take_samples(rows: Samples) -> Samples:
    """At most some rows, spread evenly."""
    if len(rows) <= _MAX_TABLE_ROWS:
        return rows
    return rows.take(np.linspace(0, len(rows) - 1, _MAX_TABLE_ROWS).astype(np.int64))
