"""Reads the three sets of rows of an evaluation and checks that held-out rows are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.datasets.histories import REAL_ORIGIN, Histories, concat_histories
from leaven.datasets.images import IMAGE_SUFFIXES, Images
from leaven.datasets.samples import METADATA_KEY, Samples
from leaven.errors import DataError, SpecError, suggest_name
from leaven.ingest.source_config import REQUIRED_COLUMNS, CatalogSource, LogSource
from leaven.quality.context import NO_CONTEXT, EvaluationContext
from leaven.quality.featurization import Rows
from leaven.quality.image_rows import ImageColumns, ImageRows, read_image_rows
from leaven.quality.table_rows import (
    TabularRows,
    find_marked_files,
    find_owner_columns,
    load_stored_samples,
    read_table,
)
from leaven.quality.text_rows import TextRows, build_text_rows, read_texts

DataKind = Literal["histories", "table", "text", "image"]
DATA_KINDS = ("histories", "table", "text", "image")
Notes = dict[str, int | tuple[str, ...]]
ROLES = ("real", "held-out", "new")
HISTORIES_MARK = b"leaven.n_items"

_MAX_UNKNOWN = 0.5  # maximum share of new events with unknown items in the same catalog
_MAX_OVERLAP = 0.01  # maximum excess share of held-out rows that equal a training row
_MAX_COUNTED_ROWS = 20_000  # training rows in the estimate of the usual share of equal rows


@dataclass(frozen=True, eq=False)
class QualityInputs:
    """The three sets of rows, over one catalog or the same columns.

    notes   what reading recorded: counts, and lists of names
    names   names of the real and the new rows; None: rows are named by their index
    is_log  whether histories came as logs, with original ids
    """

    kind: DataKind
    real: Rows
    held_out: Rows
    new: Rows
    notes: Notes = field(default_factory=dict)
    names: tuple[Sequence[str], Sequence[str]] | None = None
    is_log: bool = False


def read_inputs(
    real: Any, held_out: Any, new: Any, kind: str = "", key: int = 0, context: EvaluationContext = NO_CONTEXT
) -> QualityInputs:
    """Return histories (logs in every form that leaven reads, Parquet of histories), tables (CSV, Parquet, frames),
    texts, or images (folders, lists and tables of files, arrays).

    Without a kind, a source with columns for user, item and time is read as histories, another file as a table, a list
    of strings as texts, and a folder or an array of images as images. Of a Parquet file with real and synthetic rows,
    the synthetic ones are the new ones.

    Raises DataError for different catalogs or columns, and for held-out rows that are training rows; SpecError for an
    input that the kind does not use.
    """
    given = (real, held_out, new)
    if kind not in ("", *DATA_KINDS):
        raise SpecError(
            "kind", f"{', '.join(DATA_KINDS[:-1])} or {DATA_KINDS[-1]}", repr(kind), suggest_name(kind, DATA_KINDS)
        )
    found = kind or _infer_kind(real)
    context.check_kind(found)
    if found == "histories":
        inputs = _read_histories(given, context.items)
    elif found == "image":
        inputs = _read_images(given, ImageColumns(context.column, context.label, context.caption))
    else:
        inputs = _read_tables(given) if found == "table" else _read_texts(given, context.column)
    _check_overlap(inputs, key)
    return inputs


def _infer_kind(source: Any) -> str:
    """Return the kind of data of a source."""
    if isinstance(source, Histories | Events):
        return "histories"
    if isinstance(source, Mapping | TabularRows):
        return "table"
    if isinstance(source, TextRows) or (isinstance(source, list) and all(isinstance(one, str) for one in source)):
        return "text"
    if isinstance(source, ImageRows | Images | np.ndarray) or _has_images(source):
        return "image"
    if find_marked_files(source, HISTORIES_MARK):
        return "histories"
    if isinstance(source, Samples) or find_marked_files(source, METADATA_KEY):
        return "table"
    return "histories" if _has_log_columns(source) else "table"


def _has_log_columns(source: Any) -> bool:
    """Return whether a source has columns for user, item and time, by its schema or first lines."""
    from leaven.ingest.column_inference import EVENT_COLUMN_NAMES, infer_format, match_columns
    from leaven.ingest.databases import is_database
    from leaven.ingest.files import list_files

    if isinstance(source, LogSource) or is_database(source):
        return True
    if isinstance(source, str | Path):
        try:
            guessed = infer_format(list_files(str(source))[0])
        except DataError:  # a missing file, or a single column without a separator: the table reader decides
            return False
        return guessed.kind == "sequences" or guessed.columns.keys() >= set(REQUIRED_COLUMNS)
    names = getattr(source, "column_names", getattr(source, "columns", ()))
    return match_columns(tuple(map(str, names)), EVENT_COLUMN_NAMES).keys() >= set(REQUIRED_COLUMNS)


def _has_images(source: Any) -> bool:
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return False
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in Path(source).rglob("*"))


def _read_histories(given: Sequence[Any], items: Catalog | CatalogSource | None) -> QualityInputs:
    """Return the inputs of three sets of histories, or of three logs."""
    stored = [source if isinstance(source, Histories) else _load_histories(source) for source in given]
    rows = [one for one in stored if one is not None]
    if 0 < len(rows) < len(stored):
        forms = ", ".join(f"{role} {'histories' if one else 'a log'}" for role, one in zip(ROLES, stored, strict=True))
        fix = "give all three as logs with original ids, or all three as histories over one catalog"
        raise DataError("real, held-out and new", "the same form", forms, fix)
    logs = None if rows else _read_logs(given, items)
    if logs is None:
        _check_catalogs(rows)
        own = given[0].catalog if isinstance(given[0], Histories) else None
        catalog, notes, ids = (items if isinstance(items, Catalog) else own), Notes(), dict[int, str]()
    else:
        rows, catalog, notes, ids = logs.rows, logs.catalog, logs.notes, logs.user_ids
    rows[2] = _drop_real_rows(rows[2], notes)
    for role, one in zip(ROLES, rows, strict=True):
        empty = int((one.lengths == 0).sum())
        if empty:
            notes[f"empty_rows_{role.replace('-', '_')}"] = empty
    if catalog is not None and len(catalog) != rows[0].n_items:
        got = f"{len(catalog):,} items for rows over {rows[0].n_items:,}"
        raise DataError("items", "the catalog of these rows", got, "give the one with the dense ids of the rows")
    filled = [replace(_reduce(one.take(one.lengths > 0)), catalog=catalog) for one in rows]
    names = [[ids.get(key, str(key)) for key in filled[side].row_ids.tolist()] for side in (0, 2)]
    return QualityInputs("histories", filled[0], filled[1], filled[2], notes, (names[0], names[1]), is_log=bool(ids))


def _drop_real_rows(new: Histories, notes: Notes) -> Histories:
    """Return the synthetic rows of new rows that hold both; the notes state how many real ones were left out."""
    is_real = new.origin == REAL_ORIGIN
    if is_real.all() or not is_real.any():
        return new
    notes["real_rows_left_out_of_new"] = int(is_real.sum())
    return new.take(~is_real)


def _load_histories(source: Any) -> Histories | None:
    """Return the histories of Parquet files of histories; None for another source."""
    names = find_marked_files(source, HISTORIES_MARK)
    return concat_histories([Histories.from_parquet(name) for name in names]) if names else None


def _reduce(rows: Histories) -> Histories:
    """Return histories without columns that no metric reads, with offsets from 0."""
    rows = replace(rows, extra={name: one for name, one in rows.extra.items() if name == "price"}, catalog=None)
    return rows.take(np.arange(len(rows))).validate() if len(rows) else rows


def _check_catalogs(rows: Sequence[Histories]) -> None:
    """Raise DataError for histories over different catalogs."""
    if len({one.n_items for one in rows}) > 1:
        sizes = ", ".join(f"{role} {one.n_items:,}" for role, one in zip(ROLES, rows, strict=True))
        fix = "the ids must mean the same items; give logs with original ids instead"
        raise DataError("real, held-out and new", "one catalog", f"catalogs of {sizes} items", fix)


@dataclass(frozen=True, eq=False)
class _Logs:
    """Three logs over the union of their catalogs. user_ids: original id of each row id."""

    rows: list[Histories]
    catalog: Catalog
    notes: Notes
    user_ids: dict[int, str]


def _read_logs(given: Sequence[Any], items: Catalog | CatalogSource | None) -> _Logs:
    """Return logs over the union of their catalogs, matched by original ids."""
    from leaven import ingest

    ordered = [ingest.build_histories(one if isinstance(one, Events) else ingest.read_events(one)) for one in given]
    union = sorted({item for one in ordered for item in one.item_ids})
    index_of = {item: index for index, item in enumerate(union, 1)}
    rows = []
    for one in ordered:
        dense = np.fromiter((index_of[item] for item in ("", *one.item_ids) if item in index_of), np.int32)
        dense = np.concatenate([np.zeros(1, np.int32), dense[-len(one.item_ids) :]])
        rows.append(replace(one.histories, items=dense[one.histories.items], n_items=len(union)))
    is_known = np.zeros(len(union) + 2, bool)
    is_known[rows[0].items], is_known[rows[1].items] = True, True
    unknown = ~is_known[rows[2].items]
    if unknown.mean() > _MAX_UNKNOWN:
        got = f"{unknown.mean():.0%} of the new events have items that neither real nor held-out rows have"
        raise DataError("new", "items of the same catalog", got, "write new rows with the original item ids")
    notes: Notes = {"events_of_unknown_items": int(unknown.sum())} if unknown.any() else {}
    ids = {int(key): name for one in ordered for key, name in zip(one.row_ids.tolist(), one.user_ids, strict=True)}
    if isinstance(items, Catalog):
        fix = "give the location of the table of items, so that its ids are joined to those of the logs"
        raise DataError("items", "an ItemSource, for logs", "a Catalog", fix)
    return _Logs(rows, ingest.read_catalog(items, union), notes, ids)


def _read_tables(given: Sequence[Any]) -> QualityInputs:
    """Return the inputs of three tables with the columns of the real one."""
    notes: Notes = {}
    given = [load_stored_samples(source) for source in given]
    if isinstance(given[2], Samples):
        synthetic = given[2].take(~given[2].is_real)
        if 0 < len(synthetic) < len(given[2]):
            notes["real_rows_left_out_of_new"] = len(given[2]) - len(synthetic)
            given[2] = synthetic
    tables = [read_table(source, role) for source, role in zip(given, ROLES, strict=True)]
    real = tables[0]
    for role, other in zip(ROLES[1:], tables[1:], strict=True):
        if set(other.columns) != set(real.columns):
            missing, extra = set(real.columns) - set(other.columns), set(other.columns) - set(real.columns)
            got = "; ".join([*[f"none called {', '.join(sorted(missing))}"] * bool(missing),
                             *[f"also {', '.join(sorted(extra))}"] * bool(extra)])  # fmt: skip
            raise DataError(role, "the columns of the real table", got, "give the same columns on all sides")
    columns = [one.match_columns(real, role) for role, one in zip(ROLES, tables, strict=True)]
    if names := find_owner_columns(columns[0], columns[1]):
        notes["left_out_columns"] = tuple(names)
        columns = [
            TabularRows({name: one.columns[name] for name in one.columns if name not in names}) for one in columns
        ]
    return QualityInputs("table", columns[0], columns[1], columns[2], notes)


def _read_texts(given: Sequence[Any], column: str) -> QualityInputs:
    """Return the inputs of three sets of texts."""
    if all(isinstance(one, TextRows) for one in given):
        real, held, new = given
    else:
        lines = [read_texts(one, role, column) for one, role in zip(given, ROLES, strict=True)]
        real, held, new = build_text_rows(lines)
    return QualityInputs("text", real, held, new)


def _read_images(given: Sequence[Any], columns: ImageColumns) -> QualityInputs:
    """Return the inputs of three sets of images."""
    found = read_image_rows(given, ROLES, columns)
    notes: Notes = {
        f"unreadable_{role.replace('-', '_')}_images": tuple(
            f"{count:,} × {reason}" for reason, count in one.unreadable.items()
        )
        for role, one in zip(ROLES, found, strict=True)
        if one.unreadable
    }
    real, held, new = found
    names = [[one.get_name(index) for index in range(len(one))] for one in (real, new)]
    return QualityInputs("image", real, held, new, notes, (names[0], names[1]))


def _check_overlap(inputs: QualityInputs, key: int) -> None:
    """Raise DataError for held-out rows that equal training rows more often than unseen rows by chance."""
    real, held = _hash_rows(inputs.real), _hash_rows(inputs.held_out)
    for role, rows in (("real", real), ("held-out", held), ("new", _hash_rows(inputs.new))):
        if not len(rows):
            raise DataError(role, "at least one row", "none", "")
    shared = np.isin(held, real)
    usual = _measure_usual_share(real, key)
    if shared.mean() > usual + _MAX_OVERLAP:
        got = f"{int(shared.sum()):,} of {len(held):,} held-out rows ({shared.mean():.0%}) that are training rows too"
        fix = "hold out rows that no generator has seen, and take them out of the training file"
        raise DataError("held-out", "rows that are not in the real (training) file", got, fix)
    inputs.notes["held_out_rows_equal_to_a_training_row"] = int(shared.sum())


def _hash_rows(rows: Rows) -> npt.NDArray[np.uint64]:
    """Return a hash of the content of each row, uint64 (rows,); of histories the items, and the times if they are
    timestamps.
    """
    if isinstance(rows, TabularRows | ImageRows):
        return rows.hash_rows()
    from leaven.kernels.ngram_hashes import hash_item_multisets

    if isinstance(rows, TextRows):
        rows = rows.tokens

    position = np.arange(rows.n_events) - np.repeat(rows.starts[:-1], rows.lengths)
    hashes = hash_item_multisets(rows.items, rows.starts, position)
    return (
        hashes
        if not has_clock(rows)
        else hashes ^ hash_item_multisets(rows.times.astype(np.int64), rows.starts, position + 1)
    )


def _measure_usual_share(identities: npt.NDArray[np.uint64], key: int) -> float:
    """Return the share of training rows that equal another training row."""
    chosen = rng.make_generator(rng.derive_key(key, "overlap")).permutation(len(identities))[:_MAX_COUNTED_ROWS]
    _, index, counts = np.unique(identities, return_inverse=True, return_counts=True)
    return float((counts[index[chosen]] > 1).mean())


def has_clock(rows: Histories) -> bool:
    """Return whether times are timestamps, not positions in a sequence."""
    from leaven.datasets.event_table import MIN_CLOCK_TIME

    return bool(rows.n_events and int(rows.times.max()) >= MIN_CLOCK_TIME)
