"""Rows that derive from one user and may hold events of another.

Some steps mix users: one of them is the row's parent, the others are donors that are not stored. A row of such a step
therefore counts when it holds an item of the erased user that its own parent does not hold: this covers all rows with
events of the user, and by coincidence a few others.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass

import numpy as np
import numpy.typing as npt

from leaven.augmentation.lineage import list_input_steps
from leaven.augmentation.plan import Plan
from leaven.config import Spec
from leaven.datasets.histories import Histories
from leaven.protocols import Operator
from leaven.provenance.row_files import Mask, RowFile, RowIds, load_rows
from leaven.run_folder import RunFolder, slugify


@dataclass(frozen=True, eq=False)
class MixedRowFinder:
    """Finds rows that may hold events of the users to erase.

    mixed_steps  folder of a variant -> steps whose rows may hold events of several users
    items        items of the users to erase
    train        the real rows, sorted by id; None where no step mixes users
    """

    mixed_steps: dict[str, frozenset[int]]
    items: npt.NDArray[np.int32]
    train: Histories | None

    @classmethod
    def from_run(cls, run: RunFolder, config: Spec, keys: RowIds) -> MixedRowFinder:
        """The finder for the plans of a run and some users."""
        places = {slugify(variant.name): list_mixed_steps(variant.plan) for variant in config.variants}
        places = {name: steps for name, steps in places.items() if steps}
        path = run.data_folder / "train.parquet"
        train = load_rows(path) if places and path.exists() else None
        if not isinstance(train, Histories):
            return cls({}, np.zeros(0, np.int32), None)
        order = np.argsort(train.row_ids, kind="stable")
        return cls(places, np.unique(train.take(np.isin(train.row_ids, keys)).items), train.take(order))

    def may_contain(self, file: RowFile) -> bool:
        """Whether a file may hold such rows."""
        return file.is_variant and file.step in self.mixed_steps.get(file.part, ()) and len(self.items) > 0

    def find_rows(self, file: RowFile) -> Mask:
        """bool (rows,): rows with an item of these users that their own parents do not hold."""
        assert self.train is not None
        rows: Histories = load_rows(file.path)
        owner = rows.event_rows()
        index = np.minimum(np.searchsorted(self.train.row_ids, rows.parents), len(self.train) - 1)
        parents = self.train.take(index)
        width = rows.n_items + 2
        is_own = np.isin(owner * width + rows.items, parents.event_rows() * width + parents.items)
        is_foreign = np.isin(rows.items, self.items) & ~is_own
        return np.bincount(owner[is_foreign], minlength=len(rows)) > 0


def list_mixed_steps(plan: Plan) -> frozenset[int]:
    """Numbers, from 1, of the steps that mix users, and of those that read rows of such a step."""
    found: set[int] = set()
    for number, step in enumerate(plan.named_steps, 1):
        if step.when != "once" or step.is_on_items:
            continue
        if mixes_users(step.use) or found.intersection(list_input_steps(plan, number)):
            found.add(number)
    return frozenset(found)


def mixes_users(config: object) -> bool:
    """Whether a transform or generator, or one that it is composed of, mixes users."""
    if isinstance(config, list | tuple):
        return any(map(mixes_users, config))
    if not is_dataclass(config):
        return False
    if isinstance(config, Operator) and config.traits.mixes_users:
        return True
    return any(mixes_users(getattr(config, part.name)) for part in fields(config))
