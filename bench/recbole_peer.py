"""What does RecBole's SASRec cost? Run by the Python of its own environment (`bench.peers`), imports nothing of ours.

    python bench/recbole_peer.py SEQUENCES BATCHES

Trains SASRec with full cross-entropy, RecBole's own defaults, on the one-user-a-line file: one batch to warm up,
BATCHES timed; then ranks all users once. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
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


def mend_numpy() -> None:
    """RecBole 1.2.1 still reads names that NumPy 2 no longer has."""
    import numpy as np

    for old, new in REMOVED.items():
        if old not in np.__dict__:
            setattr(np, old, getattr(np, new))


def write_atomic(sequences: Path, folder: Path) -> None:
    """RecBole's form of the same events: one a line, times counting up inside a user."""
    (folder / "peer").mkdir()
    with (folder / "peer" / "peer.inter").open("w") as out:
        out.write("user_id:token\titem_id:token\ttimestamp:float\n")
        for line in sequences.read_text().splitlines():
            user, *items = line.split()
            out.writelines(f"{user}\t{item}\t{time}\n" for time, item in enumerate(items))


def prepare(folder: Path) -> tuple[Any, Any, Any, Any]:
    """(config, model, training batches, test batches)."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.sequential_recommender import SASRec
    from recbole.utils import init_seed

    wish = SETTINGS | {"data_path": str(folder), "checkpoint_dir": str(folder / "saved")}
    config = Config(model="SASRec", dataset="peer", config_dict=wish)
    init_seed(1, True)
    train, _, test = data_preparation(config, create_dataset(config))
    return config, SASRec(config, train.dataset), train, test


def measure(sequences: Path, batches: int, folder: Path) -> dict[str, float]:
    """Seconds of the wall and of the processor, targets and peak memory."""
    import torch
    from recbole.trainer import Trainer

    write_atomic(sequences, folder)
    config, model, train, test = prepare(folder)
    optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
    model.train()
    targets, began, worked = 0, 0.0, 0.0
    for number, batch in enumerate(train):
        if number == 1:
            began, worked = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        model.calculate_loss(batch).backward()
        optimizer.step()
        if number:
            targets += len(batch)
        if number == batches:
            break
    found = {"seconds": time.perf_counter() - began, "processor": time.process_time() - worked, "targets": targets}
    found["epoch_targets"] = len(train.dataset)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    trainer = Trainer(config, model)
    began, worked = time.perf_counter(), time.process_time()
    trainer.evaluate(test, load_best_model=False, show_progress=False)
    found["evaluation"] = time.perf_counter() - began
    found["evaluation_processor"] = time.process_time() - worked
    found["whole_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


if __name__ == "__main__":
    path, wanted = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    sys.argv = sys.argv[:1]  # RecBole reads the command line by itself
    mend_numpy()
    with tempfile.TemporaryDirectory() as room:
        os.chdir(room)
        print(json.dumps(measure(path, wanted, Path(room))))
