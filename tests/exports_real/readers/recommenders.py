"""Loads an export in Microsoft Recommenders: `python recommenders.py FOLDER`; prints JSON."""

import json
import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file has the name of the library

import pandas as pd
from recommenders.evaluation.python_evaluation import precision_at_k
from recommenders.models.sar import SAR

folder = Path(sys.argv[1])
train, test = pd.read_parquet(folder / "train.parquet"), pd.read_parquet(folder / "test.parquet")
pairs = train.groupby(["userID", "itemID"], as_index=False).agg({"rating": "mean", "timestamp": "max"})
model = SAR(
    col_user="userID", col_item="itemID", col_rating="rating", col_timestamp="timestamp", timedecay_formula=True
)
model.fit(pairs)
known = test[test["userID"].isin(pairs["userID"]) & test["itemID"].isin(pairs["itemID"])]
ranked = model.recommend_k_items(known, top_k=3, remove_seen=False)
score = precision_at_k(known, ranked, k=3)
print("\n" + json.dumps({"rows": len(train), "rating": float(train["rating"].sum()), "precision": float(score)}))
