"""Samples labeled rows from a log: positives, negatives and their features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.ctr_features import features
from leaven.ctr_features.negative_sampling import EventArrays, SampledNegatives, sample_negatives
from leaven.ctr_features.running_totals import FeatureTables, create_tables
from leaven.ctr_features.sampling_config import SamplingConfig
from leaven.datasets.events import Events
from leaven.datasets.log_names import LogNames
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError
from leaven.ingest.attribute_tables import collect_attributes

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


def sample_log(
    events: Events,
    config: SamplingConfig | None = None,
    key: int = 0,
    since: int | None = None,
    until: int | None = None,
) -> Samples:
    """Positives after second `since` and up to second `until`, and their negatives, with features as of their time.

    Positives that were not on sale by the rule of the negatives are left out and counted: otherwise "never sold yet"
    would reveal the label. Events before `since` count in the features, events after `until` are not read at all.
    `facts`: positives, negatives, users, items, rejected draws, and the number of missing values of each column.

    Raises DataError where the period has no events.
    """
    config = config or SamplingConfig()
    tables = create_tables(events, until, config.label)
    ids = _IdHashes.of(tables)
    labeled = (_observe_rows if config.negatives == "observed" else _draw_rows)(tables, config, since, ids, key)
    rows = labeled.rows
    columns = _compute_features(tables, config, rows)
    samples = Samples.from_columns(columns, rows.label, rows.row_ids, ids.users[rows.user], rows.time)
    is_positive = rows.label > 0.5
    facts: dict[str, Any] = {"positives": int(is_positive.sum()), "negatives": int((~is_positive).sum())}
    facts |= labeled.counts
    facts |= {"users": len(np.unique(rows.user)), "items": len(np.unique(rows.item)), "missing": count_missing(samples)}
    return replace(samples, facts=facts, names=ids.names).validate()


@dataclass(frozen=True, eq=False)
class _LabeledRows:
    """Labeled rows, and counts of what was left out."""

    rows: _Rows
    counts: Mapping[str, int]


def _draw_rows(
    tables: FeatureTables, config: SamplingConfig, since: int | None, ids: _IdHashes, key: int
) -> _LabeledRows:
    """Positives, and negatives drawn from the items on sale.

    Raises DataError where no positive was on sale by the rule of the negatives.
    """
    positives = _fetch_positives(tables, config, since)
    row_ids = _derive_row_ids(ids.users[positives.user], ids.items[positives.item], positives.time)
    chosen = _draw_subset(row_ids, config.max_positives, rng.derive_key(key, "positives"))
    kept, row_ids = positives.take(chosen), row_ids[chosen]
    keys = rng.derive_row_keys(rng.derive_key(key, "negatives"), row_ids)
    drawn = sample_negatives(_fetch_events(tables), kept.user, kept.item, kept.time, keys, config)
    if not drawn.on_sale.any():
        fix = "begin later, or raise on_sale_days"
        raise DataError("sampling", "positives of items that were on sale before their day", "none", fix)
    counts = {"thinned_out": len(positives.time) - len(kept.time), **drawn.counts}
    return _LabeledRows(_Rows.of(kept, row_ids, drawn), counts)


def _observe_rows(
    tables: FeatureTables, config: SamplingConfig, since: int | None, ids: _IdHashes, key: int
) -> _LabeledRows:
    """The events of the log: positives meet the label, negatives do not; both are thinned by the same share."""
    parts = {1.0: _fetch_positives(tables, config, since), 0.0: _fetch_negatives(tables, since)}
    share = min(1.0, config.max_positives / len(parts[1.0].time))
    users, items, times, row_ids, labels, thinned = [], [], [], [], [], 0
    for label, events in parts.items():
        own_ids = _derive_row_ids(ids.users[events.user], ids.items[events.item], events.time)
        size = math.ceil(share * len(own_ids))
        chosen = _draw_subset(own_ids, size, rng.derive_key(key, "positives" if label else "observed negatives"))
        kept, thinned = events.take(chosen), thinned + len(own_ids) - size
        users.append(kept.user)
        items.append(kept.item)
        times.append(kept.time)
        row_ids.append(own_ids[chosen])
        labels.append(np.full(len(chosen), label, np.float32))
    time, user, item = np.concatenate(times), np.concatenate(users), np.concatenate(items)
    order = np.lexsort((item, user, time))
    rows = _Rows(user[order], item[order], time[order], np.concatenate(row_ids)[order], np.concatenate(labels)[order])
    unlabeled = f"SELECT count(*) FROM click_events WHERE is_positive IS NULL AND {_after(since)}"
    without = int(tables.connection.execute(unlabeled).fetchall()[0][0])
    return _LabeledRows(rows, {"thinned_out": thinned, "without_label": without})


class TimeParts(NamedTuple):
    """Samples of three successive periods."""

    train: Samples
    valid: Samples
    test: Samples


def sample_by_time(
    events: Events,
    config: SamplingConfig | None = None,
    key: int = 0,
    shares: tuple[float, float, float] = (0.2, 0.15, 0.15),
) -> TimeParts:
    """Training, validation and test samples, split at the same times for all users.

    shares: of the events for warming up the features, for validation and for testing; the rest is for training. Each
    part is sampled separately and reads no event after its own period.

    Raises SpecError for shares that leave nothing; DataError where a part would be empty.
    """
    warm, valid, test = shares
    if min(shares) < 0 or min(valid, test) == 0 or sum(shares) >= 1:
        raise SpecError("by_time.shares", "three shares, together below 1, the last two above 0", str(shares), "")
    where = ", ".join(f"quantile_disc(time, {share})" for share in (warm, 1 - valid - test, 1 - test))
    sql = f"SELECT {where} FROM {events.table} WHERE user IS NOT NULL AND item IS NOT NULL"
    first, second, third = events.connection.execute(sql).fetchall()[0]
    if first is None:
        raise DataError("by_time", "a log with times", "none", "name its time column")
    begin = None if warm == 0 else int(first)
    return TimeParts(
        sample_log(events, config, rng.derive_key(key, "train"), begin, int(second)),
        sample_log(events, config, rng.derive_key(key, "valid"), int(second), int(third)),
        sample_log(events, config, rng.derive_key(key, "test"), int(third), None),
    )


@dataclass(frozen=True, eq=False)
class _IdHashes:
    """uint64 (codes + 1,) each: the hash of each user's and item's original id; index 0 is unused. names: of users."""

    users: Keys
    items: Keys
    names: LogNames

    @classmethod
    def of(cls, tables: FeatureTables) -> _IdHashes:
        read = tables.connection.sql
        known = read("SELECT * EXCLUDE (code) FROM click_users ORDER BY code").to_arrow_table()
        ids = [known.column("id"), read("SELECT id FROM click_items ORDER BY code").to_arrow_table().column("id")]
        users, items = (rng.derive_user_ids(["", *column.to_pylist()]) for column in ids)
        names = LogNames(users[1:], ids[0].combine_chunks(), attributes=collect_attributes(known))
        return cls(users, items, names)


@dataclass(frozen=True, eq=False)
class _EventRows:
    """int64 (events,) each: codes of user and item, and seconds, in order of time."""

    user: Ints
    item: Ints
    time: Ints

    def take(self, rows: Ints) -> _EventRows:
        return _EventRows(self.user[rows], self.item[rows], self.time[rows])


@dataclass(frozen=True, eq=False)
class _Rows:
    """Labeled rows: int64 (rows,) codes of user and item, seconds; uint64 row ids; float32 labels of 0 and 1."""

    user: Ints
    item: Ints
    time: Ints
    row_ids: Keys
    label: npt.NDArray[np.float32]

    @classmethod
    def of(cls, positives: _EventRows, row_ids: Keys, drawn: SampledNegatives) -> _Rows:
        """Positives that were on sale by the rule of the negatives, each followed by its negatives."""
        on_sale = np.flatnonzero(drawn.on_sale)
        owner = np.concatenate([on_sale, drawn.positive])
        slot = np.concatenate([np.full(len(on_sale), -1), drawn.slot])
        label = (slot < 0).astype(np.float32)
        items = np.concatenate([positives.item[on_sale], drawn.item])
        ids = rng.mix_bits(row_ids[owner] ^ rng.mix_bits((slot + 2).astype(np.uint64)))
        ids[: len(on_sale)] = row_ids[on_sale]
        order = np.lexsort((slot, owner))
        user, time = positives.user[owner], positives.time[owner]
        return cls(user[order], items[order], time[order], ids[order], label[order])


def _fetch_events(tables: FeatureTables) -> EventArrays:
    events = tables.connection.execute("SELECT user_code, item_code, time FROM click_events").fetchnumpy()
    items = tables.connection.sql("SELECT category_code, born FROM click_items ORDER BY code").to_arrow_table()
    category = np.concatenate([[0], items.column("category_code").to_numpy()]).astype(np.int64)
    never = np.iinfo(np.int64).max
    born = np.concatenate([[never], items.column("born").fill_null(never).to_numpy()]).astype(np.int64)
    user, item, time = (np.asarray(events[name], np.int64) for name in ("user_code", "item_code", "time"))
    return EventArrays(user, item, time, category, born)


def _fetch_positives(tables: FeatureTables, config: SamplingConfig, since: int | None) -> _EventRows:
    """The positive events, each user-item pair once per second.

    Raises DataError where there are none.
    """
    conditions = [_after(since), "is_positive"]
    if config.positive_kinds:
        kinds = ", ".join("'" + kind.replace("'", "''") + "'" for kind in config.positive_kinds)
        conditions.append(f"kind IN ({kinds})")
    if not config.allow_repeats:
        firsts = "SELECT user_code, item_code, first FROM click_pair"
        conditions.append(f"(user_code, item_code, time) IN ({firsts})")
    sql = f"SELECT DISTINCT user_code, item_code, time FROM click_events WHERE {' AND '.join(conditions)}"
    found = _fetch_places(tables, sql)
    if not len(found.time):
        period = f"between second {since if since is not None else 'of the first event'} and second {tables.until}"
        fix = "check the period, label and positive_kinds"
        raise DataError("sampling", f"positive events {period}", "none", fix)
    return found


def _fetch_negatives(tables: FeatureTables, since: int | None) -> _EventRows:
    """The events that do not meet the label, each user-item pair once per second; pairs that also meet it left out."""
    sql = f"""SELECT user_code, item_code, time FROM click_events WHERE {_after(since)} AND is_positive IS NOT NULL
        GROUP BY user_code, item_code, time HAVING NOT bool_or(is_positive)"""
    return _fetch_places(tables, sql)


def _fetch_places(tables: FeatureTables, sql: str) -> _EventRows:
    found = tables.connection.execute(f"{sql} ORDER BY time, user_code, item_code").fetchnumpy()
    user, item, time = (np.asarray(found[name], np.int64) for name in ("user_code", "item_code", "time"))
    return _EventRows(user, item, time)


def _after(since: int | None) -> str:
    """SQL of events after a second; of all events for None."""
    return "true" if since is None else f"time > {int(since)}"


def _derive_row_ids(user: Keys, item: Keys, time: Ints) -> Keys:
    """uint64 (rows,): from the original ids and the second only."""
    return rng.mix_bits(user ^ rng.mix_bits(item ^ rng.mix_bits(time.astype(np.uint64))))


def _draw_subset(row_ids: Keys, max_rows: int, key: int) -> Ints:
    """int64: the indices of at most `max_rows` random rows, in order."""
    if len(row_ids) <= max_rows:
        return np.arange(len(row_ids))
    return np.sort(np.argsort(rng.derive_row_keys(key, row_ids), kind="stable")[:max_rows])


def _compute_features(tables: FeatureTables, config: SamplingConfig, rows: _Rows) -> dict[str, npt.NDArray[Any]]:
    """name -> feature column."""
    import pyarrow as pa

    database = tables.connection
    requested = {"row": np.arange(len(rows.user)), "user_code": rows.user, "item_code": rows.item, "time": rows.time}
    database.register("click_rows", pa.table(requested))
    numeric, categorical = features.list_feature_columns(tables, config.window_days, config.include_ids)
    table = database.sql(features.select_features(tables, config.window_days, numeric, categorical)).to_arrow_table()
    database.unregister("click_rows")
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in numeric:
        columns[name] = np.asarray(table.column(name).to_numpy(), np.float64)
    for name in categorical:
        columns[name] = np.asarray(table.column(name).to_numpy(), object)
    return columns


def count_missing(rows: Samples) -> dict[str, int]:
    """column -> number of missing values, where there are any."""
    numbers = dict(zip(rows.numeric, np.isnan(rows.numbers).sum(axis=0).tolist(), strict=True))
    codes = dict(zip(rows.categorical, (rows.codes == 0).sum(axis=0).tolist(), strict=True))
    return {name: count for name, count in (numbers | codes).items() if count}
