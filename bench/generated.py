"""Where does each generator stand: how likely are unseen users' rows to it, and how alike are its own to theirs?

    python -m bench.generated --steps 1500

Amazon Beauty through LEAVEN_DATA: a fifth of the users is held out; every generator learns the others and makes as many
rows as were held out. A perplexity is exp of the mean surprisal of a held-out event, given the user's events before it
and all times; the VAE's is an upper bound.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.sequence.denoiser import Denoiser
from leaven.generators.sequence.gan import Gan
from leaven.generators.sequence.markov import Markov
from leaven.generators.sequence.recommender_rollouts import RecommenderRollouts
from leaven.generators.sequence.vae import Vae
from leaven.ingest import build_histories, read_events
from leaven.kernels.ngram_hashes import hash_ngrams
from leaven.metrics.ranking.beyond_accuracy import compute_gini
from leaven.metrics.synthetic import coverage_estimators
from leaven.simulator import simulate_first_order, simulate_second_order

Numbers = npt.NDArray[np.float64]

FILE = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty" / "interactions.csv"
SCORED = 1_000  # held-out users whose rows are scored


def wishes(steps: int | None, rank_steps: int | None) -> dict[str, Any]:
    """name -> wish; steps of the nets, None: what each finds right."""
    given = {"steps": steps}
    return {
        "markov, order 1": Markov(order=1),
        "markov, order 2": Markov(),
        "autoregressive, gru": Autoregressive(cell="gru", layers=1, **given),
        "autoregressive, transformer": Autoregressive(**given),
        "vae, likelihood": Vae(**given),
        "vae, squared error": Vae(objective="squared_error", beta=0.01, **given),
        "gan, relativistic": Gan(**given),
        "gan, source": Gan(loss="source", likelihood_weight=0.0, **given),
        "denoiser": Denoiser(**given),
        "self": RecommenderRollouts(steps=rank_steps),
    }


def halves() -> tuple[Histories, Histories]:
    """(training users, held-out users) of Beauty."""
    rows = build_histories(read_events(str(FILE))).histories
    held_out = rng.draw_uniform(rows.row_ids, 5) < 0.2
    return rows.take(~held_out), rows.take(held_out)


def shown(rows: Histories, train: Histories) -> list[str]:
    """Coverage, Gini, share of the top 100, shares of runs of two and of three items that no training row holds."""
    counts = np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1]
    novel = []
    for size in (2, 3):
        hashes, _ = hash_ngrams(rows.items, rows.starts, size)
        novel.append(1 - np.isin(hashes, hash_ngrams(train.items, train.starts, size)[0]).mean())
    values = [(counts > 0).mean(), compute_gini(counts), coverage_estimators.compute_top_share(counts, 100), *novel]
    return [f"{value:.3f}" for value in values]


def perplexity(fitted: Any, rows: Histories) -> str:
    """Of an event of these rows but the first; nothing where there is no likelihood."""
    if not hasattr(fitted, "log_likelihood"):
        return "–"
    return f"{np.exp(-fitted.log_likelihood(rows).sum() / (rows.lengths - 1).sum()):,.0f}"


def beauty(only: Sequence[str], steps: int | None, rank_steps: int | None) -> None:
    train, held = halves()
    keys = rng.derive_user_ids([f"new{i}" for i in range(len(held))])
    told = "as many steps as each finds right" if steps is None else f"{steps:,} steps"
    print(f"{len(train):,} users to learn from, {len(held):,} held out, {held.n_items:,} items; nets took {told}.\n")
    print("| rows | fit, s | perplexity | coverage | Gini | top 100 | novel pairs | novel threes |")
    print("|---|---|---|---|---|---|---|---|")
    print(f"| held-out real | | | {' | '.join(shown(held, train))} |", flush=True)
    for name, wish in wishes(steps, rank_steps).items():
        if only and name not in only:
            continue
        began = time.process_time()
        fitted = wish.fit(train, 7)
        seconds = time.process_time() - began
        words = [name, f"{seconds:.0f}", perplexity(fitted, held.slice(0, min(SCORED, len(held))))]
        print(f"| {' | '.join([*words, *shown(fitted.sample(keys), train)])} |", flush=True)


def divergence(rows: Histories, law: Numbers) -> float:
    """Total variation between what follows in rows and what truly follows, weighted by how often each context comes.

    law float64, (items,) * order of the contexts, the last item last, then (items,) of followers.
    """
    shares, seen = followers(rows, law.ndim)
    return float((np.abs(shares - law).sum(axis=-1) / 2 * seen).sum() / seen.sum())


def followers(rows: Histories, axes: int) -> tuple[Numbers, Numbers]:
    """(what follows each context, as a law has it; how often each context comes)."""
    counts, row, order = np.zeros((rows.n_items,) * axes), rows.event_rows(), axes - 1
    inside = np.flatnonzero(row[order:] == row[:-order])
    np.add.at(counts, tuple(rows.items[inside + place] - 1 for place in range(axes)), 1)
    seen = counts.sum(axis=-1)
    return counts / np.maximum(seen, 1)[..., None], seen


def known_law(only: Sequence[str], steps: int) -> None:
    """A world of order two, where who reads one item back cannot know it, and one of order one."""
    drawn = [world(8, rows=6_000, length=10, seed=3) for world in (simulate_second_order, simulate_first_order)]
    worlds = [(rows.slice(0, 3_000), law) for rows, law in drawn]
    others = [(rows.slice(3_000, 6_000), followers(rows.slice(0, 3_000), law.ndim)[0]) for rows, law in drawn]
    keys = rng.derive_user_ids([f"new{i}" for i in range(3_000)])
    print("\nTwo worlds of 8 items, 3,000 rows each: how far what follows is from the true law.\n")
    print("| rows | order two | order one |\n|---|---|---|")
    for name, of in (("real", worlds), ("other real rows, from these", others)):
        print(f"| {name} | {' | '.join(f'{divergence(rows, law):.3f}' for rows, law in of)} |", flush=True)
    for name, wish in wishes(steps, steps).items():
        if only and name not in only:
            continue
        made = [(wish.fit(rows, 7).sample(keys), law) for rows, law in worlds]
        print(f"| {name} | {' | '.join(f'{divergence(rows, law):.3f}' for rows, law in made)} |", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, help="of the nets; left out: what each finds right")
    parser.add_argument("--rank-steps", type=int, help="of the recommender")
    parser.add_argument("--law-steps", type=int, default=600, help="in the world of a known law; 0: leave it out")
    parser.add_argument("--only", action="append", default=[], help="names of generators; all where left out")
    parser.add_argument("--laws", action="store_true", help="the worlds of a known law alone")
    wish = parser.parse_args(arguments)
    if not wish.laws:
        beauty(wish.only, wish.steps, wish.rank_steps)
    if wish.law_steps:
        known_law(wish.only, wish.law_steps)


if __name__ == "__main__":
    main()
