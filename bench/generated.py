"""Measures perplexity on held-out users and the fidelity of synthetic rows for each generator of histories.

    python -m bench.generated --steps 1500

Amazon Beauty in the folder LEAVEN_DATA: 20 % of the users are held out; every generator is fitted to the others and
samples the number of held-out rows. Perplexity is exp of the mean surprisal of a held-out event, given the earlier
events of the user and all times; that of the VAE is an upper bound.
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
from leaven.metrics.synthetic import diversity_metrics
from leaven.simulator import simulate_first_order, simulate_second_order

Numbers = npt.NDArray[np.float64]

FILE = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty" / "interactions.csv"
SCORED = 1_000  # held-out users whose rows are scored


def list_configs(steps: int | None, rank_steps: int | None) -> dict[str, Any]:
    """Return name -> config; steps None: the default of each generator."""
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
        "recommender rollouts": RecommenderRollouts(steps=rank_steps),
    }


def load_parts() -> tuple[Histories, Histories]:
    """Return training users and held-out users of Beauty."""
    rows = build_histories(read_events(str(FILE))).histories
    held_out = rng.draw_uniform(rows.row_ids, 5) < 0.2
    return rows.take(~held_out), rows.take(held_out)


def format_statistics(rows: Histories, train: Histories) -> list[str]:
    """Return coverage, Gini, share of the top 100 items, and shares of bigrams and trigrams not in training rows."""
    counts = np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1]
    novel = []
    for size in (2, 3):
        hashes, _ = hash_ngrams(rows.items, rows.starts, size)
        novel.append(1 - np.isin(hashes, hash_ngrams(train.items, train.starts, size)[0]).mean())
    values = [(counts > 0).mean(), compute_gini(counts), diversity_metrics.compute_top_share(counts, 100), *novel]
    return [f"{value:.3f}" for value in values]


def format_perplexity(fitted: Any, rows: Histories) -> str:
    """Return the perplexity of all events but the first of each row; a dash without a likelihood."""
    if not hasattr(fitted, "log_likelihood"):
        return "–"
    return f"{np.exp(-fitted.log_likelihood(rows).sum() / (rows.lengths - 1).sum()):,.0f}"


def print_beauty(only: Sequence[str], steps: int | None, rank_steps: int | None) -> None:
    """Print the table for Beauty, one line per generator."""
    train, held = load_parts()
    keys = rng.derive_user_ids([f"new{i}" for i in range(len(held))])
    n_steps = "their default number of steps" if steps is None else f"{steps:,} steps"
    print(f"{len(train):,} training users, {len(held):,} held out, {held.n_items:,} items; nets take {n_steps}.\n")
    print("| rows | fit, s | perplexity | coverage | Gini | top 100 | novel bigrams | novel trigrams |")
    print("|---|---|---|---|---|---|---|---|")
    print(f"| held-out real | | | {' | '.join(format_statistics(held, train))} |", flush=True)
    for name, config in list_configs(steps, rank_steps).items():
        if only and name not in only:
            continue
        start = time.process_time()
        fitted = config.fit(train, 7)
        seconds = time.process_time() - start
        words = [name, f"{seconds:.0f}", format_perplexity(fitted, held.slice(0, min(SCORED, len(held))))]
        print(f"| {' | '.join([*words, *format_statistics(fitted.sample(keys), train)])} |", flush=True)


def compute_divergence(rows: Histories, law: Numbers) -> float:
    """Return the total variation between observed and true transition probabilities, weighted by context counts.

    law float64, (items,) * order for the context, the last item last, then (items,) for the next item.
    """
    shares, seen = estimate_transitions(rows, law.ndim)
    return float((np.abs(shares - law).sum(axis=-1) / 2 * seen).sum() / seen.sum())


def estimate_transitions(rows: Histories, axes: int) -> tuple[Numbers, Numbers]:
    """Return transition probabilities, float64 (items,) * axes, and the count of each context."""
    counts, row, order = np.zeros((rows.n_items,) * axes), rows.event_rows(), axes - 1
    inside = np.flatnonzero(row[order:] == row[:-order])
    np.add.at(counts, tuple(rows.items[inside + offset] - 1 for offset in range(axes)), 1)
    seen = counts.sum(axis=-1)
    return counts / np.maximum(seen, 1)[..., None], seen


def print_simulated(only: Sequence[str], steps: int) -> None:
    """Print divergences in a second-order world, which a first-order model cannot fit, and in a first-order one."""
    drawn = [world(8, rows=6_000, length=10, seed=3) for world in (simulate_second_order, simulate_first_order)]
    worlds = [(rows.slice(0, 3_000), law) for rows, law in drawn]
    others = [
        (rows.slice(3_000, 6_000), estimate_transitions(rows.slice(0, 3_000), law.ndim)[0]) for rows, law in drawn
    ]
    keys = rng.derive_user_ids([f"new{i}" for i in range(3_000)])
    print("\nTwo simulated worlds of 8 items, 3,000 rows each: total variation distance to the true transitions.\n")
    print("| rows | second order | first order |\n|---|---|---|")
    for name, parts in (("real", worlds), ("other real rows, from the first", others)):
        print(f"| {name} | {' | '.join(f'{compute_divergence(rows, law):.3f}' for rows, law in parts)} |", flush=True)
    for name, config in list_configs(steps, steps).items():
        if only and name not in only:
            continue
        synthetic = [(config.fit(rows, 7).sample(keys), law) for rows, law in worlds]
        print(
            f"| {name} | {' | '.join(f'{compute_divergence(rows, law):.3f}' for rows, law in synthetic)} |", flush=True
        )


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, help="steps of the nets; default: that of each generator")
    parser.add_argument("--rank-steps", type=int, help="steps of the recommender")
    parser.add_argument("--law-steps", type=int, default=600, help="steps in the simulated worlds; 0: skip them")
    parser.add_argument("--only", action="append", default=[], help="names of generators; default: all")
    parser.add_argument("--laws", action="store_true", help="the simulated worlds only")
    options = parser.parse_args(arguments)
    if not options.laws:
        print_beauty(options.only, options.steps, options.rank_steps)
    if options.law_steps:
        print_simulated(options.only, options.law_steps)


if __name__ == "__main__":
    main()
