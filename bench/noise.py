"""Measures random clicks in training rows, and what cleaning and weights win back; `python -m bench.evidence noise`.

Random clicks are injected into training rows only; validation and test users stay as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.backtests import evaluate, select_events, take_evenly
from bench.paired_tables import DRAWS, format_difference
from bench.real_logs import RealLog, is_data_missing, load_beauty_by_time, load_retail_by_time
from leaven import rng
from leaven.datasets.histories import Histories
from leaven.recommenders.sparse_linear import SparseLinear

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "noise.md"
RATES, SEEDS, MAX_USERS = (0.0, 0.05, 0.1, 0.2), 5, 2000
DROPPED = (0.0, 0.03, 0.1, 0.2)
"""Candidates for the share of events that cleaning drops, chosen on validation users of the first seed."""
Values = npt.NDArray[np.float64]


def inject_clicks(train: Histories, rate: float, seed: int) -> Histories:
    """Return the rows with random items after random events, at the same time; rate: share of the real events."""
    generator = rng.make_generator(rng.derive_key(seed, "noise"))
    after = np.sort(generator.integers(0, train.n_events, round(rate * train.n_events)))
    items = np.insert(train.items, after + 1, generator.integers(1, train.n_items + 1, len(after)).astype(np.int32))
    times = np.insert(train.times, after + 1, train.times[after])
    source = np.insert(np.arange(train.n_events), after + 1, -1)
    starts = train.starts + np.searchsorted(after, train.starts)
    return train.replace_events(starts.astype(np.int64), items, times, source)


def measure_support(train: Histories) -> Values:
    """Return the mean cosine of each event's item with the other items of its row, without that row, (events,)."""
    import scipy.sparse as sparse

    place = (train.event_rows(), train.items.astype(np.int64) - 1)
    matrix = sparse.csr_matrix((np.ones(train.n_events), place), shape=(len(train), train.n_items))
    matrix.data[:] = 1.0
    together = (matrix.T @ matrix).tocsr()
    counts = together.diagonal()
    together.setdiag(0)
    together.eliminate_zeros()
    together.data -= 1.0  # the own row
    scale = sparse.diags(1.0 / np.sqrt(np.maximum(counts, 1.0)))
    totals = np.asarray((matrix @ (scale @ together @ scale)).tocsr()[place]).ravel()
    others = np.maximum(np.asarray(matrix.sum(axis=1)).ravel()[place[0]] - 1, 1)
    return np.asarray(totals / others, np.float64)


def drop_events(train: Histories, share: float) -> Histories:
    """Return the rows without this share of the events, those of the lowest support."""
    support = measure_support(train)
    rank = np.argsort(np.argsort(support, kind="stable"))
    return select_events(train, rank >= share * train.n_events)


def weigh_rows(train: Histories) -> Histories:
    """Return the rows with weights from 0 to 1: the mean rank of the support of their events."""
    rank = np.argsort(np.argsort(measure_support(train), kind="stable")) / max(train.n_events, 1)
    mean = np.bincount(train.event_rows(), rank, minlength=len(train)) / np.maximum(train.lengths, 1)
    return replace(train, weight=np.asarray(mean / max(mean.max(), 1e-12), train.weight.dtype))


def list_variants(share: float) -> Mapping[str, Callable[[Histories], Histories]]:
    """Return name -> change of the training rows."""
    return {
        "as it is": lambda train: train,
        "cleaned": lambda train: drop_events(train, share),
        "weighted rows": weigh_rows,
        "both": lambda train: weigh_rows(drop_events(train, share)),
    }


def measure_rate(log: RealLog, rate: float) -> tuple[dict[str, Values], float]:
    """Return NDCG@10 for each variant, float64 (seeds, users), and the share that cleaning drops."""
    valid, test = take_evenly(log.valid, MAX_USERS), take_evenly(log.test, MAX_USERS)
    rows = [inject_clicks(log.train, rate, seed) for seed in range(SEEDS if rate else 1)]
    means = [float(evaluate(SparseLinear(), drop_events(rows[0], share), valid).mean()) for share in DROPPED]
    share = DROPPED[int(np.argmax(means))]
    variants = list_variants(share)
    print(f"{log.name}: {rate:.0%}", file=sys.stderr, flush=True)
    return {
        name: np.stack([evaluate(SparseLinear(), change(one), test) for one in rows])
        for name, change in variants.items()
    }, share


def format_log(log: RealLog) -> list[str]:
    """Return the section of one log."""
    lines = [f"## {log.name}", ""]
    lines += ["| random clicks | dropped by cleaning | variant | NDCG@10 | against as it is | of the loss won back |"]
    lines += ["|---|---|---|---|---|---|"]
    clean = 0.0
    for rate in RATES:
        values, share = measure_rate(log, rate)
        plain = values["as it is"].mean(axis=0)
        clean = clean or float(plain.mean())
        for name, table in values.items():
            users = table.mean(axis=0)
            loss = clean - plain.mean()
            won = f"{(users.mean() - plain.mean()) / loss:.0%}" if rate and name != "as it is" and loss > 0 else ""
            difference = "" if name == "as it is" else format_difference(users, plain)
            lines.append(f"| {rate:.0%} | {share:.0%} | {name} | {users.mean():.4f} | {difference} | {won} |")
    return [*lines, ""]


def main() -> None:
    """Write docs/evidence/noise.md and print it."""
    if is_data_missing():
        return
    lines = [
        "# Noise: random clicks in training rows",
        "",
        "Random items are inserted into the training rows, as many as the given share of the real events; validation",
        "and test users stay as they are. Cleaning drops the events of the lowest support: the mean cosine",
        "(co-occurrence in other rows) of an item with the rest of its row. Its share is chosen on validation users, 0",
        "included. Weights of rows follow the support of their events. Recommender: `sparse_linear`.",
        f"{SEEDS} draws of clicks, at most {MAX_USERS:,} users; intervals resample users ({DRAWS:,} draws).",
        "",
        "Written by `python -m bench.evidence noise`.",
        "",
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    for load in (load_beauty_by_time, load_retail_by_time):
        lines += format_log(load())
        PAGE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
