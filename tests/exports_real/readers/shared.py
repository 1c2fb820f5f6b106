"""Loads exports in the libraries of the environment `shared`: `python shared.py KIND FOLDER`; prints JSON."""

import json
import sys
from pathlib import Path


def read_implicit(folder: Path) -> dict:
    import numpy as np
    import scipy.sparse
    from implicit.als import AlternatingLeastSquares

    matrix = scipy.sparse.load_npz(folder / "train.npz")
    model = AlternatingLeastSquares(factors=4, iterations=2, random_state=1, num_threads=1)
    model.fit(matrix, show_progress=False)
    ids, _ = model.recommend(np.arange(3), matrix[:3], N=3)
    return {"cells": int(matrix.nnz), "sum": float(matrix.sum()), "lists": list(ids.shape)}


def read_lightfm(folder: Path) -> dict:
    from lightfm import LightFM
    from scipy.sparse import load_npz

    ones, weights = load_npz(folder / "train.npz"), load_npz(folder / "train_weights.npz")
    features = {f"{name}_features": load_npz(folder / f"{name}_features.npz") for name in ("item", "user")}
    LightFM(no_components=4, loss="warp", random_state=1).fit(ones, sample_weight=weights, epochs=2, **features)
    return {"cells": int(ones.nnz), "sum": float(weights.sum()), "features": features["item_features"].shape[1]}


def read_torch_rechub(folder: Path) -> dict:
    import pandas as pd
    from torch_rechub.data.dataset import ParquetIterableDataset

    rows, widths, weight = 0, set(), 0.0
    largest = 0
    for batch in ParquetIterableDataset([folder / "train.parquet"]):
        rows += len(batch["item_id"])
        widths.add(batch["hist_item_id"].shape[1])
        weight += float(batch["weight"].sum())
        largest = max(largest, int(batch["hist_item_id"].max()), int(batch["item_id"].max()))
    known = len(pd.read_parquet(folder / "item_ids.parquet"))
    return {"rows": rows, "widths": sorted(widths), "sum": weight, "fits": largest <= known}


def read_huggingface(folder: Path) -> dict:
    from datasets import load_dataset

    cache = str(folder.parent / "cache")
    histories = load_dataset(str(folder), "histories", cache_dir=cache)
    prompts = load_dataset(str(folder), "prompts", cache_dir=cache)
    views = load_dataset(str(folder), "item_views", cache_dir=cache)
    items = load_dataset(str(folder), "items", cache_dir=cache)
    train = histories["train"]
    return {
        "splits": sorted(histories),
        "rows": sum(len(one) for one in train["item"]),
        "first": [train[0]["user"], *train[0]["item"]],
        "prompts": len(prompts["train"]),
        "views": views["train"][0]["text"],
        "items": len(items["train"]),
    }


def read_tfrecord(folder: Path) -> dict:
    from tfrecord.reader import tfrecord_loader

    rows = list(tfrecord_loader(str(folder / "train.tfrecord"), None))
    first = rows[0]
    return {
        "histories": len(rows),
        "user": bytes(first["user"]).decode(),
        "time": [int(one) for one in first["time"]],
        "weight": sum(float(row["weight"][0]) * len(row["time"]) for row in rows),
    }


def read_personalize(folder: Path) -> dict:
    import csv

    import fastavro

    counts = {}
    for name in ("interactions", "items", "users"):
        schema = fastavro.parse_schema(json.loads((folder / f"{name}.schema.json").read_text()))
        with (folder / f"{name}.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        for row in rows:
            fields = {}
            for field in schema["fields"]:
                text, kinds = row[field["name"]], field["type"]
                if text == "" and "null" in kinds:
                    fields[field["name"]] = None
                elif "float" in kinds:
                    fields[field["name"]] = float(text)
                else:
                    fields[field["name"]] = int(text) if kinds == "long" else text
            assert fastavro.validate(fields, schema)
        counts[name] = len(rows)
    return counts


def read_spark_als(folder: Path) -> dict:
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    train = spark.read.parquet(str(folder / "train.parquet"))
    model = ALS(userCol="user", itemCol="item", ratingCol="rating", rank=2, maxIter=2, seed=1).fit(train)
    types = dict(train.dtypes)
    result = {"rows": train.count(), "types": [types["user"], types["item"], types["rating"]]}
    result["users"] = model.userFactors.count()
    spark.stop()
    return result


def read_libsvm(folder: Path) -> dict:
    from sklearn.datasets import load_svmlight_file

    features, labels = load_svmlight_file(str(folder / "train.libsvm"))
    weights = [float(one) for one in (folder / "train.libsvm.weight").read_text().split()]
    return {"rows": features.shape[0], "labels": float(labels.sum()), "weights": sum(weights)}


def read_vw(folder: Path) -> dict:
    from vowpalwabbit import Workspace

    model, weight, features = Workspace(quiet=True), 0.0, 0
    lines = (folder / "train.vw").read_text().splitlines()
    for line in lines:
        example = model.parse(line)
        weight += example.get_simplelabel_weight()
        features += example.num_features_in(0)  # of the namespace c
        model.learn(example)
        model.finish_example(example)
    return {"rows": len(lines), "weight": weight, "features": features}


def read_merlin(folder: Path) -> dict:
    import pandas as pd

    rows, ids = pd.read_parquet(folder / "train.parquet"), pd.read_parquet(folder / "item_ids.parquet")
    names = ids.set_index("index")["id"]
    return {"rows": int(rows["item"].map(len).sum()), "first": [names[one] for one in rows["item"].iloc[0]]}


if __name__ == "__main__":
    print("\n" + json.dumps(globals()[f"read_{sys.argv[1]}"](Path(sys.argv[2]))))
