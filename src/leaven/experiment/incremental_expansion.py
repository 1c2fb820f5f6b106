"""Re-expansion of a variant without some steps; rows of unaffected steps are reused."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from leaven.augmentation.plan_diff import remove_steps, reuse_step_files
from leaven.config import Spec, load_spec
from leaven.errors import DataError
from leaven.experiment.prepared_data import PreparedData
from leaven.experiment.trial import fingerprint_rows
from leaven.facts import ReuseFacts, VariantFacts, from_json, to_json
from leaven.run_folder import SPEC_FILE, RunFolder, StageRecord


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


def reuse_variant_rows(run: RunFolder, spec: Spec, name: str, prepared: PreparedData) -> None:
    """Replace the variant's folder of rows by one with only the rows that the reduced plan shares with the old one.

    The stage facts list which steps kept their rows and which create them again. The new folder is built
    separately and swapped, and its stage is reset: after an interruption the next call resumes. Nothing is reused
    where the rows are those of another spec or of other data.

    Raises DataError for a folder in which variants were trained.
    """
    if any(run.variant_folder(name).glob("seed-*")):
        fix = "expand into a folder of its own: leaven expand SPEC --variant … --out …"
        raise DataError(str(run.path), "a folder of `leaven expand`", "a run with trained variants", fix)
    stage = f"rows {name}"
    known = run.read_record(stage)
    new = spec.variant(name).plan
    depends = _fingerprint(prepared, spec, name)
    rows, part, old_rows = (
        run.variant_folder(name) / suffix for suffix in ("expanded", "expanded.part", "expanded.old")
    )
    _finish_swap(rows, part, old_rows, swapped=known.fingerprint == depends)
    if known.fingerprint == depends:
        return
    older = load_spec(run.path / SPEC_FILE) if (run.path / SPEC_FILE).exists() else spec
    is_usable = known.is_done and name in {variant.name for variant in older.variants}
    if not is_usable or known.fingerprint != _fingerprint(prepared, older, name):
        return
    same = reuse_step_files(rows, older.variant(name).plan, part, new, prepared.train).values()
    names = [step.display_name for step in new.named_steps]
    reused = tuple(names[number - 1] for number in sorted(same))
    reuse = ReuseFacts(reused, tuple(one for one in names if one not in reused))
    shown = from_json(VariantFacts, known.facts, stage).previews
    previews = () if reuse.recreated else tuple(one for one in shown if one.step in reused)
    rows.rename(old_rows)
    part.rename(rows)
    facts = to_json(VariantFacts(name, previews=previews, reuse=reuse))
    run.write_record(stage, StageRecord(depends, False, facts, 0.0))
    shutil.rmtree(old_rows)


def _fingerprint(prepared: PreparedData, spec: Spec, name: str) -> str:
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
