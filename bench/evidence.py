"""Which operator helps, on a strong loss and on the weak one that most papers compare with?

    python -m bench.evidence [--seeds 3] [--steps 2000] [--loss strong|weak]

Runs examples/beauty-operators.toml once a loss, going on where it was stopped. Without `--steps` every arm takes as
many as the recommender finds right for the real rows.
"""

from __future__ import annotations

import argparse
import sys

from bench.examples import ROOT, arms, costs, found, groups
from bench.quality import BINARY

WEAK = (
    "loss",
    "learning_rate",
    "dropout",
    "layers",
    "batch_events",
)  # fields of the setting whose baseline papers have
LOSSES = {
    "strong": ("Strong loss: softmax over shared negatives", []),
    "weak": (
        "Weak loss: binary, one negative",
        [f"recommender.{name}={getattr(BINARY, name)!r}" for name in WEAK],
    ),
}
PUBLISHED = """Published on this file, HR@10 / NDCG@10, beside a binary baseline of .0605 / .0318: CL4SRec (crop, mask,
reorder) .0642 / .0345, CoSeRec (with insert and substitute) .0725 / .0410, repeat padding .0749 / .0415, BASRec (mixup
of users) .0810 / .0455. Where we differ: here an operator changes the rows that are learned from and no second loss
stands beside it; CL4SRec and CoSeRec contrast two views. All arms take equally many steps of equally many events:
a history that is repeated until it is long has six times the events, and its arm sees each user a sixth as often."""


def main(arguments: list[str] | None = None) -> None:
    """Print both tables, with intervals and groups of users."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--loss", choices=list(LOSSES), action="append")
    asked = parser.parse_args(arguments)
    steps = [f"evaluate.steps={asked.steps}"] if asked.steps else []
    for loss in asked.loss or LOSSES:
        title, changes = LOSSES[loss]
        name = "-".join(["beauty-operators", loss, *([str(asked.steps)] if asked.steps else [])])
        changed = [*changes, *steps, f"evaluate.seeds={asked.seeds}", "judge=false"]
        facts = found("beauty-operators", changed, ROOT / "runs" / "examples" / name)
        print(f"### {title}\n\n{facts['verdict']['headline']}\n")
        comparison = facts["comparison"]
        for part in (arms(comparison), groups(comparison), costs(facts)):
            print("\n".join(part), end="\n\n")
    print(PUBLISHED)


if __name__ == "__main__":
    main(sys.argv[1:])
