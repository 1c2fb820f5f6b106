"""Measures the error of four common evaluation mistakes, the figures of docs/pitfalls.md.

    python bench/pitfalls.py

The model counts item transitions of the simulated shop and falls back to popularity. It is short enough to read here
and accurate enough to show each effect.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories, concat_histories
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import RankedItems
from leaven.simulator import Simulator

Table = npt.NDArray[np.float64]
SEEDS = (7, 8, 9)


def count_transitions(rows: Histories) -> tuple[Table, Table]:
    """Return transition counts (items, items) and item counts (items,), with ids from 0."""
    n, row = rows.n_items, rows.event_rows()
    inside = row[1:] == row[:-1]
    followed = np.zeros((n, n))
    np.add.at(followed, (rows.items[:-1][inside] - 1, rows.items[1:][inside] - 1), 1)
    return followed, np.bincount(rows.items - 1, minlength=n).astype(float)


def score_items(train: Histories, known: Histories, fallback: bool = True) -> Table:
    """Return scores (users, items): transitions from the last item, then popularity; -1 for seen items."""
    followed, popular = count_transitions(train)
    out = followed[known.items[known.starts[1:] - 1] - 1]
    if fallback:
        out = out + 0.9 * popular / popular.max()
    out[known.event_rows(), known.items - 1] = -1.0
    return out


def rank_top(values: Table, k: int = 10) -> RankedItems:
    """Return the top k items of each user."""
    top = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return RankedItems((top + 1).astype(np.int32), np.take_along_axis(values, top, axis=1).astype(np.float32))


def hold_out_last(histories: Histories) -> HeldOut:
    """Return the last event of every user with three or more as target."""
    long = histories.take(histories.lengths >= 3)
    last = long.starts[1:] - 1
    return HeldOut(
        drop_events(long, np.isin(np.arange(long.n_events), last)),
        long.items[last],
        long.times[last],
        np.arange(len(long) + 1, dtype=np.int64),
    )


def drop_events(histories: Histories, drop: npt.NDArray[np.bool_]) -> Histories:
    """Return the histories without the marked events; rows may become empty."""
    source = np.flatnonzero(~drop)
    lengths = np.bincount(histories.event_rows()[source], minlength=len(histories))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return histories.replace_events(starts, histories.items[source], histories.times[source], source)


def compute_ndcg(train: Histories, held_out: HeldOut) -> float:
    """Return the mean NDCG@10 of the transition model."""
    return float(Ndcg(10)(rank_top(score_items(train, held_out.histories)), held_out, train).mean())


def measure_leave_one_out_leak(seed: int) -> dict[str, float]:
    """Return NDCG of users with the last event in the middle of the year, with and without later training events."""
    histories = Simulator(seed=seed, days=365).build_world().histories
    held_out = hold_out_last(histories)
    low, high = np.quantile(histories.times, [0.3, 0.5])
    early = held_out.take((held_out.target_times > low) & (held_out.target_times <= high))
    train = held_out.histories
    later = np.array([(train.times > time).mean() for time in early.target_times])
    past = drop_events(train, train.times > low)
    # Same number of events as `past`, but from all times: separates the leak from the training size.
    drawn = rng.make_generator(rng.derive_key(seed, "leak")).permutation(len(train))
    fewer = train.take(drawn[: int(np.searchsorted(np.cumsum(train.lengths[drawn]), past.n_events)) + 1])
    return {
        "training events later than the target": float(later.mean()),
        "NDCG@10, leave-one-out": compute_ndcg(train, early),
        "NDCG@10, leave-one-out, same number of events as below": compute_ndcg(fewer, early),
        "NDCG@10, training events before all targets only": compute_ndcg(past, early),
    }


def sample_chain(train: Histories, rows: int, sharpen: float, key: int) -> Histories:
    """Return rows of ten events from the counted transitions, each probability raised to `sharpen` (1: as counted)."""
    followed, popular = count_transitions(train)
    law = (followed + 0.1 * popular / popular.sum()) ** sharpen
    law /= law.sum(axis=1, keepdims=True)
    generator = rng.make_generator(key)
    items = np.zeros((rows, 10), np.int64)
    items[:, 0] = generator.choice(len(popular), rows, p=popular**sharpen / (popular**sharpen).sum())
    for step in range(1, 10):
        passed = law[items[:, step - 1]].cumsum(axis=1) < generator.random(rows)[:, None]
        items[:, step] = np.minimum(passed.sum(axis=1), len(popular) - 1)
    times = np.tile(np.arange(10), rows)
    keys = rng.derive_row_keys(key, np.arange(rows, dtype=np.uint64))
    return Histories.from_arrays(items.ravel() + 1, times, np.arange(rows + 1) * 10, keys, train.n_items)


def measure_popularity_feedback(seed: int) -> dict[str, float]:
    """Return the share of top items when a sharpened generator trains the next one, with and without real rows."""
    train = hold_out_last(Simulator(seed=seed).build_world().histories).histories
    figures = {"share of the 60 top items, real": compute_top_share(train)}
    alone, mixed = train, train
    for turn in (1, 2, 3):
        alone = sample_chain(alone, 3000, 1.2, rng.derive_key(seed, "alone", turn))
        mixed = concat_histories([train, sample_chain(mixed, 3000, 1.2, rng.derive_key(seed, "beside", turn))])
        if turn in (1, 3):
            figures[f"share after {turn} round(s), synthetic rows only"] = compute_top_share(alone)
            figures[f"share after {turn} round(s), synthetic and real rows"] = compute_top_share(mixed)
    return figures


def compute_top_share(rows: Histories) -> float:
    """Return the share of events of the 60 most popular items."""
    popular = np.sort(count_transitions(rows)[1])[::-1]
    return float(popular[:60].sum() / popular.sum())


def measure_synthetic_users(seed: int) -> dict[str, float]:
    """Return the NDCG of the same model on synthetic and on real users."""
    held_out = hold_out_last(Simulator(seed=seed).build_world().histories)
    train = held_out.histories
    new = sample_chain(train, len(train), 1.2, rng.derive_key(seed, "judge"))
    return {
        "NDCG@10 on real users": compute_ndcg(train, held_out),
        "NDCG@10 on synthetic users": compute_ndcg(train, hold_out_last(new)),
    }


def measure_ties(seed: int) -> dict[str, float]:
    """Return NDCG with ties broken in favor of the target, randomly and against it, and the share of equal times."""
    held_out = hold_out_last(Simulator(seed=seed).build_world().histories)
    known, rows = held_out.histories, np.arange(len(held_out))
    values = score_items(known, known, fallback=False)
    index = (rows, held_out.target_items - 1)
    noise = rng.make_generator(rng.derive_key(seed, "ties")).random(values.shape) * 0.5
    nudged = {"in favor of the target": 0.5, "against the target": -0.5}
    figures = {}
    for name, nudge in nudged.items():
        moved = values.copy()
        moved[index] += np.where(values[index] >= 0, nudge, 0.0)
        figures[f"NDCG@10, ties {name}"] = float(Ndcg(10)(rank_top(moved), held_out, known).mean())
    figures["NDCG@10, ties random"] = float(Ndcg(10)(rank_top(values + noise * (values >= 0)), held_out, known).mean())
    figures["targets with the time of the previous event"] = float(
        (known.times[known.starts[1:] - 1] == held_out.target_times).mean()
    )
    return figures


def main() -> None:
    """Print every figure as mean and range over the seeds."""
    for measure in (
        measure_leave_one_out_leak,
        measure_popularity_feedback,
        measure_synthetic_users,
        measure_ties,
    ):
        results = [measure(seed) for seed in SEEDS]
        print(measure.__name__.removeprefix("measure_").replace("_", " "))
        for name in results[0]:
            values = [result[name] for result in results]
            print(f"  {name:<55} {np.mean(values):.3f}   ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
