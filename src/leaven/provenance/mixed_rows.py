"""Which rows that were made of one user may hold events of another?

Some steps mix users: a row's parent is one of them, the others lent. Who lent is not kept, so that every row of such a
step counts that holds an item of the user which its own parent does not hold: all that borrowed, and by chance a few
that did not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.augmentation.lineage import places_read
from leaven.augmentation.plan import Plan
from leaven.config import Spec
from leaven.datasets.histories import Histories
from leaven.provenance.row_files import Keys, Mask, RowFile, rows_of
from leaven.run_folder import Run, plain


@dataclass(frozen=True, eq=False)
class Borrowed:
    """places: folder of an arm -> steps whose rows may hold events of several users. items: of the users to erase.
    train: the real rows; None where no step mixes users."""

    places: dict[str, frozenset[int]]
    items: npt.NDArray[np.int32]
    train: Histories | None

    @classmethod
    def of(cls, run: Run, wish: Spec, keys: Keys) -> Borrowed:
        """What the plans of a run may have lent of these users."""
        places = {plain(arm.name): mixed_places(arm.plan) for arm in wish.arms}
        places = {name: found for name, found in places.items() if found}
        path = run.data / "train.parquet"
        train = rows_of(path) if places and path.exists() else None
        if not isinstance(train, Histories):
            return cls({}, np.zeros(0, np.int32), None)
        order = np.argsort(train.keys, kind="stable")
        return cls(places, np.unique(train.take(np.isin(train.keys, keys)).items), train.take(order))

    def may_be_in(self, file: RowFile) -> bool:
        """Whether the rows of a file are to be looked at."""
        return file.of_arm and file.place in self.places.get(file.part, ()) and len(self.items) > 0

    def rows(self, file: RowFile) -> Mask:
        """bool (rows,): rows with an item of these users that their own parents do not hold."""
        assert self.train is not None
        rows: Histories = rows_of(file.path)
        owner = rows.row_of_event()
        place = np.minimum(np.searchsorted(self.train.keys, rows.parents), len(self.train) - 1)
        parents = self.train.take(place)
        width = rows.n_items + 2
        own = np.isin(owner * width + rows.items, parents.row_of_event() * width + parents.items)
        strange = np.isin(rows.items, self.items) & ~own
        return np.bincount(owner[strange], minlength=len(rows)) > 0


def mixed_places(plan: Plan) -> frozenset[int]:
    """Numbers of the steps that mix users, and of those that read rows of such a step."""
    found: set[int] = set()
    for place, step in enumerate(plan.all, 1):
        if (
            step.when == "once"
            and not step.on_items
            and (borrows(step.use) or found.intersection(places_read(plan, place)))
        ):
            found.add(place)
    return frozenset(found)


def borrows(wish: Any) -> bool:
    """Whether a wish, or one that it is made of, mixes users."""
    if isinstance(wish, list | tuple):
        return any(map(borrows, wish))
    if not is_dataclass(wish):
        return False
    return getattr(wish, "borrows", False) or any(borrows(getattr(wish, one.name)) for one in fields(wish))
