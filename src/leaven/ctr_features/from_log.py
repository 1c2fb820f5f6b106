"""How does a log become labelled rows?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.ctr_features import features
from leaven.ctr_features.negative_sampling import Deeds, Drawn, draw
from leaven.ctr_features.running_totals import Staged, stage
from leaven.ctr_features.sampling_config import Sampling
from leaven.datasets.events import Events
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


def sample(
    events: Events, wish: Sampling | None = None, key: int = 0, since: int | None = None, until: int | None = None
) -> Samples:
    """Positives after second `since` and up to second `until`, and their negatives, described as of their moment.

    A positive that was not on sale by the rule that negatives obey is left out, and counted: else "never sold yet"
    would give the label away. What happened before `since` shapes the features; what happens after `until` shapes
    nothing at all. `facts`: positives, negatives, users, items, what was refused, and how many values of each column
    are missing.

    Raises DataError where the period holds no event.
    """
    wish = wish or Sampling()
    staged = stage(events, until)
    deeds, user_keys, item_keys = _deeds(staged)
    user, item, time, found = _positives(staged, wish, since)
    keys = _row_keys(user_keys[user], item_keys[item], time)
    chosen = _thinned(keys, wish.most_positives, rng.key(key, "positives"))
    user, item, time, keys = user[chosen], item[chosen], time[chosen], keys[chosen]
    drawn = draw(deeds, user, item, time, rng.row_keys(rng.key(key, "negatives"), keys), wish)
    if not drawn.on_sale.any():
        fix = "begin later, or raise on_sale_days"
        raise DataError("sampling", "positives of items that were on sale before their day", "none", fix)
    rows = _Rows.of(user, item, time, keys, drawn)
    columns = _described(staged, wish, rows)
    made = Samples.real(columns, rows.label, rows.keys, user_keys[rows.user], rows.time)
    facts: dict[str, Any] = {
        "positives": int(drawn.on_sale.sum()),
        "negatives": len(drawn.item),
        "thinned_out": found - len(user),
        **drawn.counts,
    }
    facts |= {"users": len(np.unique(rows.user)), "items": len(np.unique(rows.item)), "missing": _missing(made)}
    return replace(made, facts=facts).check()


def by_time(
    events: Events,
    wish: Sampling | None = None,
    key: int = 0,
    shares: tuple[float, float, float] = (0.2, 0.15, 0.15),
) -> tuple[Samples, Samples, Samples]:
    """(train, valid, test) by one moment each for all users.

    shares: of the events that only warm the features up, that validate, and that test; the others train. Each part is
    made by itself, and nothing of it knows what comes after its own period.

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
    return (
        sample(events, wish, rng.key(key, "train"), begin, int(second)),
        sample(events, wish, rng.key(key, "valid"), int(second), int(third)),
        sample(events, wish, rng.key(key, "test"), int(third), None),
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Positives that were on sale by the rule of the negatives, each with its negatives after it."""

    user: Ints
    item: Ints
    time: Ints
    keys: Keys
    label: npt.NDArray[np.float32]

    @classmethod
    def of(cls, user: Ints, item: Ints, time: Ints, keys: Keys, drawn: Drawn) -> _Rows:
        there = np.flatnonzero(drawn.on_sale)
        owner = np.concatenate([there, drawn.positive])
        slot = np.concatenate([np.full(len(there), -1), drawn.slot])
        label = (slot < 0).astype(np.float32)
        items = np.concatenate([item[there], drawn.item])
        names = rng.mix(keys[owner] ^ rng.mix((slot + 2).astype(np.uint64)))
        names[: len(there)] = keys[there]
        order = np.lexsort((slot, owner))
        return cls(user[owner][order], items[order], time[owner][order], names[order], label[order])


def _deeds(staged: Staged) -> tuple[Deeds, Keys, Keys]:
    """(what happened, key of each user code, key of each item code); place 0 belongs to nobody."""
    database = staged.connection
    events = database.execute("SELECT user_code, item_code, time FROM click_events").fetchnumpy()
    items = database.sql("SELECT id, category_code, born FROM click_items ORDER BY code").to_arrow_table()
    users = database.sql("SELECT id FROM click_users ORDER BY code").to_arrow_table()
    category = np.concatenate([[0], items.column("category_code").to_numpy()]).astype(np.int64)
    never = np.iinfo(np.int64).max
    born = np.concatenate([[never], items.column("born").fill_null(never).to_numpy()]).astype(np.int64)
    user, item, time = (np.asarray(events[name], np.int64) for name in ("user_code", "item_code", "time"))
    deeds = Deeds(user, item, time, category, born)
    keys = [rng.user_keys(["", *table.column("id").to_pylist()]) for table in (users, items)]
    return deeds, keys[0], keys[1]


def _positives(staged: Staged, wish: Sampling, since: int | None) -> tuple[Ints, Ints, Ints, int]:
    """(user, item, time, how many) in order of time, each pair once a second.

    Raises DataError where there are none.
    """
    conditions = [] if since is None else [f"time > {int(since)}"]
    if wish.positive_kinds:
        kinds = ", ".join("'" + kind.replace("'", "''") + "'" for kind in wish.positive_kinds)
        conditions.append(f"kind IN ({kinds})")
    if not wish.repeats:
        firsts = "SELECT user_code, item_code, first FROM click_pair"
        conditions.append(f"(user_code, item_code, time) IN ({firsts})")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"SELECT DISTINCT user_code, item_code, time FROM click_events {where} ORDER BY time, user_code, item_code"
    found = staged.connection.execute(sql).fetchnumpy()
    if not len(found["time"]):
        period = f"between second {since if since is not None else 'of the first event'} and second {staged.until}"
        raise DataError("sampling", f"positive events {period}", "none", "check the period and positive_kinds")
    user, item, time = (np.asarray(found[name], np.int64) for name in ("user_code", "item_code", "time"))
    return user, item, time, len(time)


def _row_keys(user: Keys, item: Keys, time: Ints) -> Keys:
    """uint64 (rows,): from the original ids and the second alone."""
    return rng.mix(user ^ rng.mix(item ^ rng.mix(time.astype(np.uint64))))


def _thinned(keys: Keys, most: int, key: int) -> Ints:
    """int64: which rows stay where there are too many, in their order."""
    if len(keys) <= most:
        return np.arange(len(keys))
    return np.sort(np.argsort(rng.row_keys(key, keys), kind="stable")[:most])


def _described(staged: Staged, wish: Sampling, rows: _Rows) -> dict[str, npt.NDArray[Any]]:
    """name -> column of features."""
    import pyarrow as pa

    database = staged.connection
    asked = {"row": np.arange(len(rows.user)), "user_code": rows.user, "item_code": rows.item, "time": rows.time}
    database.register("click_rows", pa.table(asked))
    numeric, categorical = features.columns(staged, wish.window_days, wish.ids)
    table = database.sql(features.query(staged, wish.window_days, numeric, categorical)).to_arrow_table()
    database.unregister("click_rows")
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in numeric:
        columns[name] = np.asarray(table.column(name).to_numpy(), np.float64)
    for name in categorical:
        columns[name] = np.asarray(table.column(name).to_numpy(), object)
    return columns


def _missing(rows: Samples) -> dict[str, int]:
    """column -> how many of its values are missing; columns without any are left out."""
    numbers = dict(zip(rows.numeric, np.isnan(rows.numbers).sum(axis=0).tolist(), strict=True))
    codes = dict(zip(rows.categorical, (rows.codes == 0).sum(axis=0).tolist(), strict=True))
    return {name: count for name, count in (numbers | codes).items() if count}
