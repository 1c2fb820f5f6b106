"""Files that the studio may read and write: its folders, the spec under edit, and uploads."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from leaven.config import Spec, draft
from leaven.errors import DataError, SpecError
from leaven.run_folder import LOCK_FILE, SPEC_FILE, compute_fingerprint, read_json, slugify, write_json, write_text
from leaven.studio.spec_document import SpecDocument

DATA_SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".item", ".parquet", ".feather", ".json", ".jsonl", ".xlsx"),
    *(".gz", ".zip", ".zst"),
)
"""Endings of files that are offered as data."""
_MAX_LISTED = 200
_STATE_FILE = "studio.json"
_UPLOADS, _RUNS = "uploads", "runs"


class OutdatedEdit(SpecError):
    """An edit of a version of the spec that is not the newest."""


@dataclass
class Workspace:
    """The folders of a studio, and its spec.

    folder  working folder: uploads, specs, samples, jobs and runs
    roots   all folders that may be read, resolved
    spec    the spec under edit; None before data is opened. Valid edits are written to it
    draft   text of an edit that is not valid yet; "" for none
    """

    folder: Path
    roots: tuple[Path, ...]
    spec: Path | None = None
    draft: str = ""
    history: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, paths: Sequence[str], folder: Path) -> Workspace:
        """The workspace of files, a spec, or a run; without paths, as it was left in this folder.

        Raises LeavenError for a path that is missing or cannot be used.
        """
        folder.mkdir(parents=True, exist_ok=True)
        given = [Path(path).resolve() for path in paths]
        for path in given:
            if not path.exists():
                raise DataError(str(path), "a file or folder", "nothing there", "check the path")
        space = cls(folder.resolve(), tuple(dict.fromkeys([folder.resolve(), *map(_choose_root, given)])))
        runs = [path for path in given if (path / LOCK_FILE).exists()]
        specs = [path for path in given if path.suffix == ".toml"]
        if specs or runs:
            space._open_spec(specs[0] if specs else runs[0] / SPEC_FILE, is_run=not specs)
        elif given:
            space.start_spec([str(path) for path in given])
        elif (folder / _STATE_FILE).exists():
            state = read_json(folder / _STATE_FILE, "")
            space.roots = (*space.roots, *(Path(root) for root in state.get("roots", []) if Path(root).is_dir()))
            space.spec = Path(state["spec"]) if state.get("spec") and Path(state["spec"]).is_file() else None
        space._save_state()
        return space

    def _open_spec(self, path: Path, is_run: bool) -> None:
        """Open a spec, and the folders of its data. A run's own spec is copied, so that it stays as it was run."""
        if is_run:
            copy = self.folder / f"{slugify(path.parent.name)}.toml"
            write_text(copy, path.read_text(encoding="utf-8"))
            path = copy
        self.spec = path
        data = self.document.read_table().get("data", {})
        named = [data.get(key) for key in ("interactions", "items", "labeled")] if isinstance(data, dict) else []
        local = [(path.parent / name).resolve() for name in named if isinstance(name, str) and "://" not in name]
        self.roots = tuple(dict.fromkeys([*self.roots, *(_choose_root(one) for one in local if one.exists())]))

    def _save_state(self) -> None:
        spec = str(self.spec) if self.spec else ""
        write_json(self.folder / _STATE_FILE, {"spec": spec, "roots": [str(root) for root in self.roots]})

    @property
    def runs_folder(self) -> Path:
        """Where runs that the studio starts are written."""
        return self.folder / _RUNS

    @property
    def document(self) -> SpecDocument:
        """The spec under edit, as it is stored.

        Raises SpecError where nothing is open.
        """
        if self.spec is None:
            raise SpecError("studio", "open data", "none", "open a file on the page Data")
        return SpecDocument(self.spec.read_text(encoding="utf-8"), self.spec.parent)

    @property
    def shown_document(self) -> SpecDocument:
        """The draft of an edit that is not valid yet, else the stored spec."""
        stored = self.document
        return replace(stored, text=self.draft) if self.draft else stored

    def parse(self, document: SpecDocument) -> Spec:
        """The spec. Raises SpecError for an invalid one, or one that names files outside of the folders."""
        self.check_paths(document)
        return document.parse()

    @property
    def revision(self) -> str:
        """Fingerprint of the stored spec: an edit of an older one is refused."""
        return compute_fingerprint(self.document.text) if self.spec else ""

    def write_spec(self, document: SpecDocument, revision: str = "") -> None:
        """Check and store an edited spec; what cannot be parsed is kept as a draft.

        Raises SpecError for an invalid spec, one that names files outside of the folders, or an outdated revision.
        """
        if self.spec is None:
            raise SpecError("studio", "open data", "none", "open a file on the page Data")
        if revision and revision != self.revision:
            fix = "reload the page, then edit again"
            raise OutdatedEdit("spec", "the newest version", "an edit of an older one", fix)
        self.draft = document.text
        self.parse(document)
        before = self.document.text
        if document.text != before:
            write_text(self.spec, document.text)
            self.history = [*self.history[-49:], before]
        self.draft = ""

    def undo(self) -> None:
        """Write the text before the last edit."""
        self.draft = ""
        if self.history and self.spec is not None:
            write_text(self.spec, self.history.pop())

    def start_spec(self, paths: Sequence[str], columns: dict[str, str] | None = None) -> Path:
        """Draft a spec for data files, and edit it from now on.

        Raises DataError for files that are no log, SpecError for paths outside of the folders.
        """
        inside = [str(self.require_inside(Path(path))) for path in paths]
        sketch = draft.draft_log_spec(inside, columns)
        target = self._choose_new_name(slugify(sketch.name))
        self.spec = draft.write_draft(sketch, target)
        self.history, self.draft = [], ""
        self._save_state()
        return target

    def open_spec(self, path: Path) -> None:
        """Edit another spec of the folders from now on. Raises SpecError for one outside of them, or invalid."""
        inside = self.require_inside(path)
        self.parse(SpecDocument(inside.read_text(encoding="utf-8"), inside.parent))
        self.spec, self.history, self.draft = inside, [], ""
        self._save_state()

    def list_specs(self) -> list[Path]:
        """Specs in the folders, without those of runs."""
        found = (path for root in self.roots for path in sorted(root.glob("*.toml")))
        return [path for path in dict.fromkeys(found) if not (path.parent / LOCK_FILE).exists()][:_MAX_LISTED]

    def _choose_new_name(self, name: str) -> Path:
        numbers = ("", *(f"-{number}" for number in range(2, 10_000)))
        return next(path for number in numbers if not (path := self.folder / f"{name}{number}.toml").exists())

    def require_inside(self, path: Path) -> Path:
        """The resolved path. Raises SpecError where it is outside of the folders, through links too."""
        resolved = path.resolve()
        if not any(resolved.is_relative_to(root) for root in self.roots):
            names = ", ".join(root.name for root in self.roots)
            raise SpecError("path", f"a path below {names}", path.name, "start `leaven studio` with that file")
        return resolved

    def is_inside(self, path: Path) -> bool:
        """Whether a path is below one of the folders."""
        resolved = path.resolve()
        return any(resolved.is_relative_to(root) for root in self.roots)

    def check_paths(self, document: SpecDocument) -> None:
        """Raise SpecError for a spec that names a file outside of the folders, or an address that it did not name."""
        known = set(_list_texts(self.document.read_table())) if self.spec is not None else set[str]()
        self.check_values(document.read_table(), document.folder, known)

    def check_values(self, table: Any, folder: Path | None = None, known: Collection[str] = ()) -> None:
        """Raise SpecError for a table with a path outside of the folders, or an address that is not known."""
        base = folder or self.folder
        for text in set(_list_texts(table)) - set(known):
            if re.match(r"^\w+://", text):
                raise SpecError("spec", "paths of files", repr(text), "start `leaven studio` with a spec that names it")
            is_path = (
                text.startswith(("/", "~", "\\")) or ".." in Path(text).parts or re.match(r"^[A-Za-z]:[\\/]", text)
            )
            if is_path or os.path.lexists(base / text):
                self.require_inside(base / Path(re.split(r"[*?\[]", text)[0]).expanduser())

    def list_data_files(self) -> list[Path]:
        """Data files in the folders and one level below, without those of runs."""
        found = (
            path
            for root in self.roots
            for pattern in ("*", "*/*")
            for path in sorted(root.glob(pattern))
            if path.suffix.lower() in DATA_SUFFIXES
            and path.is_file()
            and path.name != _STATE_FILE
            and not (path.parent / LOCK_FILE).exists()
        )
        own = (self.folder / "samples", self.folder / "jobs")
        return list(dict.fromkeys(path for path in found if path.parent not in own and self.is_inside(path)))[
            :_MAX_LISTED
        ]

    def choose_upload_path(self, name: str) -> Path:
        """Where an uploaded file is written: its name without folders and odd characters.

        Raises DataError for a name that is no data file.
        """
        plain = slugify(re.split(r"[/\\]", name)[-1])[-120:]
        if Path(plain).suffix.lower() not in DATA_SUFFIXES:
            raise DataError("upload", f"a file such as {', '.join(DATA_SUFFIXES[:3])}", repr(name[-60:]), "")
        folder = self.folder / _UPLOADS
        folder.mkdir(exist_ok=True)
        return folder / plain


def _choose_root(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _list_texts(value: Any) -> Iterator[str]:
    """All texts in a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _list_texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _list_texts(one)
