"""Steps that two plans share, and reuse of their row files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven.augmentation.expansion import file_name
from leaven.augmentation.lineage import places_read
from leaven.augmentation.plan import Plan
from leaven.errors import SpecError, nearest
from leaven.protocols import Rows


def without(plan: Plan, names: Sequence[str]) -> Plan:
    """The plan without these steps; the others keep their names, and so their random draws.

    >>> from leaven.transforms.sequence.crop import Crop
    >>> from leaven.transforms.sequence.masking import Mask
    >>> [step.called for step in without(Plan([Crop(), Mask(), Crop()]), ["crop"]).all]
    ['mask', 'crop 2']

    Raises SpecError for an unknown step, or one that a remaining step reads by name.
    """
    known = [step.called for step in plan.all]
    for name in names:
        if name not in known:
            raise SpecError("--without", "a step of the plan", repr(name), nearest(name, known))
    left = [step for step in plan.all if step.called not in names]
    for step in left:
        if plan.reads(step) in names:
            got = f"{step.called!r}, which reads the rows of {plan.reads(step)!r}"
            raise SpecError("--without", "steps that nothing reads by name", got, f"add --without {step.called!r}")
    return replace(plan, steps=[replace(step, name=step.called) for step in left])


def shared(old: Plan, new: Plan) -> dict[int, int]:
    """Number of a step of `old` -> number of the step of `new` that makes the same rows."""
    numbers = {step.called: number for number, step in enumerate(new.all, 1)}
    pairs = [(number, numbers[step.called]) for number, step in enumerate(old.all, 1) if step.called in numbers]
    return {mine: other for mine, other in pairs if _makes_same_rows(old, mine, new, other)}


def _makes_same_rows(old: Plan, mine: int, new: Plan, other: int) -> bool:
    if not mine or not other:
        return mine == other
    one, two = old.all[mine - 1], new.all[other - 1]
    if replace(one, name=one.called) != replace(two, name=two.called) or one.when != "once" or one.on_items:
        return False
    read, theirs = places_read(old, mine), places_read(new, other)
    return len(read) == len(theirs) and all(_makes_same_rows(old, a, new, b) for a, b in zip(read, theirs, strict=True))


def take_over(folder: Path, old: Plan, target: Path, new: Plan, like: Rows) -> dict[int, int]:
    """Copy the files of the real rows and of all shared steps from the folder of one plan to that of another.

    Files are linked where possible; those of steps whose number changed are rewritten, as rows contain the number.
    Returns `shared(old, new)`.
    """
    same = shared(old, new)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("00-*.parquet")):
        _link(path, target / path.name)
    for mine, other in same.items():
        start = file_name(mine, old.all[mine - 1])
        for path in sorted(folder.glob(f"{start}-*.*")):
            name = file_name(other, new.all[other - 1]) + path.name.removeprefix(start)
            if path.suffix == ".json" or all(a == b for a, b in same.items() if a <= mine):
                _link(path, target / name)
            elif path.suffix == ".parquet":
                _renumber(like.read_back(path), same).to_parquet(target / name)
    return same


def _renumber(rows: Any, numbers: Mapping[int, int]) -> Any:
    """The rows with new step numbers in `origin`."""
    table = np.arange(max([*numbers, *rows.origin.tolist(), 0]) + 1)
    for old, new in numbers.items():
        table[old] = new
    return replace(rows, origin=table[rows.origin].astype(np.int16))


def _link(path: Path, target: Path) -> None:
    """Link the file; copy it where the file system has no links."""
    try:
        target.hardlink_to(path)
    except OSError:
        shutil.copy2(path, target)
