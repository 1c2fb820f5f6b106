"""The folder of a run: its files, and its resumable stages.

Every file is written to a temporary file and renamed. A stage records the fingerprint of its inputs: a finished stage
is skipped, an interrupted one continues with the files that it has finished, and one with changed inputs starts again.
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

LOCK_FILE, SPEC_FILE, FACTS_FILE, REPORT_FILE, LOG_FILE, RECORDS_FILE, ERASURES_FILE = (
    "lock.json",
    "spec.toml",
    "facts.json",
    "report.html",
    "log.jsonl",
    "records.parquet",
    "erased.json",
)
VIEWS_FOLDER = "views"
"""Subfolder of a variant with the item views of its steps."""


def _ignore_event(event: str, facts: Mapping[str, Any]) -> None:
    """Log nothing."""


@dataclass(frozen=True, eq=False)
class RunFolder:
    """The folder of one run. log_event: called with the name and the facts of each event."""

    path: Path
    log_event: Callable[[str, Mapping[str, Any]], None] = _ignore_event

    @property
    def data_folder(self) -> Path:
        """Folder of the split and the catalog."""
        return self.path / "data"

    def variant_folder(self, name: str) -> Path:
        """Folder of one variant."""
        return self.path / "arms" / slugify(name)

    def training_folder(self, variant: str, seed: int) -> Path:
        """Folder of one training."""
        return self.variant_folder(variant) / f"seed-{seed}"

    def read_erasures(self) -> dict[str, bool]:
        """Id of an erased user, 16 hexadecimal digits -> whether the erasure is complete in all files."""
        path = self.path / ERASURES_FILE
        erasures: dict[str, bool] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return erasures

    def read_facts(self) -> dict[str, Any]:
        """The facts of a finished run.

        Raises DataError for an unfinished run.
        """
        return read_json(self.path / FACTS_FILE, "resume it with: leaven run SPEC --resume")

    def is_stage_done(self, name: str, fingerprint: str) -> bool:
        """Whether a stage is finished for inputs with this fingerprint."""
        record = self._read_record(name)
        return bool(record.get("done")) and record.get("depends") == fingerprint

    def _record_path(self, name: str) -> Path:
        return self.path / "stages" / f"{slugify(name)}.json"

    def _read_record(self, name: str) -> dict[str, Any]:
        """The stored record of a stage; {} where there is none."""
        path = self._record_path(name)
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return record

    @contextmanager
    def run_stage(self, name: str, fingerprint: str, outputs: Sequence[Path] = ()) -> Iterator[Stage]:
        """Run a stage: skip the work if `stage.done`; fill `stage.facts` before leaving the context.

        fingerprint: fingerprint of the inputs. outputs: files and folders with partial results of an interrupted stage,
        which are deleted when `fingerprint` has changed.
        """
        path, record = self._record_path(name), self._read_record(name)
        if record.get("depends") != fingerprint:
            for output in outputs:
                shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
            record = {"depends": fingerprint, "done": False, "facts": {}, "seconds": 0.0}
            write_json(path, record)
        stage = Stage(bool(record["done"]), dict(record["facts"]), float(record["seconds"]))
        started = time.perf_counter()
        yield stage
        if not stage.is_done:
            stage.seconds = round(stage.seconds + time.perf_counter() - started, 3)
            write_json(path, {"depends": fingerprint, "done": True, "facts": stage.facts, "seconds": stage.seconds})
            self.log_event("stage done", {"stage": name, "seconds": stage.seconds})


@dataclass(eq=False)
class Stage:
    """State of a stage. is_done: it is finished. facts: JSON-serializable results. seconds: its total run time."""

    is_done: bool
    facts: dict[str, Any]
    seconds: float


def create_run(folder: Path, resume: bool) -> RunFolder:
    """Create the folder of a run, or with `resume` open the existing one.

    Raises DataError for a folder with other contents, for an existing run without `resume`, and for an incomplete
    erasure.
    """
    if folder.is_file():
        raise DataError(str(folder), "a folder", "a file", "choose another folder with --out")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / LOCK_FILE).exists():
            raise DataError(
                str(folder), "an empty folder or a run folder", "other files", "choose another folder with --out"
            )
        if not resume:
            fix = "resume it with --resume, or choose another folder with --out"
            raise DataError(str(folder), "an empty folder", "an existing run", fix)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / LOCK_FILE).exists():
        write_json(folder / LOCK_FILE, {})  # first of all, so that a run killed at any time can be resumed
    run = RunFolder(folder, partial(_append_event, folder / LOG_FILE))
    if not all(run.read_erasures().values()):
        fix = "complete it first: leaven erase RUN --user USER with the same user"
        raise DataError(str(folder), "consistent files", "an incomplete erasure", fix)
    return run


def open_run(folder: Path) -> RunFolder:
    """Open the run in a folder.

    Raises DataError where there is none.
    """
    if not (folder / LOCK_FILE).exists():
        raise DataError(str(folder), "a run folder", "a folder without lock.json", "use the folder given by --out")
    return RunFolder(folder, partial(_append_event, folder / LOG_FILE))


def _append_event(path: Path, event: str, facts: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"time": round(time.time(), 3), "event": event, **facts}) + "\n")


def slugify(name: str) -> str:
    """A folder name: letters and digits of any script, other characters become dashes.

    >>> slugify("crop and mask / 2")
    'crop-and-mask-2'
    """
    dashed = "".join(letter if letter.isalnum() or letter in "_." else "-" for letter in name).strip("-.")
    while "--" in dashed:
        dashed = dashed.replace("--", "-")
    return dashed or "unnamed"


def compute_fingerprint(*values: Any) -> str:
    """A hash of JSON-serializable values, 16 hexadecimal digits.

    >>> first, second = compute_fingerprint({"a": 1}), compute_fingerprint({"a": 1})
    >>> first == second, compute_fingerprint(1) == compute_fingerprint("1")
    (True, False)
    """
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def fingerprint_files(paths: Sequence[str]) -> str:
    """A hash of the contents of files, in order, independent of their names; of a URL, its text."""
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
    """Write a JSON file atomically."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, sort_keys=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def read_json(path: Path, fix: str) -> dict[str, Any]:
    """Read a file written by `write_json`.

    Raises DataError with this fix where there is none.
    """
    if not path.exists():
        raise DataError(str(path), "a file of the run", "none", fix)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append one line of JSON to a file."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Lines of a JSON-lines file; [] where there is none. A last line that a killed process left half is dropped."""
    if not path.exists():
        return []
    lines: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines
