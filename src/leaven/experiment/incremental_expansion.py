"""Which rows of an arm stay as they are when its plan loses a step?"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leaven.augmentation.plan_diff import take_over, without
from leaven.config import Spec, load
from leaven.errors import DataError
from leaven.experiment.preparation import Prepared
from leaven.experiment.trial import rows_follow
from leaven.run_folder import SPEC, Run, plain, write_json


def lessened(spec: Spec, name: str, steps: Sequence[str]) -> Spec:
    """The spec whose arm `name` has never had these steps.

    Raises SpecError for steps that are not there, or that others read by name.
    """
    spec.arm(name)
    arms = [replace(arm, plan=without(arm.plan, steps)) if arm.name == name else arm for arm in spec.arms]
    return replace(spec, arms=tuple(arms))


def take_over_rows(run: Run, wish: Spec, name: str, prepared: Prepared) -> None:
    """Put the rows that are the same in the lessened plan in the place of all rows.

    The arm's facts say under "without" which steps kept theirs, and which make theirs now. The folder of rows is built
    beside and swapped, and its stage begins anew: killed at any moment, the next call goes on. Where the folder's rows
    are those of another spec or of other data, nothing is kept.

    Raises DataError for a folder in which arms were trained.
    """
    if any(run.arm(name).glob("seed-*")):
        fix = "expand into a folder of its own: leaven expand SPEC --variant … --out …"
        raise DataError(str(run.folder), "a folder of `leaven expand`", "a run with trained arms", fix)
    note = run.folder / "stages" / f"{plain(f'rows {name}')}.json"
    known: dict[str, Any] = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    new = wish.arm(name).plan
    mark = _mark(prepared, wish, name)
    rows, part, aside = (run.arm(name) / word for word in ("expanded", "expanded.part", "expanded.old"))
    _settle(rows, part, aside, swapped=known.get("depends") == mark)
    if known.get("depends") == mark:
        return
    older = load(run.folder / SPEC) if (run.folder / SPEC).exists() else wish
    usable = known.get("done") and any(arm.name == name for arm in older.arms)
    if not usable or known["depends"] != _mark(prepared, older, name):
        return
    same = take_over(rows, older.arm(name).plan, part, new, prepared.split.train).values()
    told: dict[str, list[str]] = {"kept": [], "made": []}
    for number, step in enumerate(new.all, 1):
        told["kept" if number in same else "made"].append(step.called)
    previews = [] if told["made"] else [one for one in known["facts"]["previews"] if one["step"] in told["kept"]]
    rows.rename(aside)
    part.rename(rows)
    facts = {"previews": previews, "without": told}
    write_json(note, {"depends": mark, "done": False, "facts": facts, "seconds": 0.0})
    shutil.rmtree(aside)


def _mark(prepared: Prepared, spec: Spec, name: str) -> str:
    return rows_follow(prepared.fingerprint, spec.seed, spec.arm(name).plan)


def _settle(rows: Path, part: Path, aside: Path, swapped: bool) -> None:
    """Finish, or take back, a swap that was cut off."""
    if part.exists():
        shutil.rmtree(part)
    if not aside.exists():
        return
    if swapped:
        shutil.rmtree(aside)
        return
    if rows.exists():
        shutil.rmtree(rows)
    aside.rename(rows)
