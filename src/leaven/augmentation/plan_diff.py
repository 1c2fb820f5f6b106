"""Steps that two plans share, and reuse of their row files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from leaven.augmentation.expansion import build_file_prefix
from leaven.augmentation.lineage import list_input_steps
from leaven.augmentation.plan import Plan
from leaven.errors import SpecError, suggest_name
from leaven.protocols import Rows, RowsT


def remove_steps(plan: Plan, names: Sequence[str]) -> Plan:
    """The plan without these steps; the others keep their names, and so their random draws.

    >>> from leaven.transforms.sequence.crop import Crop
    >>> from leaven.transforms.sequence.masking import Mask
    >>> [step.display_name for step in remove_steps(Plan([Crop(), Mask(), Crop()]), ["crop"]).named_steps]
    ['mask', 'crop 2']

    Raises SpecError for an unknown step, or one that a remaining step reads by name.
    """
    known = [step.display_name for step in plan.named_steps]
    for name in names:
        if name not in known:
            raise SpecError("--without", "a step of the plan", repr(name), suggest_name(name, known))
    left = [step for step in plan.named_steps if step.display_name not in names]
    for step in left:
        if plan.get_input(step) in names:
            got = f"{step.display_name!r}, which reads the rows of {plan.get_input(step)!r}"
            raise SpecError(
                "--without", "steps that nothing reads by name", got, f"add --without {step.display_name!r}"
            )
    return replace(plan, steps=[replace(step, name=step.display_name) for step in left])


def find_shared_steps(old: Plan, new: Plan) -> dict[int, int]:
    """Number of a step of `old` -> number of the step of `new` that makes the same rows."""
    numbers = {step.display_name: number for number, step in enumerate(new.named_steps, 1)}
    pairs = [
        (number, numbers[step.display_name])
        for number, step in enumerate(old.named_steps, 1)
        if step.display_name in numbers
    ]
    return {mine: other for mine, other in pairs if _makes_same_rows(old, mine, new, other)}


def _makes_same_rows(old: Plan, mine: int, new: Plan, other: int) -> bool:
    if not mine or not other:
        return mine == other
    one, two = old.named_steps[mine - 1], new.named_steps[other - 1]
    if (
        replace(one, name=one.display_name) != replace(two, name=two.display_name)
        or one.when != "once"
        or one.is_on_items
    ):
        return False
    read, theirs = list_input_steps(old, mine), list_input_steps(new, other)
    return len(read) == len(theirs) and all(_makes_same_rows(old, a, new, b) for a, b in zip(read, theirs, strict=True))


def reuse_step_files(folder: Path, old: Plan, target: Path, new: Plan, template: Rows) -> dict[int, int]:
    """Copy the files of the real rows and of all shared steps from the folder of one plan to that of another.

    Files are linked where possible; those of steps whose number changed are rewritten, as rows contain the number.
    Returns `find_shared_steps(old, new)`.
    """
    same = find_shared_steps(old, new)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("00-*.parquet")):
        _link(path, target / path.name)
    for mine, other in same.items():
        start = build_file_prefix(mine, old.named_steps[mine - 1])
        for path in sorted(folder.glob(f"{start}-*.*")):
            name = build_file_prefix(other, new.named_steps[other - 1]) + path.name.removeprefix(start)
            if path.suffix == ".json" or all(a == b for a, b in same.items() if a <= mine):
                _link(path, target / name)
            elif path.suffix == ".parquet":
                _renumber(template.read_files(path), same).write_file(target / name)
    return same


def _renumber(rows: RowsT, numbers: Mapping[int, int]) -> RowsT:
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
