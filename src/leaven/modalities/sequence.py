"""The modality of histories: one user's events in time order."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.event_table import MIN_CLOCK_TIME
from leaven.datasets.events import Events
from leaven.datasets.histories import REAL_ORIGIN, Histories, concat_histories
from leaven.datasets.log_names import find_user
from leaven.errors import DataError
from leaven.ingest.source_config import REQUIRED_COLUMNS, CatalogSource, LogSource
from leaven.kernels.ngram_hashes import hash_item_multisets
from leaven.metrics.synthetic import FeaturizedRows, consistency, membership_inference, memorization
from leaven.metrics.synthetic.featurizers import HistoryEncoder, compute_log_gaps
from leaven.modalities.featurization import (
    MAX_ENCODER_ROWS,
    FeatureInfo,
    Featurizer,
    Points,
    choose_rows,
    compare_points,
    compare_runs,
)
from leaven.modalities.histograms import (
    Distribution,
    Values,
    bin_counts,
    build_histogram,
    count_categories,
)
from leaven.modalities.modality import (
    ROLES,
    ROWS_WITHOUT_COPIES,
    ComparedSides,
    EvaluationContext,
    Family,
    Modality,
    Notes,
    OperatorFamilies,
    PlanRows,
    QualityInputs,
    RowComparison,
    RowQuality,
)
from leaven.modalities.source_files import find_marked_files
from leaven.protocols import Filter, FittedRecommender, Generator, Strategy, Transform
from leaven.run_folder import write_text

HISTORIES_MARK = b"leaven.n_items"
_MAX_UNKNOWN = 0.5  # maximum share of new events with unknown items in the same catalog
_MIN_EVENTS, _MAX_EVENTS = 3, 12  # preferred number of events of a previewed row
_MAX_ITEMS = 24  # maximum items shown of a row
_WAIT_EDGES = (
    ("same second", 0),
    ("minute", 60),
    ("hour", 3600),
    ("day", 86_400),
    ("week", 604_800),
    ("month", 2_678_400),
)
_RANK_EDGES = (("top 1 %", 0.01), ("to 5 %", 0.05), ("to 20 %", 0.2), ("to 50 %", 0.5), ("the rest", 1.0))


def _owns_source(source: Any) -> bool:
    """Return whether a source is histories, events, or Parquet of histories."""
    return isinstance(source, Histories | Events) or bool(find_marked_files(source, HISTORIES_MARK))


def _has_log_columns(source: Any) -> bool:
    """Return whether a source has columns for user, item and time, by its schema or first lines."""
    from leaven.ingest.column_inference import infer_format
    from leaven.ingest.databases import is_database
    from leaven.ingest.files import list_files
    from leaven.ingest.known_columns import EVENT_COLUMN_NAMES, match_columns

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


def _read_histories(given: Sequence[Any], context: EvaluationContext) -> QualityInputs[Histories]:
    """Return the inputs of three sets of histories, or of three logs."""
    items = context.items
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
    return QualityInputs("sequence", filled[0], filled[1], filled[2], notes, (names[0], names[1]), is_log=bool(ids))


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
        raise DataError("items", "a CatalogSource, for logs", "a Catalog", fix)
    return _Logs(rows, ingest.read_catalog(items, union), notes, ids)


@dataclass(frozen=True, eq=False)
class HistoryFeaturizer:
    """Histories: co-occurrence embeddings, a Markov chain for noise and attack, the catalog and a recommender."""

    info: FeatureInfo
    encoder: HistoryEncoder
    real: Histories
    fold: Histories
    training: Points
    prices: consistency.PriceRanges | None
    recommender: FittedRecommender | None

    @classmethod
    def fit(cls, real: Histories, fold: Histories, key: int, context: EvaluationContext) -> Featurizer:
        """Return the featurizer of training histories and a fold."""
        encoder = HistoryEncoder.fit(
            real.take(choose_rows(len(real), MAX_ENCODER_ROWS, rng.derive_key(key, "encoder"))), key
        )
        info = FeatureInfo(encoder.compute_features(fold)[1], encoder.group_items(), encoder.popularity)
        category = real.catalog.category if real.catalog is not None else None
        prices = consistency.PriceRanges.fit(real, category) if category is not None else None
        return cls(info, encoder, real, fold, encoder.embed(real), prices, context.recommender)

    def featurize(self, rows: Histories) -> FeaturizedRows:
        """Return the sample of these histories."""
        points, surprisal = self.encoder.embed(rows), membership_inference.compute_surprisals(self.fold, rows)
        facts = compare_points(points, self.training) | compare_runs(rows, self.real) | self._check_consistency(rows)
        events = np.append(np.bincount(self.real.items, minlength=rows.n_items + 2)[: rows.n_items + 1], 0)
        facts |= {
            "reference": -surprisal,
            "rarest": np.minimum.reduceat(events[rows.items], rows.starts[:-1]).astype(np.float64),
            "backed_by_few": memorization.compute_rare_run_share(rows, self.real),
        }
        noise = surprisal / np.maximum(rows.lengths - 1, 1)
        return FeaturizedRows(points, self.encoder.compute_features(rows)[0], noise[:, None], facts, rows)

    def _check_consistency(self, rows: Histories) -> dict[str, Points]:
        """Return the statistics that the catalog and the recommender allow."""
        catalog, found = self.real.catalog, dict[str, Points]()
        if catalog is not None and catalog.category is not None:
            found["agreement"] = consistency.compute_category_agreement(rows, catalog.category)
        if self.prices is not None and "price" in rows.extra:
            found["odd_price"] = self.prices.compute_outlier_share(rows)
        if catalog is not None and catalog.first_sale_times is not None:
            found["before_sale"] = consistency.compute_before_sale_share(rows, catalog.first_sale_times)
        if self.recommender is not None:
            found["next_rank"] = consistency.compute_reciprocal_ranks(rows, self.recommender)
        return found


def hash_histories(rows: Histories) -> npt.NDArray[np.uint64]:
    """Return a hash of the items of each row, and of its times if they are timestamps, uint64 (rows,)."""
    position = rows.event_positions()
    hashes = hash_item_multisets(rows.items, rows.starts, position)
    if not has_clock(rows):
        return hashes
    return hashes ^ hash_item_multisets(rows.times.astype(np.int64), rows.starts, position + 1)


def has_clock(rows: Histories) -> bool:
    """Return whether times are timestamps, not positions in a sequence."""
    return bool(rows.n_events and int(rows.times.max()) >= MIN_CLOCK_TIME)


def _describe_histories(sides: ComparedSides[Histories]) -> list[Distribution | None]:
    """Return the histograms of lengths, times, popularity and categories."""
    rows = sides.rows
    found = [bin_counts("Events of a history", "events", [one.lengths for one in rows])]
    if all(has_clock(one) for one in rows):
        found.append(
            build_histogram(
                "Time to the next event",
                "at most",
                [_classify_waits(one) for one in rows],
                [*_list_names(_WAIT_EDGES), "longer"],
            )
        )
        hours = [str(hour) for hour in range(24)]
        found.append(build_histogram("Hour of the day", "hour, UTC", [one.times // 3600 % 24 for one in rows], hours))
    ranks = _classify_ranks(sides.info.popularity)
    names = [*_list_names(_RANK_EDGES), "not in training"]
    found.append(
        build_histogram("Popularity of the items", "rank in training", [ranks[one.items] for one in rows], names)
    )
    catalog = rows[0].catalog
    if catalog is not None and catalog.category is not None and len(catalog.categories):
        codes = np.append(catalog.category, 0)
        named = [np.array(["unknown", *catalog.categories])[codes[one.items]] for one in rows]
        found.append(count_categories("Categories", "category", named))
    return found


def _list_names(pairs: Sequence[tuple[str, float]]) -> list[str]:
    return [name for name, _ in pairs]


def _classify_waits(rows: Histories) -> Values:
    """Return the class of each time between events."""
    return np.searchsorted([np.log1p(most) for _, most in _WAIT_EDGES], compute_log_gaps(rows) - 1e-9)


def _classify_ranks(popularity: npt.NDArray[np.int64]) -> Values:
    """Return the class of each item by its rank in training, int64 (n_items + 2,)."""
    order = np.argsort(-popularity[1:], kind="stable")
    rank = np.empty(len(order))
    rank[order] = (np.arange(len(order)) + 1) / max(int((popularity > 0).sum()), 1)
    classes = np.searchsorted([most for _, most in _RANK_EDGES], rank)
    classes = np.where(popularity[1:] > 0, np.minimum(classes, len(_RANK_EDGES) - 1), len(_RANK_EDGES))
    return np.concatenate([[len(_RANK_EDGES)], classes, [len(_RANK_EDGES)]])


def _write_log(rows: Histories, inputs: QualityInputs[Histories], folder: Path) -> Path:
    """Write histories as a log with the original ids; return the path."""
    assert rows.catalog is not None
    names = dict(zip(inputs.new.row_ids.tolist(), inputs.names[1], strict=True)) if inputs.names else {}
    user = np.repeat(rows.row_ids, rows.lengths).tolist()
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("user", "item", "time"))
    ids: Sequence[str] = rows.catalog.ids
    for key, item, time in zip(user, rows.items.tolist(), rows.times.tolist(), strict=True):
        writer.writerow((names[key], ids[item - 1], time))
    target = folder / f"{ROWS_WITHOUT_COPIES}.csv"
    write_text(target, buffer.getvalue())
    return target


def _write_rows(rows: Histories, inputs: QualityInputs[Histories], folder: Path) -> Path:
    """Write Parquet of histories, or `user,item,time` with original ids where the rows came as a log."""
    if inputs.is_log:
        return _write_log(rows, inputs, folder)
    target = folder / f"{ROWS_WITHOUT_COPIES}.parquet"
    rows.write_file(target)
    return target


def _choose_histories(train: Histories, rows: int, seed: int) -> Histories:
    """`rows` random histories, of a readable length where there are enough."""
    lengths = train.lengths
    candidates = np.flatnonzero((lengths >= _MIN_EVENTS) & (lengths <= _MAX_EVENTS))
    if len(candidates) < rows:
        candidates = np.flatnonzero(lengths >= min(2, int(lengths.max())))
    drawn = rng.draw_bits(rng.derive_row_keys(rng.derive_key(seed, "preview"), train.row_ids[candidates]), 0)
    return train.take(candidates[np.argsort(drawn)[:rows]])


def _compare_histories(before: Histories, after: Histories) -> RowComparison:
    """Return the names of the items before and after, and which of them do not come from the row before."""
    old, new = before.items.tolist(), after.items.tolist()
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    same = {block.b + offset for block in blocks for offset in range(block.size)}
    changed = [index for index in range(len(new)) if index not in same]
    user = find_user(before.names, before.row_ids)
    ids = before.decode(before.items), after.decode(after.items)
    return RowComparison(list_item_names(before), list_item_names(after), changed, user, *ids)


def list_item_names(rows: Histories) -> list[str]:
    """Readable names of the items of one history."""
    if rows.catalog is None:
        return ["[mask]" if item > rows.n_items else str(item) for item in rows.items.tolist()]
    return [rows.catalog.item_name(item) for item in rows.items.tolist()]


def _format_history(rows: Histories, row: int) -> list[str]:
    """Return the names of the last items of a history."""
    items = rows.row_items(row)[-_MAX_ITEMS:].tolist()
    return [rows.catalog.item_name(item) if rows.catalog is not None else f"item {item}" for item in items]


def _fit_history_features(train: Histories, unseen: Histories, key: int) -> Callable[[Histories], Points]:
    encoder = HistoryEncoder.fit(train, key)
    return lambda rows: encoder.compute_features(rows)[0]


SEQUENCE: Modality[Histories] = Modality(
    name="sequence",
    containers=(Histories,),
    families=OperatorFamilies(
        Family("transforms", Transform),
        Family("generators", Generator),
        Family("strategies", Strategy),
        Family("filters", Filter),
    ),
    task="ranking",
    quality=RowQuality(
        owns=_owns_source,
        resembles=_has_log_columns,
        read=_read_histories,
        hash_rows=hash_histories,
        fit_featurizer=HistoryFeaturizer.fit,
        describe=_describe_histories,
        format_row=_format_history,
        find_copies=memorization.find_copied_rows,
        write_rows=_write_rows,
        context_fields=("items", "recommender"),
        residual_unit="event",
        has_clock=has_clock,
    ),
    plan_rows=PlanRows(_choose_histories, _compare_histories, _fit_history_features),
)
