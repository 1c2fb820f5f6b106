"""Measures the lift of single operators on Beauty, with a strong loss and with the weak one of most papers.

    python -m bench.evidence behaviours
    python -m bench.evidence [--seeds 3] [--steps 2000] [--loss strong|weak]

A name writes the page of that regime, docs/evidence/<name>.md. Without one, the command
runs examples/beauty-operators.toml once per loss and resumes an interrupted run. Without `--steps` all variants take
the default number of steps of the recommender for the real rows.
"""

from __future__ import annotations

import argparse
import sys

from bench import behaviours, cold_items, drift, fusion, noise, small_logs
from bench.examples import ROOT, format_costs, format_segments, format_variants, run_example
from bench.quality import BINARY

WEAK = (
    "loss",
    "learning_rate",
    "dropout",
    "layers",
    "batch_events",
)  # fields in which the weak setting, the baseline of the papers, differs
REGIMES = {
    "behaviours": behaviours.main,
    "cold_items": cold_items.main,
    "drift": drift.main,
    "fusion": fusion.main,
    "noise": noise.main,
    "small_logs": small_logs.main,
}
"""Regimes with a page in docs/evidence."""
LOSSES = {
    "strong": ("Strong loss: softmax over shared negatives", []),
    "weak": (
        "Weak loss: binary, one negative",
        [f"recommender.{name}={getattr(BINARY, name)!r}" for name in WEAK],
    ),
}
PUBLISHED = """Published on this file, HR@10 / NDCG@10, with a binary baseline of .0605 / .0318: CL4SRec (crop, mask,
reorder) .0642 / .0345, CoSeRec (with insert and substitute) .0725 / .0410, repeat padding .0749 / .0415, BASRec (mixup
of users) .0810 / .0455. Where we differ: here an operator changes the training rows and there is no second loss;
CL4SRec and CoSeRec contrast two views. All variants take the same number of steps with the same number of events:
a history that is padded by repetition has six times the events, so its variant sees each user one sixth as often."""


def main(arguments: list[str] | None = None) -> None:
    """Print both tables, with intervals and groups of users; with the name of a regime, write its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("regime", nargs="?", choices=list(REGIMES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--loss", choices=list(LOSSES), action="append")
    options = parser.parse_args(arguments)
    if options.regime:
        REGIMES[options.regime]()
        return
    steps = [f"evaluate.steps={options.steps}"] if options.steps else []
    for loss in options.loss or LOSSES:
        title, changes = LOSSES[loss]
        name = "-".join(["beauty-operators", loss, *([str(options.steps)] if options.steps else [])])
        changed = [*changes, *steps, f"evaluate.seeds={options.seeds}", "quality=false"]
        facts = run_example("beauty-operators", changed, ROOT / "runs" / "examples" / name)
        print(f"### {title}\n\n{facts['verdict']['headline']}\n")
        comparison = facts["comparison"]
        for part in (format_variants(comparison), format_segments(comparison), format_costs(facts)):
            print("\n".join(part), end="\n\n")
    print(PUBLISHED)


if __name__ == "__main__":
    main(sys.argv[1:])
