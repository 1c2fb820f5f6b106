"""Real logs of the benchmarks, split as in the literature, from the folder LEAVEN_DATA."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.itemknn import load_users
from leaven.datasets.histories import HeldOut, Histories
from leaven.splits.log_splits import TimeSplit, split

Pairs = npt.NDArray[np.int64]
CART, PURCHASE = 0, 1
"""Codes of the event kinds of `taobao`."""


@dataclass(frozen=True, eq=False)
class RealLog:
    """Training rows, validation users and test users of one log."""

    name: str
    train: Histories
    valid: HeldOut
    test: HeldOut


def locate_data() -> Path:
    """Return the folder of public data."""
    return Path(os.environ.get("LEAVEN_DATA", "../shared/data"))


def is_data_missing() -> bool:
    """Return whether the public data are not there, and say so: a benchmark is skipped then."""
    folder = locate_data() / "beauty"
    if not folder.exists():
        print(f"skipped: {folder} is missing (LEAVEN_DATA)")
    return not folder.exists()


def load_beauty_by_time() -> RealLog:
    """Return Beauty with titles, split at one time for all users."""
    from bench.cold import load_split

    parts = load_split()
    return RealLog("Beauty, by time", parts.train, parts.valid, parts.test)


def load_retail_by_time() -> RealLog:
    """Return UCI Online Retail, cleaned with the defaults, with descriptions, split at one time for all users."""
    from leaven.cleaning import CleaningConfig, clean_events
    from leaven.ingest import build_catalog, build_histories, read_events
    from leaven.ingest.source_config import LogSource

    columns = {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "quantity": "Quantity"}
    columns |= {"price": "UnitPrice", "order": "InvoiceNo", "text": "Description"}
    events = clean_events(
        read_events(LogSource(locate_data() / "online_retail.csv.gz", columns)), CleaningConfig()
    ).events
    ordered = build_histories(events)
    histories = replace(ordered.histories, catalog=build_catalog(events, ordered.item_ids))
    parts = split(histories, TimeSplit(), 1)
    return RealLog("Online Retail, by time", parts.train, parts.valid, parts.test)


def load_leave_one_out(name: str, file: str) -> RealLog:
    """Return a file of one user per line: the last event is the test target, the one before the validation target."""
    users = load_users(locate_data() / "sequences" / file)
    return RealLog(name, users.train, users.valid, users.test)


def read_pairs(name: str) -> Pairs:
    """Return a file of `taobao`, int64 (rows, 2): user and item, both from 1."""
    with (locate_data() / "taobao" / name).open() as file:
        return np.array([[int(user) + 1, int(item) + 1] for user, item in list(csv.reader(file))[1:]], np.int64)


def load_taobao(carts: Pairs | None = None, repeats: int = 1) -> RealLog:
    """Return purchases after carts, with the given splits; test histories contain the validation purchase.

    carts    other carts than those of the file: (rows, 2)
    repeats  how often the training rows are repeated
    """
    names = ("carts", "purchases_train", "purchases_valid", "purchases_test")
    read, train, valid, test = (read_pairs(f"{name}.csv") for name in names)
    carts = read if carts is None else carts
    n_items = max(int(pairs[:, 1].max()) for pairs in (read, train, valid, test))
    known = build_typed_histories([(CART, carts), (PURCHASE, train)], n_items)
    later = build_typed_histories([(CART, carts), (PURCHASE, np.concatenate([train, valid]))], n_items)
    rows = known if repeats == 1 else known.concat_with([known] * (repeats - 1))
    return RealLog("Taobao, purchases", rows, hold_out(known, valid), hold_out(later, test))


def load_purchases_alone() -> RealLog:
    """Return `load_taobao` without carts."""
    return load_taobao(np.zeros((0, 2), np.int64))


def build_typed_histories(parts: list[tuple[int, Pairs]], n_items: int) -> Histories:
    """Return one row per user with the events of each (kind, pairs) in turn; the log has no clock."""
    pairs = np.concatenate([part for _, part in parts])
    kinds = np.concatenate([np.full(len(part), kind, np.int16) for kind, part in parts])
    order = np.lexsort((kinds, pairs[:, 0]))
    users, starts = np.unique(pairs[order, 0], return_index=True)
    starts = np.append(starts, len(order))
    position = np.arange(len(order)) - np.repeat(starts[:-1], np.diff(starts))
    rows = Histories.from_arrays(pairs[order, 1], position, starts, users, n_items)
    return replace(rows, extra={"kind": kinds[order]})


def hold_out(histories: Histories, targets: Pairs) -> HeldOut:
    """Return the users of `targets` with their histories; every user has one target."""
    ordered = targets[np.argsort(targets[:, 0], kind="stable")]
    rows = histories.take(np.searchsorted(histories.row_ids, ordered[:, 0].astype(np.uint64)))
    return HeldOut(rows, ordered[:, 1].astype(np.int32), np.zeros(len(rows), np.int64), np.arange(len(rows) + 1))


LOGS: dict[str, Callable[[], RealLog]] = {
    "beauty_time": load_beauty_by_time,
    "retail_time": load_retail_by_time,
    "beauty_loo": lambda: load_leave_one_out("Beauty, leave-one-out", "Beauty.txt"),
    "sports_loo": lambda: load_leave_one_out("Sports, leave-one-out", "Sports_and_Outdoors.txt"),
    "taobao": load_purchases_alone,
    "taobao_carts": load_taobao,
}
