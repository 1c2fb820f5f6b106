"""What does it cost to train and to evaluate a transformer, beside RecBole's SASRec in the same run?

    python -m bench.peers recbole        # once: RecBole's environment
    python -m bench.training --batches 4

Both train on Beauty's leave-one-out training rows (width 64, two layers, two heads, length 50) and then rank the whole
catalogue for all users once. Each arm is a process of its own, one after the other, with the same number of threads.
RecBole runs a few batches of 2,048 targets and is extrapolated; ours runs a whole epoch. RecBole's ranking does not
leave out what a user has seen, ours does. On a machine with other work the processor's seconds are the fairer figure.
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

from bench.peers import python_of

if TYPE_CHECKING:
    from leaven.datasets.histories import Histories

LOSSES = ("full", "shared_negatives")
TARGETS = {"full": 1 / 30, "shared_negatives": 1 / 60}
EVALUATION, MEMORY = 1 / 2, 1 / 4


def sequences() -> Path:
    """Beauty's one-user-a-line file in the folder that LEAVEN_DATA names."""
    return Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences" / "Beauty.txt"


def histories(path: Path, hidden: int) -> Histories:
    """All users without their last `hidden` events."""
    from leaven.datasets.histories import Histories

    rows = [[int(item) for item in line.split()[1:]] for line in path.read_text().splitlines()]
    return Histories.from_lists([row[: len(row) - hidden] for row in rows], max(map(max, rows)))


def peak_megabytes() -> float:
    """The most memory that this process held, from the kernel."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(loss: str, path: Path) -> dict[str, float]:
    """One epoch and one ranking of all users; seconds of the wall and of the processor, targets, memory."""
    from leaven.protocols import TrainingContext
    from leaven.recommenders import transformer

    wish, train = transformer.Transformer(loss=loss), histories(path, 2)
    steps = max(round(int(train.n_targets.sum()) / wish.choose_batch_events(train)), 1)
    wish.fit(train.slice(0, 64), TrainingContext(key=1, steps=2))  # libraries are loaded, memory is warm
    began, worked = time.perf_counter(), time.process_time()
    fitted = wish.fit(train, TrainingContext(key=1, steps=steps))
    found = {"seconds": time.perf_counter() - began, "processor": time.process_time() - worked}
    found |= {"targets": fitted.facts["targets"], "epoch_targets": int(train.n_targets.sum())}
    found["peak_mb"] = peak_megabytes()
    known = histories(path, 1)
    began, worked = time.perf_counter(), time.process_time()
    ranked = fitted.recommend(known, 10)
    found |= {"evaluation": time.perf_counter() - began, "evaluation_processor": time.process_time() - worked}
    assert (ranked.items > 0).all()
    return found | {"whole_peak_mb": peak_megabytes()}


def run(call: list[str], name: str) -> dict[str, float]:
    """An arm in a process of its own: the last line that it prints."""
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: exit {done.returncode}\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(arms: dict[str, dict[str, float]]) -> None:
    """µs a target, seconds of an evaluation, peak memory, and each of ours over RecBole's."""
    base = arms["recbole"]
    heads = ("µs/target", "proc. µs", "eval s", "proc. s", "peak MB")
    print(f"{'':24}" + "".join(f"{head:>11}" for head in heads))
    for name, found in arms.items():
        print(f"{name:24}" + "".join(f"{value:11,.1f}" for value in figures(found)))
    for loss in LOSSES:
        ours = [mine / theirs for mine, theirs in zip(figures(arms[loss]), figures(base), strict=True)]
        wanted = (TARGETS[loss], TARGETS[loss], EVALUATION, EVALUATION, MEMORY)
        print(
            f"{'  of RecBole: ' + loss[:10]:24}" + "".join(f"{'1/' + format(1 / share, '.1f'):>11}" for share in ours)
        )
        marks = ["yes" if share <= bar else "no" for share, bar in zip(ours, wanted, strict=True)]
        words = [f"{mark} (1/{1 / bar:.0f})" for mark, bar in zip(marks, wanted, strict=True)]
        print(f"{'  as wanted':24}" + "".join(f"{word:>11}" for word in words))


def figures(found: dict[str, Any]) -> tuple[float, ...]:
    """(µs a target by the wall, by the processor, seconds of evaluation by both, peak MB)."""
    million = 1e6 / found["targets"]
    cost = (found["seconds"] * million, found["processor"] * million)
    return (*cost, found["evaluation"], found["evaluation_processor"], found["whole_peak_mb"])


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, default=4, help="timed batches of RecBole, after one to warm up")
    parser.add_argument("--loss", choices=LOSSES, help="measure this arm alone, print JSON")
    wish = parser.parse_args(sys.argv[1:] if arguments is None and __name__ == "__main__" else arguments or [])
    path, python = sequences(), python_of("recbole")
    if wish.loss:
        print(json.dumps(measure(wish.loss, path)))
        return
    if not path.exists() or not python.exists():
        print(
            f"skipped: {path if not path.exists() else python} is missing (LEAVEN_DATA; python -m bench.peers recbole)"
        )
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    threads = os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    print(
        f"Beauty, {threads} threads, load {os.getloadavg()[0]:.1f} before the run, RecBole from {wish.batches} batches"
    )
    arms = {loss: run([sys.executable, "-m", "bench.training", "--loss", loss], loss) for loss in LOSSES}
    arms["recbole"] = run(
        [str(python), str(Path(__file__).with_name("recbole_peer.py")), str(path), str(wish.batches)], "recbole"
    )
    table(arms)
    base = arms["recbole"]
    epoch = base["seconds"] / base["targets"] * base["epoch_targets"]
    print(f"An epoch of RecBole ({base['epoch_targets']:,} targets), extrapolated: {epoch:,.0f} s")
    print(f"Load {os.getloadavg()[0]:.1f} after the run, numpy {np.__version__}")


if __name__ == "__main__":
    main()
