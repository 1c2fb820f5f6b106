"""Loads an export in RecTools: `python rectools.py FOLDER`; prints JSON."""

import json
import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file has the name of the library

import pandas as pd
from rectools.dataset import Dataset
from rectools.models import PopularModel

folder = Path(sys.argv[1])
train = pd.read_parquet(folder / "train.parquet")
features = pd.read_parquet(folder / "item_features.parquet")
features = features[features["feature"] == "category"]
known = train["item_id"].unique()
dataset = Dataset.construct(
    train,
    item_features_df=features[features["id"].isin(known)],
    cat_item_features=["category"],
)
model = PopularModel().fit(dataset)
ranked = model.recommend(users=train["user_id"].unique()[:5], dataset=dataset, k=3, filter_viewed=False)
interactions = dataset.interactions.df
print("\n" + json.dumps({"rows": len(interactions), "sum": float(interactions["weight"].sum()), "ranked": len(ranked)}))
