"""Trains a model on an export, and on the same rows given by hand: `python trained.py KIND FOLDER ROWS`; prints JSON.

ROWS holds train.parquet and test.parquet with user, item, weight. Both trainings have the same settings; the score is
the share of test events in the ten first items.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse


def count_hits(scores: np.ndarray, users: list[str], items: list[str]) -> float:
    """scores: (users, items). Items that a user knows are no recommendations."""
    rows, columns = ({name: place for place, name in enumerate(names)} for names in (users, items))
    scores[train["user"].map(rows), train["item"].map(columns)] = -np.inf
    known = test[test["user"].isin(rows) & test["item"].isin(columns)]
    top = np.argsort(-scores, axis=1)[:, :10]
    hits = [columns[item] in top[rows[user]] for user, item in zip(known["user"], known["item"], strict=True)]
    return float(np.mean(hits))


def build_matrix(train: pd.DataFrame) -> tuple[scipy.sparse.coo_matrix, list[str], list[str]]:
    """A matrix by hand: users and items in sorted order, summed weights."""
    users, items = sorted(train["user"].unique()), sorted(train["item"].unique())
    sums = train.groupby(["user", "item"], as_index=False)["weight"].sum()
    cells = (pd.Categorical(sums["user"], users).codes.copy(), pd.Categorical(sums["item"], items).codes.copy())
    weights = np.array(sums["weight"], np.float32)
    return scipy.sparse.coo_matrix((weights, cells), shape=(len(users), len(items))), users, items


def read_ids(folder: Path) -> tuple[list[str], list[str]]:
    return tuple(pd.read_parquet(folder / f"{name}_ids.parquet")["id"].tolist() for name in ("user", "item"))


def train_implicit(matrix) -> np.ndarray:
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=8, iterations=30, alpha=5.0, random_state=1, num_threads=1)
    model.fit(matrix.tocsr(), show_progress=False)
    return model.user_factors @ model.item_factors.T


def train_lightfm(ones, weights) -> np.ndarray:
    from lightfm import LightFM

    model = LightFM(no_components=8, loss="warp", random_state=1)
    model.fit(ones, sample_weight=weights, epochs=30, num_threads=1)
    return model.user_embeddings @ model.item_embeddings.T + model.item_biases


def train_spark(spark, path: Path, users: int, items: int) -> np.ndarray:
    from pyspark.ml.recommendation import ALS

    als = ALS(
        userCol="user", itemCol="item", ratingCol="rating", rank=8, maxIter=10, alpha=5.0, implicitPrefs=True, seed=1
    )
    model = als.fit(spark.read.parquet(str(path)))
    factors = []
    for count, table in ((users, model.userFactors), (items, model.itemFactors)):
        matrix = np.zeros((count + 1, 8))
        for row in table.collect():
            matrix[row["id"]] = row["features"]
        factors.append(matrix[1:])
    return factors[0] @ factors[1].T


kind, folder, rows = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
train, test = (pd.read_parquet(rows / f"{part}.parquet") for part in ("train", "test"))
matrix, users, items = build_matrix(train)
own_users, own_items = read_ids(folder)
if kind == "implicit":
    exported = train_implicit(scipy.sparse.load_npz(folder / "train.npz"))
    by_hand = train_implicit(matrix)
elif kind == "lightfm":
    exported = train_lightfm(*(scipy.sparse.load_npz(folder / f"train{end}.npz") for end in ("", "_weights")))
    ones = scipy.sparse.coo_matrix((np.ones_like(matrix.data), (matrix.row, matrix.col)), shape=matrix.shape)
    by_hand = train_lightfm(ones, matrix)
else:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    exported = train_spark(spark, folder / "train.parquet", len(own_users), len(own_items))
    codes = {
        name: pd.Categorical(train[name], names).codes.astype("int32") + 1
        for name, names in (("user", users), ("item", items))
    }
    pd.DataFrame({**codes, "rating": train["weight"].astype("float32")}).to_parquet(rows / "numbered.parquet")
    by_hand = train_spark(spark, rows / "numbered.parquet", len(users), len(items))
    spark.stop()
scores = {
    "exported": count_hits(exported, own_users, own_items),
    "by_hand": count_hits(by_hand, users, items),
}
random = 10 / len(items)
print("\n" + json.dumps({**scores, "random": random}))
