"""Preparation of the data of a run: read, clean and split, stored in the run folder."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from leaven.config import Spec, resolve_spec
from leaven.experiment import tasks
from leaven.experiment.prepared_data import PreparationConfig, PreparedData, T
from leaven.facts import DataFacts, from_json, to_json
from leaven.ingest.databases import is_database
from leaven.ingest.files import list_files
from leaven.protocols import ProgressCallback
from leaven.run_folder import RunFolder, compute_fingerprint, fingerprint_files

_PATHS = ("interactions", "items", "users", "labeled")


def prepare(spec: Spec, run: RunFolder, on_progress: ProgressCallback) -> PreparedData:
    """Prepare the data of a spec, or load them from the run folder where they exist."""
    config, steps = PreparationConfig.from_spec(spec), tasks.of(spec.task)
    table = resolve_spec(spec)
    shaping = {name: table.get(name) for name in ("task", "seed", "samples", "clean", "split")}
    columns = {key: value for key, value in table["data"].items() if key not in _PATHS}
    files: list[str] = []
    for name in config.list_sources():
        files += [name] if is_database(name) else list_files(name)
    depends = compute_fingerprint(fingerprint_files(files), shaping, columns)
    with run.run_stage("data", depends, [run.data_folder]) as stage:
        if not stage.is_done:
            timed = _StageTimer(on_progress)
            parts, facts = steps.prepare_parts(config, timed)
            parts = steps.drop_users(parts, np.array([int(key, 16) for key in run.read_erasures()], np.uint64))
            timed("split · writing", lambda: steps.save_parts(parts, run.data_folder))
            stage.facts = {"data": to_json(facts), "seconds": timed.seconds}
    split = steps.load_parts(run.data_folder)
    facts = from_json(DataFacts, stage.facts["data"], "the stage of the data")
    seconds = stage.facts["seconds"]
    return PreparedData(split, steps.get_catalog(split), steps.get_unseen(split), facts, depends, seconds)


class _StageTimer:
    """Calls the parts of a stage, reports which one runs, and records their seconds."""

    def __init__(self, on_progress: ProgressCallback) -> None:
        self.on_progress, self.seconds = on_progress, dict[str, float]()

    def __call__(self, description: str, work: Callable[[], T], /) -> T:
        self.on_progress(0, 0, description)
        start = time.perf_counter()
        result = work()
        name = description.split(" · ")[0].split(" ")[0]
        before = self.seconds.get(name, 0.0)
        self.seconds[name] = round(before + time.perf_counter() - start, 3)
        self.on_progress(1, 1, description)
        return result
