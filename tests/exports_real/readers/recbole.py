"""Loads an export in RecBole, trains a model and prints its test metrics: `python recbole.py FOLDER MODEL`."""

import json
import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file has the name of the library

import logging
import os
import tempfile

import numpy as np

for name in ("float", "int", "bool", "object", "str"):  # aliases that RecBole still uses
    if name not in np.__dict__:
        setattr(np, name, getattr(__import__("builtins"), name))

import functools  # noqa: E402

import torch  # noqa: E402

torch.load = functools.partial(torch.load, weights_only=False)  # RecBole loads its own checkpoint as torch < 2.6 did

from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402

folder, model_name = Path(sys.argv[1]).resolve(), sys.argv[2]
os.chdir(tempfile.mkdtemp())
settings = {
    "data_path": str(folder),
    "epochs": int(sys.argv[3]) if len(sys.argv) > 3 else 2,
    "seed": 1,
    "reproducibility": True,
    "use_gpu": False,
    "show_progress": False,
    "learning_rate": 0.01,
    "metrics": ["Hit", "NDCG"],
    "topk": [5],
    "valid_metric": "NDCG@5",
}
config = Config(
    model=model_name, dataset="leaven", config_file_list=[str(folder / "config.yaml")], config_dict=settings
)
logging.disable(logging.CRITICAL)
init_seed(config["seed"], True)
dataset = create_dataset(config)
train, valid, test = data_preparation(config, dataset)
init_seed(config["seed"], True)
model = get_model(config["model"])(config, train.dataset)
trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
trainer.fit(train, valid, verbose=False, show_progress=False)
scores = trainer.evaluate(test, load_best_model=True, show_progress=False)
counts = {"rows": len(train.dataset), "users": dataset.user_num - 1, "items": dataset.item_num - 1}
print("\n" + json.dumps({**counts, "scores": {name: float(value) for name, value in scores.items()}}))
