"""Recommender that reads events of some kinds only, such as carts and purchases but no views."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven import registry
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import FittedRecommender, RankedItems, Recommender, TrainingContext
from leaven.recommenders.item_knn import ItemKnn
from leaven.storage import replace_text

_FILE, _KIND = "selected_kinds.json", "kind"


@dataclass(frozen=True)
class SelectedKinds:
    """Fits and asks a recommender with the events of some kinds; all others are left out as noise.

    recommender  fitted on the events that are left
    kinds        codes in `extra["kind"]`; (): all kinds

    The same events are removed from training rows, validation histories and requests. An item whose events were all
    removed is new to the user. Rows without an event of these kinds are not trained on.

    >>> train = Histories.from_lists([[1, 2, 3], [1, 2], [3, 2]], n_items=3)
    >>> SelectedKinds(ItemKnn()).fit(train, TrainingContext()).recommend(train.slice(1, 2), k=1).items.tolist()
    [[3]]
    """

    recommender: Recommender = field(default_factory=ItemKnn)
    kinds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(kind < 0 for kind in self.kinds):
            raise SpecError("selected_kinds.kinds", "codes of 0 or more", str(self.kinds), "see the names of the log")

    def steps(self, train: Histories) -> int | None:
        """Returns the optimizer steps of the recommender on the events that are left."""
        return self.recommender.steps(select_kinds(train, self.kinds))

    def fit(self, train: Histories, training: TrainingContext) -> FittedSelectedKinds:
        """Fits the recommender. Raises FitError where no event is of these kinds, and errors of the recommender."""
        rows = _drop_empty_rows(select_kinds(train, self.kinds))
        if not rows.n_events:
            raise FitError("selected_kinds.kinds", f"events of kinds {self.kinds}", "none", "name kinds of the log")
        validation: HeldOut | None = training.validation
        if validation is not None:
            validation = replace(validation, histories=select_kinds(validation.histories, self.kinds))
        refresh = training.rows_for_epoch
        selected = replace(
            training,
            validation=validation,
            rows_for_epoch=None
            if refresh is None
            else lambda epoch, progress: _drop_empty_rows(select_kinds(refresh(epoch, progress), self.kinds)),
        )
        kind = registry.find_kind("recommenders", self.recommender)
        return FittedSelectedKinds(self.recommender.fit(rows, selected), kind, self.kinds)

    @classmethod
    def load(cls, folder: Path) -> FittedSelectedKinds:
        """Loads what `save` wrote. Raises DataError if the folder has no such recommender."""
        if not (folder / _FILE).exists():
            raise DataError(str(folder), "a saved selected_kinds recommender", f"no {_FILE}", "name another folder")
        facts = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        base = registry.load_kind("recommenders", facts["kind"], str(folder)).load(folder / "base")
        return FittedSelectedKinds(base, facts["kind"], tuple(facts["kinds"]))


@dataclass(frozen=True, eq=False)
class FittedSelectedKinds:
    """The fitted recommender, its registered kind, and the codes of the events that it reads."""

    base: FittedRecommender
    kind: str
    kinds: tuple[int, ...]

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """Training curve of the recommender."""
        return self.base.curve

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts of the recommender, and the codes of the kinds."""
        return {**self.base.facts, "kinds": list(self.kinds)}

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the lists of the recommender for the events of these kinds. Raises its errors."""
        return self.base.recommend(select_kinds(histories, self.kinds), k, allow_repeats)

    def save(self, folder: Path) -> None:
        """Saves the recommender in a subfolder; the kinds are written last."""
        self.base.save(folder / "base")
        replace_text(folder / _FILE, json.dumps({"kind": self.kind, "kinds": list(self.kinds)}))


def select_kinds(histories: Histories, kinds: Sequence[int]) -> Histories:
    """Returns the same rows with the events of these kinds; a row may end up empty. (): unchanged.

    Raises DataError for histories without kinds.
    """
    if not kinds:
        return histories
    if _KIND not in histories.extra:
        raise DataError('histories.extra["kind"]', "the kind of each event", "none", "map the log's column `kind`")
    is_kept = np.isin(np.asarray(histories.extra[_KIND], np.int64), kinds)
    source = np.flatnonzero(is_kept)
    starts = np.concatenate([[0], np.cumsum(is_kept)])[histories.starts - histories.starts[0]].astype(np.int64)
    return histories.replace_events(starts, histories.items[source], histories.times[source], source)


def _drop_empty_rows(rows: Histories) -> Histories:
    filled = rows.lengths > 0
    return rows if filled.all() else rows.take(np.flatnonzero(filled))
