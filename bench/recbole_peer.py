"""Measures training and ranking cost of RecBole's SASRec; runs in the Python environment that `bench.peers` builds.

    python bench/recbole_peer.py SEQUENCES BATCHES

Trains SASRec with full cross-entropy and the defaults of RecBole on the file with one user per line: one warm-up batch,
then BATCHES timed ones. Ranks all users once. Prints one line of JSON. Imports no code of leaven.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REMOVED = {"bool8": "bool_", "object": "object_", "float_": "float64", "complex_": "complex128", "unicode_": "str_"}
SETTINGS: dict[str, Any] = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "TIME_FIELD": "timestamp",
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "MAX_ITEM_LIST_LENGTH": 50,
    "loss_type": "CE",
    "train_neg_sample_args": None,
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
    "metrics": ["NDCG", "Hit"],
    "topk": [10],
    "valid_metric": "NDCG@10",
    "use_gpu": False,
    "show_progress": False,
    "state": "ERROR",
}


def patch_numpy() -> None:
    """Restore the names removed in NumPy 2 that RecBole 1.2.1 uses."""
    import numpy as np

    for old, new in REMOVED.items():
        if old not in np.__dict__:
            setattr(np, old, getattr(np, new))


def write_interactions(sequences: Path, folder: Path) -> None:
    """Write the events in the format of RecBole: one per line, times are positions in the row of the user."""
    (folder / "peer").mkdir()
    with (folder / "peer" / "peer.inter").open("w") as out:
        out.write("user_id:token\titem_id:token\ttimestamp:float\n")
        for line in sequences.read_text().splitlines():
            user, *items = line.split()
            out.writelines(f"{user}\t{item}\t{time}\n" for time, item in enumerate(items))


@dataclass(frozen=True)
class Experiment:
    """RecBole config and model with training and test batches."""

    config: Any
    model: Any
    train: Any
    test: Any


def prepare_experiment(folder: Path) -> Experiment:
    """Return SASRec with its data."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.sequential_recommender import SASRec
    from recbole.utils import init_seed

    settings = SETTINGS | {"data_path": str(folder), "checkpoint_dir": str(folder / "saved")}
    config = Config(model="SASRec", dataset="peer", config_dict=settings)
    init_seed(1, True)
    train, _, test = data_preparation(config, create_dataset(config))
    return Experiment(config, SASRec(config, train.dataset), train, test)


def measure_cost(sequences: Path, batches: int, folder: Path) -> dict[str, float]:
    """Return wall and CPU seconds, targets and peak memory."""
    import torch
    from recbole.trainer import Trainer

    write_interactions(sequences, folder)
    experiment = prepare_experiment(folder)
    config, model, train = experiment.config, experiment.model, experiment.train
    optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
    model.train()
    targets, start, cpu_start = 0, 0.0, 0.0
    for number, batch in enumerate(train):
        if number == 1:
            start, cpu_start = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        model.calculate_loss(batch).backward()
        optimizer.step()
        if number:
            targets += len(batch)
        if number == batches:
            break
    costs = {"seconds": time.perf_counter() - start, "processor": time.process_time() - cpu_start, "targets": targets}
    costs["epoch_targets"] = len(train.dataset)
    costs["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    trainer = Trainer(config, model)
    start, cpu_start = time.perf_counter(), time.process_time()
    trainer.evaluate(experiment.test, load_best_model=False, show_progress=False)
    costs["evaluation"] = time.perf_counter() - start
    costs["evaluation_processor"] = time.process_time() - cpu_start
    costs["whole_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return costs


if __name__ == "__main__":
    path, n_batches = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    sys.argv = sys.argv[:1]  # RecBole parses the command line
    patch_numpy()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        print(json.dumps(measure_cost(path, n_batches, Path(scratch))))
