"""Runs every tracker as a run would, offline: `python trackers.py FOLDER SOURCE`; prints the numbers of files."""

import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
sys.path.insert(0, sys.argv[2])

from leaven.tracking.background import RunTracking  # noqa: E402
from leaven.tracking.contract import RunEnd, RunResult, RunStart, StageEnd, ValidationResult  # noqa: E402
from leaven.tracking.trackers import MlflowTracker, SwanLabTracker, TensorBoardTracker, WandbTracker  # noqa: E402

counts = {}
for name, tracker in {
    "mlflow": MlflowTracker(),
    "tensorboard": TensorBoardTracker(),
    "wandb": WandbTracker(),
    "swanlab": SwanLabTracker(),
}.items():
    run = folder / name / "run"
    run.mkdir(parents=True)
    (run / "facts.json").write_text("{}")
    with RunTracking(tracker) as tracking:
        tracking.start(RunStart(name, run, {"variant.1.name": "crop", "seed": 7}))
        tracking.notify("on_stage", StageEnd("rows crop", 1.5))
        validation = ValidationResult("crop seed 1", 10, {"loss": 0.5, "ndcg": 0.1})
        end = RunEnd(name, "finished", {"crop/ndcg@10": 0.2}, (run / "facts.json",))
        tracking.finish(RunResult(end, (validation,)))
    counts[name] = sum(path.is_file() for path in (folder / name).rglob("*"))
print("\n" + json.dumps(counts))
