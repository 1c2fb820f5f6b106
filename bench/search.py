"""Which plan helps on two files at once, chosen on validation users alone?

    python -m bench.search --file beauty                                  # every candidate once, on validation
    python -m bench.search --arm "crop a few" --arm "tail again"           # the best of them on both files
    python -m bench.search --arm "crop a few" --seeds 3 --test             # the chosen one, on the test
    python -m bench.search --file shop --file music --steps 2400           # worlds whose law is known, split by time

Runs examples/search.toml, going on where it was stopped. A candidate is as good as its worse file. But for
simulated worlds it needs the `sequences/` files in the folder LEAVEN_DATA.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from bench.examples import ROOT, arms, groups, with_arms
from bench.quality import FILES, FOLDER
from leaven.config import load_spec
from leaven.engines.local import Local
from leaven.experiment import run
from leaven.progress import show_progress
from leaven.simulator import Simulator

SPEC = ROOT / "examples" / "search.toml"
RUNS = ROOT / "runs" / "search"
WORLDS = ("shop", "video", "music", "social")


def main(arguments: list[str] | None = None) -> None:
    """Print one table of the candidates on validation, or one a file on the test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--file", choices=[*FILES, *WORLDS], action="append", help="the public ones where left out")
    parser.add_argument("--arm", action="append", default=[], help="candidates; all where left out")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--at-once", type=int, default=1, help="trainings side by side, each on one thread")
    asked = parser.parse_args(arguments)
    facts = {file: found(file, asked.steps, asked.seeds, asked.arm, asked.at_once) for file in asked.file or FILES}
    if not asked.test:
        print("\n".join(table({file: validation(of) for file, of in facts.items()})))
        return
    for file, of in facts.items():
        print(f"#### {FILES.get(file, f'simulated: {file}')}\n\n{of['verdict']['headline']}\n")
        print("\n".join([*arms(of["comparison"]), "", *groups(of["comparison"])]), end="\n\n")


def found(file: str, steps: int, seeds: int, names: list[str], at_once: int = 1) -> dict[str, Any]:
    """The facts of a run on one file, of some candidates or of all."""
    changes = ["judge=false", *data_of(file)]
    changes += [f"evaluate.steps={steps}", f"evaluate.seeds={seeds}"]
    spec = with_arms(load_spec(SPEC, changes), names)
    folder = RUNS / f"{file}-{steps}{'-some' if names else ''}"
    with show_progress() as tell:
        return run(spec, folder, resume=True, engine=Local(), on_progress=tell, n_jobs=at_once).read_facts()


def data_of(file: str) -> list[str]:
    """What a spec says of a file; a simulated world is written first."""
    if file in FILES:
        return [f"data.interactions={(FOLDER / FILES[file]).resolve()}"]
    Simulator(kind=file).build_world().write_files(RUNS / "worlds" / file, images=False)
    names = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    named = [f"data.columns.{ours}={theirs}" for ours, theirs in names.items()]
    return [f"data.interactions={RUNS / 'worlds' / file / 'interactions.csv'}", *named, "split.kind=time"]


def validation(facts: dict[str, Any]) -> dict[str, float]:
    """arm -> the best NDCG@10 that it reached on validation users while training, mean of its seeds."""
    best: dict[str, list[float]] = {}
    for fit in facts["fits"]:
        reached = [point["valid_ndcg"] for point in fit["curve"] if "valid_ndcg" in point]
        best.setdefault(fit["arm"], []).append(max(reached))
    return {arm: float(np.mean(values)) for arm, values in best.items()}


def table(found: dict[str, dict[str, float]]) -> list[str]:
    """One line an arm, the one with the best worse file first."""
    lifts = {arm: [of[arm] / of["baseline"] - 1 for of in found.values()] for arm in next(iter(found.values()))}
    lines = ["| arm | " + " | ".join(f"{file}: N@10 valid | lift" for file in found) + " |"]
    lines.append("|---|" + "---|---|" * len(found))
    for arm in sorted(lifts, key=lambda one: -min(lifts[one])):
        cells = (f"{of[arm]:.4f} | {lift:+.1%}" for of, lift in zip(found.values(), lifts[arm], strict=True))
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main(sys.argv[1:])
