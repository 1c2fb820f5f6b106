"""Measures candidate plans on two public files, selected on validation users only.

    python -m bench.search --file beauty                                    # all candidates, on validation
    python -m bench.search --variant "crop a few" --variant "tail again"    # some candidates on both files
    python -m bench.search --variant "crop a few" --seeds 3 --test          # one candidate, on test
    python -m bench.search --file shop --file music --steps 2400            # simulated worlds, split by time

Runs examples/search.toml and resumes an interrupted run. Candidates are ordered by their worse file. Public files need
`sequences/` in the folder LEAVEN_DATA.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from bench.examples import ROOT, format_segments, format_variants, select_variants
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
    """Print one table of the candidates on validation, or one per file on test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--file", choices=[*FILES, *WORLDS], action="append", help="default: the public files")
    parser.add_argument("--variant", action="append", default=[], help="candidates; default: all")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--n-jobs", type=int, default=1, help="parallel trainings, each on one thread")
    options = parser.parse_args(arguments)
    facts = {file: run_search(file, options) for file in options.file or FILES}
    if not options.test:
        print("\n".join(format_table({file: read_validation(one) for file, one in facts.items()})))
        return
    for file, one in facts.items():
        print(f"#### {FILES.get(file, f'simulated: {file}')}\n\n{one['verdict']['headline']}\n")
        print("\n".join([*format_variants(one["comparison"]), "", *format_segments(one["comparison"])]), end="\n\n")


def run_search(file: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the facts of a run on one file with the selected candidates."""
    changes = ["quality=false", *describe_data(file)]
    changes += [f"evaluate.steps={options.steps}", f"evaluate.seeds={options.seeds}"]
    spec = select_variants(load_spec(SPEC, changes), options.variant)
    folder = RUNS / f"{file}-{options.steps}{'-some' if options.variant else ''}"
    with show_progress() as on_progress:
        done = run(spec, folder, resume=True, engine=Local(), on_progress=on_progress, n_jobs=options.n_jobs)
        return done.read_facts().to_json()


def describe_data(file: str) -> list[str]:
    """Return the spec changes for a file; writes the files of a simulated world."""
    if file in FILES:
        return [f"data.interactions={(FOLDER / FILES[file]).resolve()}"]
    Simulator(kind=file).build_world().write_files(RUNS / "worlds" / file, images=False)
    names = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    columns = [f"data.columns.{ours}={theirs}" for ours, theirs in names.items()]
    return [f"data.interactions={RUNS / 'worlds' / file / 'interactions.csv'}", *columns, "split.kind=time"]


def read_validation(facts: dict[str, Any]) -> dict[str, float]:
    """Return variant -> best NDCG@10 on validation users during training, mean over seeds."""
    best: dict[str, list[float]] = {}
    for fit in facts["trainings"]:
        values = [point["ndcg"] for point in fit["curve"] if point["ndcg"] is not None]
        best.setdefault(fit["variant"], []).append(max(values))
    return {variant: float(np.mean(values)) for variant, values in best.items()}


def format_table(figures: dict[str, dict[str, float]]) -> list[str]:
    """Return one line per variant, ordered by the lift on the worse file."""
    lifts = {
        variant: [one[variant] / one["baseline"] - 1 for one in figures.values()]
        for variant in next(iter(figures.values()))
    }
    lines = ["| variant | " + " | ".join(f"{file}: N@10 valid | lift" for file in figures) + " |"]
    lines.append("|---|" + "---|---|" * len(figures))
    for variant in sorted(lifts, key=lambda name: -min(lifts[name])):
        cells = (
            f"{one[variant]:.4f} | {lift:+.1%}" for one, lift in zip(figures.values(), lifts[variant], strict=True)
        )
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main(sys.argv[1:])
