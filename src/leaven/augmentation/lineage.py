"""Lineage of synthetic rows: the source row, step and copy that a row was made from.

Nothing is stored: a row id is a hash of (step, id of the source row, copy), so the source is found by a search among
the rows that the step read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven import rng
from leaven.augmentation.plan import Plan, Step

Keys = rng.RngKeys

_MAX_COPIES, _MAX_PARTS = 512, 2048
"""Copies of one row, and parts of one copy, that are searched."""
_MAX_CANDIDATES = 1 << 22  # rows times copies, so that a whole log is searched in seconds


@dataclass(frozen=True)
class SourceRow:
    """Source of a row. row_id: id of the row that was read; copy: copy index, from 0; part: index among the parts of a
    copy.
    """

    row_id: int
    copy: int = 0
    part: int = 0


def find_source_row(step: Step, seed: int, row_id: int, input_ids: Keys) -> SourceRow | None:
    """Source of the row with id `row_id`, made by a step with the run's `seed`; None where it is not among `input_ids`.

    input_ids  uint64 (rows,): ids of the rows that the step may have read

    >>> from leaven.datasets.histories import Histories
    >>> from leaven.augmentation import expand
    >>> from leaven.transforms.sequence.crop import Crop
    >>> plan = Plan([Crop()])
    >>> rows = expand(Histories.from_lists([[1, 2, 3], [2, 3, 1]], n_items=3, row_ids=[11, 12]), plan, seed=7)
    >>> find_source_row(plan.named_steps[0], 7, int(rows.row_ids[3]), rows.row_ids[:2])
    Source(key=12, copy=0, part=0)
    """
    if not len(input_ids):
        return None
    key = rng.derive_key(seed, "step", step.display_name)
    if step.mode == "in_place":
        return _find_part(rng.derive_key(key, "part"), row_id, input_ids, [0])
    names = rng.derive_key(key, "name")
    copies = range(min(_MAX_COPIES, max(1, _MAX_CANDIDATES // len(input_ids))))
    for copy in copies:
        index = np.flatnonzero(rng.derive_row_keys(names, input_ids, copy) == np.uint64(row_id))
        if len(index):
            return SourceRow(int(input_ids[index[0]]), copy)
    few = [copy for copy in copies if copy < 64]
    named = np.concatenate([rng.derive_row_keys(names, input_ids, copy) for copy in few])
    part = _find_part(rng.derive_key(key, "part"), row_id, named, few)
    if part is None:
        return None
    source = int(np.flatnonzero(named == np.uint64(part.row_id))[0]) % len(input_ids)
    return SourceRow(int(input_ids[source]), part.copy, part.part)


def _find_part(key: int, made: int, names: Keys, copies: list[int]) -> SourceRow | None:
    """The row of which `made` is a part; `names` holds all rows of the first copy, then of the next."""
    rows = len(names) // len(copies)
    for part in range(min(_MAX_PARTS, max(1, _MAX_CANDIDATES // len(names)))):
        index = np.flatnonzero(rng.derive_row_keys(key, names, part) == np.uint64(made))
        if len(index):
            return SourceRow(int(names[index[0]]), copies[int(index[0]) // rows], part)
    return None


def list_input_steps(plan: Plan, number: int) -> tuple[int, ...]:
    """Numbers of the steps whose rows step `number` reads, in order; 0 is the real rows.

    The number of an in-place step denotes the changed rows.

    >>> from leaven.transforms.sequence.crop import Crop
    >>> from leaven.transforms.sequence.masking import Mask
    >>> list_input_steps(Plan([Crop(), Mask()], "layered"), 2)
    (0, 1)
    """
    step = plan.named_steps[number - 1]
    before = [
        (place, one)
        for place, one in enumerate(plan.named_steps[: number - 1], 1)
        if one.when == "once" and not one.is_on_items
    ]
    current = max((place for place, one in before if one.mode == "in_place"), default=0)
    added = [place for place, one in before if one.mode == "append"]
    reads = "real" if step.mode == "in_place" else plan.get_input(step)
    if reads == "real":
        return (current,)
    if reads == "previous":
        return (current, *added)
    return tuple(place for place, one in before if one.display_name == reads)
