"""Measures settings of the transformer on Beauty: `python -m bench.tried [--steps 3000]`.

One seed and few steps per setting, selected on validation: differences of .001 are within noise. Settings are compared
at equal steps, not at equal seconds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from bench.quality import load_task, measure_config
from leaven.recommenders.transformer import Transformer

DEFAULT = Transformer(n_validations=3)
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "full softmax": {"loss": "full"},
    "4,096 negatives": {"negatives": 4096},
    "weight decay .1": {"weight_decay": 0.1},
    "weight decay .3, 4,096 negatives": {"weight_decay": 0.3, "negatives": 4096},
    "weight decay 1, 2,048 negatives": {"weight_decay": 1.0, "negatives": 2048},
    "temperature .05": {"temperature": 0.05},
    "temperature .1": {"temperature": 0.1},
    "learning rate 1e-3": {"learning_rate": 1e-3},
    "dropout .3": {"dropout": 0.3},
    "dropout .6": {"dropout": 0.6},
    "width 128": {"width": 128},
    "3 layers": {"layers": 3},
    "1 layer": {"layers": 1},
    "2,048 negatives": {"negatives": 2048},
    "negatives by count ** .75": {"proposal_power": 0.75},
}


def print_table(arguments: list[str] | None = None) -> None:
    """Print one line per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--only", choices=list(SETTINGS), action="append")
    options = parser.parse_args(arguments)
    task = load_task("beauty")
    print("| setting | N@10 valid | HR@10 valid | N@10 test | HR@10 test | seconds |\n|---|---|---|---|---|---|")
    for name in options.only or SETTINGS:
        figures = measure_config(replace(DEFAULT, **SETTINGS[name]), task, 1, options.steps)
        cells = [figures[f"{part} {metric}"] for part in ("valid", "test") for metric in ("Ndcg", "Recall")]
        print(f"| {name} | {' | '.join(f'{cell:.4f}' for cell in cells)} | {figures['seconds']:.0f} |", flush=True)


if __name__ == "__main__":
    print_table()
