"""How does data become parts to learn from and to judge by? Made by the task, kept in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven.config import Spec, resolved
from leaven.experiment import tasks as work
from leaven.ingest.databases import is_database
from leaven.ingest.files import paths_of
from leaven.protocols import Tell
from leaven.run_folder import Run, file_fingerprint, fingerprint


@dataclass(frozen=True, eq=False)
class Prepared:
    """split: its parts. facts: reading, cleaning, health, split. fingerprint: of the data and of all that shaped it."""

    split: Any
    facts: dict[str, Any]
    fingerprint: str
    seconds: dict[str, float]


def prepare(spec: Spec, run: Run, tell: Tell) -> Prepared:
    """The split that a spec wishes for, from the run's folder where it lies there already."""
    mark, job = data_fingerprint(spec), work.of(spec)
    with run.stage("data", mark, [run.data]) as stage:
        if not stage.done:
            timed = _Timed(tell)
            made, facts = job.made(spec, timed)
            made = job.without(made, np.array([int(key, 16) for key in run.erased()], np.uint64))
            timed("split · writing", lambda: job.save(made, run.data))
            stage.facts = {"data": facts, "seconds": timed.seconds}
    return Prepared(job.load(run.data), stage.facts["data"], mark, stage.facts["seconds"])


def data_fingerprint(spec: Spec) -> str:
    """Of the bytes of the files, and of the tables of the spec that shape the data."""
    wish = resolved(spec)
    shaping = {name: wish.get(name) for name in ("task", "seed", "samples", "clean", "split")}
    columns = {key: value for key, value in wish["data"].items() if key not in ("interactions", "items", "labelled")}
    return fingerprint(file_fingerprint(_files(work.of(spec).files(spec))), shaping, columns)


def _files(names: list[str]) -> list[str]:
    files: list[str] = []
    for name in names:
        files += [name] if is_database(name) else paths_of(name)
    return files


class _Timed:
    """Runs the parts of a stage, tells which one is at work, and keeps their seconds."""

    def __init__(self, tell: Tell) -> None:
        self.tell, self.seconds = tell, dict[str, float]()

    def __call__(self, words: str, work: Callable[[], Any]) -> Any:
        self.tell(0, 0, words)
        begun = time.perf_counter()
        found = work()
        name = words.split(" · ")[0].split(" ")[0]
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - begun, 3)
        self.tell(1, 1, words)
        return found
