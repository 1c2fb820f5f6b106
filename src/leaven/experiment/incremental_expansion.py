"""Re-expansion of a variant without some steps; rows of unaffected steps are reused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leaven.augmentation.plan_diff import remove_steps, reuse_step_files
from leaven.config import Spec, load_spec
from leaven.errors import DataError
from leaven.experiment.preparation import Prepared
from leaven.experiment.trial import fingerprint_rows
from leaven.run_folder import SPEC_FILE, RunFolder, slugify, write_json


def remove_variant_steps(spec: Spec, name: str, steps: Sequence[str]) -> Spec:
    """The spec with these steps removed from variant `name`.

    Raises SpecError for unknown steps, or steps that others read by name.
    """
    spec.variant(name)
    variants = [
        replace(variant, plan=remove_steps(variant.plan, steps)) if variant.name == name else variant
        for variant in spec.variants
    ]
    return replace(spec, variants=tuple(variants))


def reuse_variant_rows(run: RunFolder, spec: Spec, name: str, prepared: Prepared) -> None:
    """Replace the variant's folder of rows by one with only the rows that the reduced plan shares with the old one.

    The stage facts list under "without" which steps kept their rows and which make new ones. The new folder is built
    separately and swapped, and its stage is reset: after an interruption the next call resumes. Nothing is reused
    where the rows are those of another spec or of other data.

    Raises DataError for a folder in which variants were trained.
    """
    if any(run.variant_folder(name).glob("seed-*")):
        fix = "expand into a folder of its own: leaven expand SPEC --variant … --out …"
        raise DataError(str(run.path), "a folder of `leaven expand`", "a run with trained variants", fix)
    note = run.path / "stages" / f"{slugify(f'rows {name}')}.json"
    known: dict[str, Any] = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    new = spec.variant(name).plan
    depends = _fingerprint(prepared, spec, name)
    rows, part, old_rows = (
        run.variant_folder(name) / suffix for suffix in ("expanded", "expanded.part", "expanded.old")
    )
    _finish_swap(rows, part, old_rows, swapped=known.get("depends") == depends)
    if known.get("depends") == depends:
        return
    older = load_spec(run.path / SPEC_FILE) if (run.path / SPEC_FILE).exists() else spec
    is_usable = known.get("done") and any(variant.name == name for variant in older.variants)
    if not is_usable or known["depends"] != _fingerprint(prepared, older, name):
        return
    same = reuse_step_files(rows, older.variant(name).plan, part, new, prepared.split.train).values()
    names: dict[str, list[str]] = {"kept": [], "made": []}
    for number, step in enumerate(new.named_steps, 1):
        names["kept" if number in same else "made"].append(step.display_name)
    previews = [] if names["made"] else [one for one in known["facts"]["previews"] if one["step"] in names["kept"]]
    rows.rename(old_rows)
    part.rename(rows)
    facts = {"previews": previews, "without": names}
    write_json(note, {"depends": depends, "done": False, "facts": facts, "seconds": 0.0})
    shutil.rmtree(old_rows)


def _fingerprint(prepared: Prepared, spec: Spec, name: str) -> str:
    return fingerprint_rows(prepared.fingerprint, spec.seed, spec.variant(name).plan)


def _finish_swap(rows: Path, part: Path, old_rows: Path, swapped: bool) -> None:
    """Finish or undo an interrupted swap."""
    if part.exists():
        shutil.rmtree(part)
    if not old_rows.exists():
        return
    if swapped:
        shutil.rmtree(old_rows)
        return
    if rows.exists():
        shutil.rmtree(rows)
    old_rows.rename(rows)
