"""What lies where in the folder of a run, and which of it need not be done again?

Every file is written beside and renamed. A stage is named by the fingerprint of what it depends on: one that
is done is not repeated, one that was cut off goes on with the files that it finished, and one whose inputs
changed begins anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from leaven.errors import DataError

LOCK, SPEC, FACTS, REPORT, LOG, RECORDS, ERASED = (
    "lock.json",
    "spec.toml",
    "facts.json",
    "report.html",
    "log.jsonl",
    "records.parquet",
    "erased.json",
)
VIEWS = "views"
"""Folder of an arm: what its steps on items made."""


def _untold(event: str, facts: Mapping[str, Any]) -> None:
    """Nothing is kept of it."""


@dataclass(frozen=True, eq=False)
class Run:
    """The folder of one run. seconds: what each stage took in this process or before."""

    folder: Path
    log: Callable[[str, Mapping[str, Any]], None] = _untold

    @property
    def data(self) -> Path:
        """Split and catalogue."""
        return self.folder / "data"

    def arm(self, name: str) -> Path:
        """Everything of one arm."""
        return self.folder / "arms" / plain(name)

    def fit(self, arm: str, seed: int) -> Path:
        """Everything of one training."""
        return self.arm(arm) / f"seed-{seed}"

    def erased(self) -> dict[str, bool]:
        """Key of an erased user, 16 hexadecimal digits -> whether every file is free of them."""
        note = self.folder / ERASED
        found: dict[str, bool] = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
        return found

    def facts(self) -> dict[str, Any]:
        """The facts of a finished run.

        Raises DataError where it is not finished.
        """
        return read_json(self.folder / FACTS, "go on with: leaven run SPEC --resume")

    def is_done(self, name: str, depends: str) -> bool:
        """Whether a stage has nothing left to do."""
        known = self._known(name)[1]
        return bool(known.get("done")) and known.get("depends") == depends

    def _known(self, name: str) -> tuple[Path, dict[str, Any]]:
        """The note of a stage, and what it says; {} where there is none yet."""
        note = self.folder / "stages" / f"{plain(name)}.json"
        return note, json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}

    @contextmanager
    def stage(self, name: str, depends: str, outputs: Sequence[Path] = ()) -> Iterator[Stage]:
        """A stage: `stage.done` says whether there is nothing to do; leave with `stage.facts` filled.

        outputs: files and folders that hold half of it when it is cut off; they go when `depends` changed.
        """
        note, known = self._known(name)
        if known.get("depends") != depends:
            for path in outputs:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            known = {"depends": depends, "done": False, "facts": {}, "seconds": 0.0}
            write_json(note, known)
        stage = Stage(bool(known["done"]), dict(known["facts"]), float(known["seconds"]))
        begun = time.perf_counter()
        yield stage
        if not stage.done:
            stage.seconds = round(stage.seconds + time.perf_counter() - begun, 3)
            write_json(note, {"depends": depends, "done": True, "facts": stage.facts, "seconds": stage.seconds})
            self.log("stage done", {"stage": name, "seconds": stage.seconds})


@dataclass(eq=False)
class Stage:
    """done: nothing is left to do. facts: JSON-able, kept for the next time. seconds: what it took."""

    done: bool
    facts: dict[str, Any]
    seconds: float


def create(folder: Path, resume: bool) -> Run:
    """A new folder for a run, or with `resume` the one that is there.

    Raises DataError for a folder that holds something else, or a run that nobody asked to go on with.
    """
    if folder.is_file():
        raise DataError(str(folder), "a folder", "a file", "name another with --out")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / LOCK).exists():
            raise DataError(str(folder), "an empty folder or one of leaven", "other files", "name another with --out")
        if not resume:
            fix = "go on with --resume, or name another folder with --out"
            raise DataError(str(folder), "an empty folder", "a run", fix)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / LOCK).exists():
        write_json(folder / LOCK, {})  # ours from the first moment on, so that a kill at any time can be resumed
    run = Run(folder, partial(_note, folder / LOG))
    if not all(run.erased().values()):
        fix = "finish it first: leaven erase RUN --user USER, as before"
        raise DataError(str(folder), "files that agree with each other", "an erasure that was cut off", fix)
    return run


def opened(folder: Path) -> Run:
    """The run in a folder.

    Raises DataError where there is none.
    """
    if not (folder / LOCK).exists():
        raise DataError(str(folder), "the folder of a run", "no lock.json in it", "give the folder that --out named")
    return Run(folder, partial(_note, folder / LOG))


def _note(path: Path, event: str, facts: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"time": round(time.time(), 3), "event": event, **facts}) + "\n")


def plain(name: str) -> str:
    """A name as a folder: letters and digits of any script, dashes for the rest.

    >>> plain("crop and mask / 2")
    'crop-and-mask-2'
    """
    dashed = "".join(letter if letter.isalnum() or letter in "_." else "-" for letter in name).strip("-.")
    while "--" in dashed:
        dashed = dashed.replace("--", "-")
    return dashed or "unnamed"


def fingerprint(*things: Any) -> str:
    """16 hexadecimal digits that change when any of these JSON-able things changes.

    >>> fingerprint({"a": 1}) == fingerprint({"a": 1}), fingerprint(1) == fingerprint("1")
    (True, False)
    """
    text = json.dumps(things, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def file_fingerprint(paths: Sequence[str]) -> str:
    """The same for the bytes of files, in their order, whatever they are called; for URLs it is their name."""
    digest = hashlib.blake2b(digest_size=8)
    for name in paths:
        path = Path(name)
        if not path.is_file():
            digest.update(name.encode())
            continue
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Written beside and renamed."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, sort_keys=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Written beside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def read_json(path: Path, fix: str) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises DataError where there is none.
    """
    if not path.exists():
        raise DataError(str(path), "a file of the run", "none", fix)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
