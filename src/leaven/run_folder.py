"""The folder of a run: its files, and its resumable stages.

Every file is written to a temporary file and renamed. A stage records the fingerprint of its inputs and the digests of
its files: a finished stage is skipped, an interrupted one continues with the files that it has finished, and one with
changed inputs, or with files that are missing or damaged, starts again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from leaven.display import Display, show_html, show_text
from leaven.errors import DataError
from leaven.facts import FACTS_FILE, FORMAT, RunFacts, read_run_facts

LOCK_FILE, SPEC_FILE, REPORT_FILE, LOG_FILE, RECORDS_FILE, ERASURES_FILE = (
    "lock.json",
    "spec.toml",
    "report.html",
    "log.jsonl",
    "records.parquet",
    "erased.json",
)
VIEWS_FOLDER = "views"
"""Subfolder of a variant with the item views of its steps."""


_log = logging.getLogger("leaven")


def _ignore_event(event: str, facts: Mapping[str, Any]) -> None:
    """Log nothing."""


def _display_run(run: RunFolder) -> Display:
    """The headline of a finished run, its variants, and where the report is."""
    try:
        facts = run.read_facts()
    except DataError as error:
        return Display("Run", {"folder": str(run.path), "not finished": error.got})
    found = {"folder": str(run.path), "report": str(run.path / REPORT_FILE)}
    if facts.verdict is not None:
        found = {"verdict": facts.verdict.headline, **found}
    if facts.comparison is None:
        return Display(f"Run {facts.name}", found)
    rows = [
        [one.variant, _format_figure(one.mean), *map(_format_lift, (one.lift, one.low, one.high)), one.verdict]
        for one in facts.comparison.effects
    ]
    means = facts.comparison.means
    baseline = facts.comparison.baseline
    rows.insert(0, [baseline, _format_figure(means.get(baseline))])
    header = ("variant", f">{facts.comparison.metric}", ">lift", ">low", ">high", "verdict")
    return Display(f"Run {facts.name}", found, header, rows)


def _format_figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _format_lift(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f} %"


@dataclass(frozen=True, eq=False)
class RunFolder:
    """The folder of one run. log_event: called with the name and the facts of each event."""

    path: Path
    log_event: Callable[[str, Mapping[str, Any]], None] = _ignore_event

    def to_display(self) -> Display:
        """What a shell and a notebook show."""
        return _display_run(self)

    __repr__ = show_text
    _repr_html_ = show_html

    @property
    def data_folder(self) -> Path:
        """Folder of the split and the catalog."""
        return self.path / "data"

    @property
    def variants_folder(self) -> Path:
        """Folder with one folder per variant."""
        return self.path / "variants"

    def variant_folder(self, name: str) -> Path:
        """Folder of one variant."""
        return self.variants_folder / slugify(name)

    def training_folder(self, variant: str, seed: int) -> Path:
        """Folder of one training."""
        return self.variant_folder(variant) / f"seed-{seed}"

    def read_erasures(self) -> dict[str, bool]:
        """Id of an erased user, 16 hexadecimal digits -> whether the erasure is complete in all files."""
        path = self.path / ERASURES_FILE
        erasures: dict[str, bool] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return erasures

    def read_facts(self) -> RunFacts:
        """The facts of a finished run.

        Raises DataError for an unfinished run, and for one of an older leaven.
        """
        return read_run_facts(self.path)

    def is_stage_done(self, name: str, fingerprint: str) -> bool:
        """Whether a stage is finished for inputs with this fingerprint."""
        record = self.read_record(name)
        return record.is_done and record.fingerprint == fingerprint

    def read_record(self, name: str) -> StageRecord:
        """The record of a stage; one without a fingerprint where there is none, or a damaged one."""
        path = self._record_path(name)
        if not path.exists():
            return StageRecord()
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            checksum = content.pop("checksum")
            record = StageRecord(**content)
        except (ValueError, TypeError, KeyError, AttributeError):
            checksum, record = "", StageRecord("damaged")
        if checksum == compute_fingerprint(asdict(record)):
            return record
        _log.warning("%s: damaged; the stage is run again", path)
        return StageRecord()

    def write_record(self, name: str, record: StageRecord) -> None:
        """Write the record of a stage."""
        content = json.loads(json.dumps(asdict(record)))  # as it is read: text as keys, lists
        write_json(self._record_path(name), content | {"checksum": compute_fingerprint(content)})

    def renew_digests(self) -> None:
        """Record the files of all finished stages as they are, after a change that was meant."""
        for path in sorted((self.path / "stages").glob("*.json")):
            record = self.read_record(path.stem)
            files = [self.path / name for name in record.files if (self.path / name).exists()]
            self.write_record(path.stem, replace(record, files=self._digest_files(files)))

    def _digest_files(self, outputs: Sequence[Path]) -> dict[str, str]:
        """Path within the run -> digest, of all files of these files and folders."""
        found = [path for output in outputs for path in (output.rglob("*") if output.is_dir() else [output])]
        files = sorted(path for path in found if path.is_file() and path.suffix != ".part")
        return {path.relative_to(self.path).as_posix(): fingerprint_files([str(path)]) for path in files}

    def _find_damaged_files(self, record: StageRecord) -> list[str]:
        names = [self.path / name for name in record.files]
        found = self._digest_files(names)
        return [name for name, digest in record.files.items() if found.get(name) != digest]

    def _record_path(self, name: str) -> Path:
        return self.path / "stages" / f"{slugify(name)}.json"

    def record_spec(self, toml: str, lock: Mapping[str, Any]) -> None:
        """Write the spec and the lock; results of another spec are deleted first."""
        path = self.path / SPEC_FILE
        if path.exists() and path.read_text(encoding="utf-8") != toml:
            for name in (FACTS_FILE, REPORT_FILE, RECORDS_FILE):
                (self.path / name).unlink(missing_ok=True)
        write_text(path, toml)
        write_json(self.path / LOCK_FILE, lock)

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        shutil.rmtree(self.path)

    @contextmanager
    def run_stage(self, name: str, fingerprint: str, outputs: Sequence[Path] = ()) -> Iterator[Stage]:
        """Run a stage: skip the work if `stage.done`; fill `stage.facts` before leaving the context.

        fingerprint: fingerprint of the inputs. outputs: files and folders of the stage. They are deleted when
        `fingerprint` has changed, and when a file of the finished stage is missing or has other contents, which is
        logged as a warning.
        """
        record = self.read_record(name)
        damaged = self._find_damaged_files(record) if record.fingerprint == fingerprint else []
        if damaged:
            _log.warning("%s: missing or damaged; stage %r is run again", self.path / damaged[0], name)
        if damaged or record.fingerprint != fingerprint:
            for output in outputs:
                shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
            record = StageRecord(fingerprint)
            self.write_record(name, record)
        stage = Stage(record.is_done, dict(record.facts), record.seconds)
        started = time.perf_counter()
        yield stage
        if not stage.is_done:
            stage.seconds = round(stage.seconds + time.perf_counter() - started, 3)
            files = self._digest_files(outputs)
            self.write_record(name, StageRecord(fingerprint, True, stage.facts, stage.seconds, files))
            self.log_event("stage done", {"stage": name, "seconds": stage.seconds})


@dataclass(frozen=True)
class StageRecord:
    """What the folder keeps of a stage.

    fingerprint: of its inputs; facts: JSON-serializable results; files: path within the run -> digest.
    """

    fingerprint: str = ""
    is_done: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Stage:
    """State of a stage. is_done: it is finished. facts: JSON-serializable results. seconds: its total run time."""

    is_done: bool
    facts: dict[str, Any]
    seconds: float


def create_run(folder: Path, resume: bool, spec: Mapping[str, Any] | None = None) -> RunFolder:
    """Create the folder of a run, or with `resume` open the existing one.

    spec: the resolved spec of the run. It is recorded first, so that `resume` can refuse another one; only
    `evaluate.seeds` may grow. None: any spec may follow.

    Raises DataError for a folder with other contents, for an existing run without `resume` or of another spec, and for
    an incomplete erasure.
    """
    spec = None if spec is None else json.loads(json.dumps(spec, default=str))
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
    run = RunFolder(folder, partial(_append_event, folder / LOG_FILE))
    if (folder / LOCK_FILE).exists():
        _check_lock(run, spec)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / LOCK_FILE).exists():  # first of all, so that a run killed at any time can be resumed
        write_json(folder / LOCK_FILE, {"format": FORMAT} | ({} if spec is None else {"spec": spec}))
    return run


def _check_lock(run: RunFolder, spec: Mapping[str, Any] | None) -> None:
    """Refuse a folder of another format or spec, and one whose erasure is incomplete."""
    if not all(run.read_erasures().values()):
        fix = "complete it first: leaven erase RUN --user USER with the same user"
        raise DataError(str(run.path), "consistent files", "an incomplete erasure", fix)
    lock = read_json(run.path / LOCK_FILE, "choose another folder with --out")
    if lock and ("format" not in lock or lock["format"] != FORMAT):
        got = f"one of format {lock['format']}" if "format" in lock else "one of an older leaven"
        raise DataError(str(run.path), f"a run folder of format {FORMAT}", got, "choose another folder with --out")
    if spec is None or "spec" not in lock:
        return
    has_more_seeds = spec["evaluate"]["seeds"] > lock["spec"]["evaluate"]["seeds"]
    changed = find_changed_keys(lock["spec"], spec)
    changed = [key for key in changed if key != "evaluate.seeds" or not has_more_seeds]
    if changed:
        fix = "choose another folder with --out, or resume with the spec of this run: its spec.toml"
        raise DataError(str(run.path), "the spec of this run", f"another value of {', '.join(changed)}", fix)


def find_changed_keys(one: Any, other: Any, name: str = "") -> list[str]:
    """Dotted names of the keys whose values differ between two specs.

    >>> find_changed_keys({"seed": 7, "split": {"kind": "time"}}, {"seed": 8, "split": {"kind": "time"}})
    ['seed']
    >>> find_changed_keys({"variant": [{"p": 1}]}, {"variant": [{"p": 2}, {}]})
    ['variant.0.p', 'variant.1']
    """
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        one, other = (dict(enumerate(values)) for values in (one, other))
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return [] if one == other else [name]
    inner = [
        key for key in dict.fromkeys([*one, *other]) if key not in one or key not in other or one[key] != other[key]
    ]
    found = []
    for key in inner:
        path = f"{name}.{key}" if name else str(key)
        found += find_changed_keys(one[key], other[key], path) if key in one and key in other else [path]
    return found


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

    Raises DataError with this fix where there is none, and for a damaged one.
    """
    if not path.exists():
        raise DataError(str(path), "a file of the run", "none", fix)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(str(path), "a file of the run, as JSON", f"a damaged file ({error})", fix) from error
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
