"""What does training aim at, and is that what validation asks for?

The popularity of training targets against that of validation targets says which way of splitting
histories will work, before anything is trained (Lee and others, GenPAS, 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.contracts import Keys, Strength
from leaven.data.histories import HeldOut, Histories
from leaven.errors import DataError
from leaven.transforms.history import pieces
from leaven.transforms.positions import item_counts
from leaven.transforms.ranges import check_count, check_range, check_share
from leaven.transforms.unlearned import Unlearned
from leaven.transforms.windows import Windows

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TargetWindow:
    """Cut each history off at one drawn event, its only target (GenPAS, 2025: sampled target and start).

    popularity_exponent  an event is drawn by its item's training count to this power: 0 evenly, below 0 rare items
                         more often, above 0 popular ones
    length               events before and with the target, at most
    p                    chance that a row is cut (× strength)
    """

    popularity_exponent: float = -0.5
    length: int = 50
    p: float = 1.0
    shortest: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_range("target_window.popularity_exponent", (self.popularity_exponent,) * 2, -10, 10)
        check_count("target_window.length", self.length, 2)
        check_share("target_window.p", self.p)

    def fit(self, train: Histories) -> Unlearned:
        """Learns how often each item occurs in real training rows."""
        weights = np.maximum(item_counts(train), 1).astype(np.float64) ** self.popularity_exponent
        return Unlearned(Cutting(weights, self.length, float(self.p)), self.shortest)


@dataclass(frozen=True, eq=False)
class Cutting:
    """Cuts rows off at drawn targets. weights float64 (n_items + 2,) of each item."""

    weights: Counts
    length: int
    p: float

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """One row a row; a row that is met has one target."""
        from leaven.kernels.rows import batch, frozen, over_rows
        from leaven.kernels.targets import pick_targets

        lasts = np.empty(len(rows), np.int64)
        over_rows(pick_targets, len(rows), batch(rows, keys, strength), frozen(self.weights), self.p, lasts)
        met = _met(rows, keys, strength, self.p)
        firsts = np.where(met, np.maximum(rows.starts[:-1], lasts + 1 - self.length), rows.starts[:-1])
        cut = pieces(rows, firsts, lasts + 1 - firsts)
        return replace(cut, targets=np.where(met, np.int32(1), rows.targets))


def _met(rows: Histories, keys: Keys, strength: Strength, p: float) -> npt.NDArray[np.bool_]:
    """bool (rows,): the rows that the kernel met."""
    from leaven.seeds import uniform

    chance = np.asarray(p * strength.astype(np.float64))
    return (rows.lengths >= TargetWindow.shortest) & (strength > 0) & (uniform(keys, 0) < chance)


@dataclass(frozen=True)
class Divergence:
    """How far the training targets of one way of splitting lie from the validation targets.

    rule     its name
    windows  training rows that it makes
    targets  training targets
    nats     KL divergence of the validation targets' items from the training targets' items, in nats; lower is closer
    best     whether it is the lowest of those compared
    """

    rule: str
    windows: int
    targets: int
    nats: float
    best: bool


USUAL_RULES: Mapping[str, Windows] = {
    "all positions": Windows(rule="whole", targets="all"),
    "last target": Windows(rule="whole", targets="last"),
    "prefixes, last target": Windows(rule="prefix", targets="last"),
    "prefixes, all targets": Windows(rule="prefix", targets="all"),
    "suffixes, all targets": Windows(rule="suffix", targets="all"),
    "windows of 5, last target": Windows(rule="slide", length=5, targets="last"),
    "windows of 5, all targets": Windows(rule="slide", length=5, targets="all"),
}
"""What the literature uses; `target_divergence` compares these when nothing else is asked."""


def target_divergence(train: Histories, valid: HeldOut, rules: Mapping[str, Windows] | None = None) -> list[Divergence]:
    """For each way of splitting: how far its training targets lie from the validation targets; closest first.

    KL(validation ‖ training) over items, both smoothed by adding 1 / n_items of an event per item, so that an item
    that was never a target costs much and not everything. A prediction, not a measurement: it
    looks at no model. Two rules within a few hundredths are alike.

    Raises DataError where no validation target is an item of the catalogue.
    """
    known = valid.items[(valid.items >= 1) & (valid.items <= train.n_items)]
    if len(known) == 0:
        raise DataError("valid.items", "targets", "none", "hold out at least one event")
    wanted = _smoothed(np.bincount(known, minlength=train.n_items + 1)[1:].astype(np.float64))
    rows = train if train.is_real.all() else train.real_only()
    found = []
    for name, wish in (USUAL_RULES if rules is None else rules).items():
        windows, counts = target_counts(rows, wish)
        given = _smoothed(counts[1 : train.n_items + 1])
        nats = float((wanted * np.log(wanted / given)).sum())
        found.append(Divergence(name, windows, int(counts.sum()), nats, False))
    found.sort(key=lambda one: one.nats)
    return [replace(one, best=place == 0) for place, one in enumerate(found)]


def target_counts(rows: Histories, wish: Windows) -> tuple[int, Counts]:
    """(windows, float64 (n_items + 2,): how often each item is a training target), no window copied."""
    index = wish.index(rows)
    turns = np.zeros(len(rows.items) + 1, np.int64)  # how often each event is a target, as differences
    np.add.at(turns, index.last - index.targets, 1)
    np.add.at(turns, index.last, -1)
    often = np.cumsum(turns)[:-1]
    return len(index), np.asarray(np.bincount(rows.items, often, minlength=rows.n_items + 2), np.float64)


def _smoothed(counts: Counts) -> Counts:
    smooth = counts + 1.0 / len(counts)
    return np.asarray(smooth / smooth.sum(), np.float64)
