"""The split of a log whose training, validation and test events come from three files."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leaven.datasets.histories import HeldOut, Histories, compute_offsets
from leaven.errors import DataError
from leaven.splits.log_splits import Mask, Split, build_train, finish_split, is_of_kind

PART = "part"
"""The extra column of histories with the part of each event: 0 training, 1 validation, 2 test."""


@dataclass(frozen=True)
class GivenSplit:
    """The parts that `data.valid` and `data.test` name; without validation events, the last training event is taken.

    allow_repeats  whether an item of the user's known history may be a target
    target_kind    kind of the events that may be targets; an item is new where the known events lack it with this kind

    >>> rows = Histories.from_lists([[1, 2, 3, 4]], n_items=4)
    >>> rows = replace(rows, extra={"part": np.array([0, 0, 1, 2], np.int8)})
    >>> parts = GivenSplit().split(rows)
    >>> parts.train.items.tolist(), parts.valid.target_items.tolist(), parts.test.target_items.tolist()
    ([1, 2], [3], [4])
    """

    allow_repeats: bool = False
    target_kind: str = ""

    def split(self, histories: Histories, key: int = 0) -> Split:
        """The parts; nothing is random.

        Raises DataError without given parts, and where a part would be empty.
        """
        if PART not in histories.extra:
            fix = "give data.valid and data.test, or another kind of split"
            raise DataError("split.kind = 'given'", "a log with given parts", "one without", fix)
        part = histories.extra[PART]
        if not (part == 1).any():
            rows, training = histories.event_rows(), np.flatnonzero(part == 0)
            counts = np.bincount(rows[training], minlength=len(histories))
            last = training[np.cumsum(counts)[counts > 1] - 1]
            moved = part.copy()
            moved[last] = 1
            part = moved
        known = select_events(histories, part == 0)
        train = build_train(known, known.lengths > 0, known.lengths)
        train = replace(train, extra={name: column for name, column in train.extra.items() if name != PART})
        valid = self._hold_out(histories, part == 0, part == 1)
        test = self._hold_out(histories, part < 2, part == 2)
        parts = Split(
            train,
            None,
            valid,
            test,
            {"kind": "given", **({"target_kind": self.target_kind} if self.target_kind else {})},
        )
        need = "users of this part need events in the training part, and items that are new to them; or set "
        need += "allow_repeats = true"
        fixes = {"train": "check data.interactions", "valid": need, "test": need}
        return finish_split(parts, histories, {"valid": {}, "test": {}, "control": {}}, fixes)

    def _hold_out(self, histories: Histories, is_known: Mask, is_target: Mask) -> HeldOut:
        """The users with known events and targets; of targets that occur in the known events, only new items stay."""
        rows, is_eligible = histories.event_rows(), is_of_kind(histories, self.target_kind)
        is_target = is_target & is_eligible
        if not self.allow_repeats:
            pairs = rows * (histories.n_items + 2) + histories.items
            is_target = is_target & ~np.isin(pairs, pairs[is_known & is_eligible])
        known = select_events(histories, is_known)
        known = replace(known, extra={name: column for name, column in known.extra.items() if name != PART})
        counts = np.bincount(rows[is_target], minlength=len(histories))
        found = HeldOut(known, histories.items[is_target], histories.times[is_target], compute_offsets(counts))
        return found.take((known.lengths > 0) & (counts > 0))


def select_events(histories: Histories, mask: Mask) -> Histories:
    """All rows, with the events of a mask only."""
    source = np.flatnonzero(mask)
    counts = np.bincount(histories.event_rows()[source], minlength=len(histories))
    return histories.replace_events(compute_offsets(counts), histories.items[source], histories.times[source], source)
