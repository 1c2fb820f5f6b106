"""Loads an export with the tf.data reader that it holds: `python tensorflow.py FOLDER`; prints JSON."""

import json
import sys
from pathlib import Path

sys.path.remove(str(Path(__file__).parent))  # this file has the name of the library
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))

from read_histories import read_histories  # noqa: E402

rows = list(read_histories(str(folder / "train.tfrecord")).as_numpy_iterator())
first = rows[0]
result = {"histories": len(rows), "user": first["user"].decode(), "items": [one.decode() for one in first["item"]]}
print("\n" + json.dumps({**result, "time": [int(one) for one in first["time"]]}))
