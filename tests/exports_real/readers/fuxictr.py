"""Loads an export in FuxiCTR: `python fuxictr.py FOLDER`; prints JSON."""

import json
import os
import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file has the name of the library

from fuxictr.features import FeatureMap
from fuxictr.preprocess import FeatureProcessor, build_dataset
from fuxictr.utils import load_dataset_config

folder = Path(sys.argv[1]).resolve()
os.chdir(folder)
params = load_dataset_config(str(folder), "leaven")
params |= {"dataset_id": "leaven", "data_root": str(folder.parent / "encoded")}
encoder = FeatureProcessor(**params)
params["train_data"], params["valid_data"], params["test_data"] = build_dataset(encoder, **params)
features = FeatureMap("leaven", str(folder.parent / "encoded" / "leaven"))
features.load(str(folder.parent / "encoded" / "leaven" / "feature_map.json"), params)
print("\n" + json.dumps({"features": sorted(features.features), "labels": features.labels}))
