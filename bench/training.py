"""Measures training and ranking cost of a transformer next to RecBole's SASRec in the same run.

    python -m bench.peers recbole        # once: RecBole's environment
    python -m bench.training --batches 4

Both train on the leave-one-out training rows of Beauty (width 64, two layers, two heads, length 50) and then rank the
whole catalog for all users once. Each variant runs in a separate process, one after the other, with the same number of
threads. RecBole runs a few batches of 2,048 targets and is extrapolated; leaven runs a whole epoch. leaven excludes
seen items from the ranking, RecBole does not. On a machine with other load CPU seconds are the fairer figure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.peers import locate_python

if TYPE_CHECKING:
    from leaven.datasets.histories import Histories

LOSSES = ("full", "shared_negatives")
TARGETS = {"full": 1 / 30, "shared_negatives": 1 / 60}
EVALUATION, MEMORY = 1 / 2, 1 / 4


def locate_sequences() -> Path:
    """Return the path of the Beauty file with one user per line."""
    return Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences" / "Beauty.txt"


def load_histories(path: Path, hidden: int) -> Histories:
    """Return all users without their last `hidden` events."""
    from leaven.datasets.histories import Histories

    rows = [[int(item) for item in line.split()[1:]] for line in path.read_text().splitlines()]
    return Histories.from_lists([row[: len(row) - hidden] for row in rows], max(map(max, rows)))


def measure_peak_mb() -> float:
    """Return the peak memory of this process in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_cost(loss: str, path: Path) -> dict[str, float]:
    """Return wall and CPU seconds, targets and peak memory of one epoch and one ranking of all users."""
    from leaven.protocols import TrainingContext
    from leaven.recommenders import transformer

    config, train = transformer.Transformer(loss=loss), load_histories(path, 2)
    steps = max(round(int(train.n_targets.sum()) / config.choose_batch_events(train)), 1)
    config.fit(train.slice(0, 64), TrainingContext(key=1, steps=2))  # load libraries, warm up memory
    start, cpu_start = time.perf_counter(), time.process_time()
    fitted = config.fit(train, TrainingContext(key=1, steps=steps))
    costs = {"seconds": time.perf_counter() - start, "processor": time.process_time() - cpu_start}
    costs |= {"targets": fitted.facts["targets"], "epoch_targets": int(train.n_targets.sum())}
    costs["peak_mb"] = measure_peak_mb()
    users = load_histories(path, 1)
    start, cpu_start = time.perf_counter(), time.process_time()
    ranked = fitted.recommend(users, 10)
    costs |= {"evaluation": time.perf_counter() - start, "evaluation_processor": time.process_time() - cpu_start}
    assert (ranked.items > 0).all()
    return costs | {"whole_peak_mb": measure_peak_mb()}


def run_variant(call: list[str], name: str) -> dict[str, float]:
    """Return the JSON in the last line that a command prints."""
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: exit {done.returncode}\n{done.stderr[-2000:]}")
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return costs


def print_table(variants: dict[str, dict[str, float]]) -> None:
    """Print µs per target, seconds of the ranking, peak memory, and the ratios to RecBole."""
    base = variants["recbole"]
    heads = ("µs/target", "CPU µs", "eval s", "CPU s", "peak MB")
    print(f"{'':24}" + "".join(f"{head:>11}" for head in heads))
    for name, costs in variants.items():
        print(f"{name:24}" + "".join(f"{value:11,.1f}" for value in list_figures(costs)))
    for loss in LOSSES:
        ratios = [own / peer for own, peer in zip(list_figures(variants[loss]), list_figures(base), strict=True)]
        targets = (TARGETS[loss], TARGETS[loss], EVALUATION, EVALUATION, MEMORY)
        print(
            f"{'  of RecBole: ' + loss[:10]:24}" + "".join(f"{'1/' + format(1 / share, '.1f'):>11}" for share in ratios)
        )
        marks = ["yes" if share <= bar else "no" for share, bar in zip(ratios, targets, strict=True)]
        words = [f"{mark} (1/{1 / bar:.0f})" for mark, bar in zip(marks, targets, strict=True)]
        print(f"{'  target reached':24}" + "".join(f"{word:>11}" for word in words))


def list_figures(costs: dict[str, Any]) -> tuple[float, ...]:
    """Return wall and CPU µs per target, wall and CPU seconds of the ranking, and peak MB."""
    million = 1e6 / costs["targets"]
    cost = (costs["seconds"] * million, costs["processor"] * million)
    return (*cost, costs["evaluation"], costs["evaluation_processor"], costs["whole_peak_mb"])


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, default=4, help="timed batches of RecBole, after one to warm up")
    parser.add_argument("--loss", choices=LOSSES, help="measure this variant only, print JSON")
    options = parser.parse_args(sys.argv[1:] if arguments is None and __name__ == "__main__" else arguments or [])
    path, python = locate_sequences(), locate_python("recbole")
    if options.loss:
        print(json.dumps(measure_cost(options.loss, path)))
        return
    if not path.exists() or not python.exists():
        print(
            f"skipped: {path if not path.exists() else python} is missing (LEAVEN_DATA; python -m bench.peers recbole)"
        )
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    threads = os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    print(f"Beauty, {threads} threads, load {os.getloadavg()[0]:.1f} before the run, {options.batches} RecBole batches")
    variants = {loss: run_variant([sys.executable, "-m", "bench.training", "--loss", loss], loss) for loss in LOSSES}
    variants["recbole"] = run_variant(
        [str(python), str(Path(__file__).with_name("recbole_peer.py")), str(path), str(options.batches)], "recbole"
    )
    print_table(variants)
    base = variants["recbole"]
    epoch = base["seconds"] / base["targets"] * base["epoch_targets"]
    print(f"An epoch of RecBole ({base['epoch_targets']:,} targets), extrapolated: {epoch:,.0f} s")
    print(f"Load {os.getloadavg()[0]:.1f} after the run, numpy {np.__version__}")


if __name__ == "__main__":
    main()
