"""Preparation of the data of a run: read, clean and split, stored in the run folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven.config import Spec, resolve_spec
from leaven.experiment import tasks
from leaven.ingest.databases import is_database
from leaven.ingest.files import list_files
from leaven.protocols import ProgressCallback
from leaven.run_folder import RunFolder, compute_fingerprint, fingerprint_files


@dataclass(frozen=True, eq=False)
class Prepared:
    """Prepared data.

    split        the parts of the task
    facts        reading, cleaning, health, split
    fingerprint  of the data and of all settings that shaped it
    """

    split: Any
    facts: dict[str, Any]
    fingerprint: str
    seconds: dict[str, float]


def prepare(spec: Spec, run: RunFolder, on_progress: ProgressCallback) -> Prepared:
    """Prepare the data of a spec, or load them from the run folder where they exist."""
    depends, steps = _fingerprint_data(spec), tasks.of(spec)
    with run.run_stage("data", depends, [run.data_folder]) as stage:
        if not stage.is_done:
            timed = _StageTimer(on_progress)
            prepared, facts = steps.prepare_parts(spec, timed)
            prepared = steps.drop_users(prepared, np.array([int(key, 16) for key in run.read_erasures()], np.uint64))
            timed("split · writing", lambda: steps.save_parts(prepared, run.data_folder))
            stage.facts = {"data": facts, "seconds": timed.seconds}
    return Prepared(steps.load_parts(run.data_folder), stage.facts["data"], depends, stage.facts["seconds"])


def _fingerprint_data(spec: Spec) -> str:
    """Fingerprint of the bytes of the files, and of the tables of the spec that shape the data."""
    table = resolve_spec(spec)
    shaping = {name: table.get(name) for name in ("task", "seed", "samples", "clean", "split")}
    columns = {key: value for key, value in table["data"].items() if key not in ("interactions", "items", "labeled")}
    files: list[str] = []
    for name in tasks.of(spec).list_files(spec):
        files += [name] if is_database(name) else list_files(name)
    return compute_fingerprint(fingerprint_files(files), shaping, columns)


class _StageTimer:
    """Calls the parts of a stage, reports which one runs, and records their seconds."""

    def __init__(self, on_progress: ProgressCallback) -> None:
        self.on_progress, self.seconds = on_progress, dict[str, float]()

    def __call__(self, words: str, work: Callable[[], Any]) -> Any:
        self.on_progress(0, 0, words)
        start = time.perf_counter()
        result = work()
        name = words.split(" · ")[0].split(" ")[0]
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)
        self.on_progress(1, 1, words)
        return result
