"""How wrong is the figure that a common mistake gives? Every figure of docs/pitfalls.md.

    python bench/pitfalls.py

Measured on the simulated shop with a counter of transitions: what followed an item how often, and
popularity where nothing did. Small enough to read here, and good enough to be misled.
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


def counts(rows: Histories) -> tuple[Table, Table]:
    """(how often each item followed each, how often each item came), ids counting from 0."""
    n, row = rows.n_items, rows.event_rows()
    inside = row[1:] == row[:-1]
    followed = np.zeros((n, n))
    np.add.at(followed, (rows.items[:-1][inside] - 1, rows.items[1:][inside] - 1), 1)
    return followed, np.bincount(rows.items - 1, minlength=n).astype(float)


def scores(train: Histories, known: Histories, fallback: bool = True) -> Table:
    """(users, items): transitions from the last item, then popularity; -1 for items already seen."""
    followed, popular = counts(train)
    out = followed[known.items[known.starts[1:] - 1] - 1]
    if fallback:
        out = out + 0.9 * popular / popular.max()
    out[known.event_rows(), known.items - 1] = -1.0
    return out


def ranked(values: Table, k: int = 10) -> RankedItems:
    top = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return RankedItems((top + 1).astype(np.int32), np.take_along_axis(values, top, axis=1).astype(np.float32))


def last_out(histories: Histories) -> HeldOut:
    """The last event of every user with three or more."""
    long = histories.take(histories.lengths >= 3)
    last = long.starts[1:] - 1
    return HeldOut(cut(long, np.isin(np.arange(long.n_events), last)), long.items[last], long.times[last], ends(long))


def cut(histories: Histories, drop: npt.NDArray[np.bool_]) -> Histories:
    """The rows without these events; every row keeps at least its place."""
    source = np.flatnonzero(~drop)
    lengths = np.bincount(histories.event_rows()[source], minlength=len(histories))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return histories.replace_events(starts, histories.items[source], histories.times[source], source)


def ends(histories: Histories) -> npt.NDArray[np.int64]:
    return np.arange(len(histories) + 1, dtype=np.int64)


def ndcg(train: Histories, held_out: HeldOut) -> float:
    return float(Ndcg(10)(ranked(scores(train, held_out.histories)), held_out, train).mean())


def leave_one_out_leak(seed: int) -> dict[str, float]:
    """Users whose last event lies in the middle of the year: counted with all others' future, and without."""
    histories = Simulator(seed=seed, days=365).build_world().histories
    held_out = last_out(histories)
    low, high = np.quantile(histories.times, [0.3, 0.5])
    early = held_out.take((held_out.target_times > low) & (held_out.target_times <= high))
    train = held_out.histories
    later = np.array([(train.times > time).mean() for time in early.target_times])
    past = cut(train, train.times > low)
    # as many events as the honest training has, but of all times: what is the leak, what is mere size?
    drawn = rng.make_generator(rng.derive_key(seed, "leak")).permutation(len(train))
    fewer = train.take(drawn[: int(np.searchsorted(np.cumsum(train.lengths[drawn]), past.n_events)) + 1])
    return {
        "training events later than the target": float(later.mean()),
        "NDCG@10, leave-one-out": ndcg(train, early),
        "NDCG@10, leave-one-out, as few events as below": ndcg(fewer, early),
        "NDCG@10, training events before all targets only": ndcg(past, early),
    }


def sample_chain(train: Histories, rows: int, sharpen: float, key: int) -> Histories:
    """Rows of ten from the counted transitions, each chance raised to `sharpen` (1: as counted)."""
    followed, popular = counts(train)
    law = (followed + 0.1 * popular / popular.sum()) ** sharpen
    law /= law.sum(axis=1, keepdims=True)
    chance = rng.make_generator(key)
    items = np.zeros((rows, 10), np.int64)
    items[:, 0] = chance.choice(len(popular), rows, p=popular**sharpen / (popular**sharpen).sum())
    for step in range(1, 10):
        passed = law[items[:, step - 1]].cumsum(axis=1) < chance.random(rows)[:, None]
        items[:, step] = np.minimum(passed.sum(axis=1), len(popular) - 1)
    times = np.tile(np.arange(10), rows)
    keys = rng.derive_row_keys(key, np.arange(rows, dtype=np.uint64))
    return Histories.from_arrays(items.ravel() + 1, times, np.arange(rows + 1) * 10, keys, train.n_items)


def popularity_echo(seed: int) -> dict[str, float]:
    """A slightly greedy generator feeds the next one: alone, or beside the real rows."""
    train = last_out(Simulator(seed=seed).build_world().histories).histories
    figures = {"share of the 60 top items, real": top_share(train)}
    alone, beside = train, train
    for turn in (1, 2, 3):
        alone = sample_chain(alone, 3000, 1.2, rng.derive_key(seed, "alone", turn))
        beside = concat_histories([train, sample_chain(beside, 3000, 1.2, rng.derive_key(seed, "beside", turn))])
        if turn in (1, 3):
            figures[f"share after {turn} round(s), generated rows alone"] = top_share(alone)
            figures[f"share after {turn} round(s), beside the real rows"] = top_share(beside)
    return figures


def top_share(rows: Histories) -> float:
    popular = np.sort(counts(rows)[1])[::-1]
    return float(popular[:60].sum() / popular.sum())


def judged_on_generated_users(seed: int) -> dict[str, float]:
    """The same ranking of the same model, for users that were generated and for real ones."""
    held_out = last_out(Simulator(seed=seed).build_world().histories)
    train = held_out.histories
    new = sample_chain(train, len(train), 1.2, rng.derive_key(seed, "judge"))
    return {
        "NDCG@10 on real users": ndcg(train, held_out),
        "NDCG@10 on generated users": ndcg(train, last_out(new)),
    }


def ties(seed: int) -> dict[str, float]:
    """Equal scores ranked for the model, by lot, and against it; and targets at the second of another event."""
    held_out = last_out(Simulator(seed=seed).build_world().histories)
    known, rows = held_out.histories, np.arange(len(held_out))
    values = scores(known, known, fallback=False)
    place = (rows, held_out.target_items - 1)
    lot = rng.make_generator(rng.derive_key(seed, "ties")).random(values.shape) * 0.5
    nudged = {"for the model": 0.5, "against it": -0.5}
    figures = {}
    for name, nudge in nudged.items():
        moved = values.copy()
        moved[place] += np.where(values[place] >= 0, nudge, 0.0)
        figures[f"NDCG@10, ties {name}"] = float(Ndcg(10)(ranked(moved), held_out, known).mean())
    figures["NDCG@10, ties by lot"] = float(Ndcg(10)(ranked(values + lot * (values >= 0)), held_out, known).mean())
    figures["targets at the second of the event before"] = float(
        (known.times[known.starts[1:] - 1] == held_out.target_times).mean()
    )
    return figures


def main() -> None:
    """Prints every figure, mean over the seeds, and the range."""
    for measure in (leave_one_out_leak, popularity_echo, judged_on_generated_users, ties):
        results = [measure(seed) for seed in SEEDS]
        print(measure.__name__.replace("_", " "))
        for name in results[0]:
            values = [result[name] for result in results]
            print(f"  {name:<52} {np.mean(values):.3f}   ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
