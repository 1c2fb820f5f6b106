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

from leaven.arrays.buffer_pool import space
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError
from leaven.protocols import Keys, Strength
from leaven.transforms.sequence.crop import pieces
from leaven.transforms.sequence.positions import item_counts
from leaven.transforms.sequence.windows import Windows
from leaven.transforms.stateless import Unlearned
from leaven.transforms.validation import check_count, check_range, check_share

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
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch
        from leaven.kernels.target_counts import pick_targets

        lasts = space(len(rows), np.int64)
        over_rows(pick_targets, len(rows), batch(rows, keys, strength), frozen(self.weights), self.p, lasts)
        met = _met(rows, keys, strength, self.p)
        firsts = np.where(met, np.maximum(rows.starts[:-1], lasts + 1 - self.length), rows.starts[:-1])
        cut = pieces(rows, firsts, lasts + 1 - firsts)
        return replace(cut, targets=np.where(met, np.int32(1), rows.targets))


def _met(rows: Histories, keys: Keys, strength: Strength, p: float) -> npt.NDArray[np.bool_]:
    """bool (rows,): the rows that the kernel met."""
    from leaven.rng import uniform

    chance = np.asarray(p * strength.astype(np.float64))
    return (rows.lengths >= TargetWindow.shortest) & (strength > 0) & (uniform(keys, 0) < chance)


@dataclass(frozen=True)
class Divergence:
    """How far the training targets of one way of splitting lie from the validation targets.

    rule         its name
    wish         the transform that splits so
    windows      training rows that it makes
    targets      training targets
    nats         KL divergence of the validation targets' items from the training targets' items; lower is closer
    behind       nats more than the lowest of those compared
    error        standard error of `behind`, over validation targets
    best         whether it is the lowest
    recommended  whether it is the first, as they were given, that cannot be told from the lowest
    """

    rule: str
    wish: Windows | TargetWindow
    windows: int
    targets: int
    nats: float
    behind: float = 0.0
    error: float = 0.0
    best: bool = False
    recommended: bool = False


USUAL_RULES: Mapping[str, Windows | TargetWindow] = {
    "all positions": Windows(rule="whole", targets="all"),
    "last target": Windows(rule="whole", targets="last"),
    "prefixes, last target": Windows(rule="prefix", targets="last"),
    "prefixes, all targets": Windows(rule="prefix", targets="all"),
    "suffixes, all targets": Windows(rule="suffix", targets="all"),
    "windows of 5, last target": Windows(rule="slide", length=5, targets="last"),
    "windows of 5, all targets": Windows(rule="slide", length=5, targets="all"),
    **{f"one target, popularity ^ {power:g}": TargetWindow(power) for power in (0.0, -0.5, 0.5, -1.0, 1.0)},
}
"""What the literature uses, plainest first; `target_divergence` compares these when nothing else is asked."""


def target_divergence(
    train: Histories, valid: HeldOut, rules: Mapping[str, Windows | TargetWindow] | None = None
) -> list[Divergence]:
    """For each way of splitting: how far its training targets lie from the validation targets; closest first.

    KL(validation ‖ training) over items, both smoothed by adding 1 / n_items of an event per item, so that an item
    that was never a target costs much and not everything. A prediction, not a measurement: it looks at no model.
    What lies less than two standard errors behind the closest cannot be told from it.

    Raises DataError where no validation target is an item of the catalogue.
    """
    known = valid.items[(valid.items >= 1) & (valid.items <= train.n_items)]
    if len(known) == 0:
        raise DataError("valid.items", "targets", "none", "hold out at least one event")
    wanted = _smoothed(np.bincount(known, minlength=train.n_items + 1)[1:].astype(np.float64))
    rows = train if train.is_real.all() else train.real_only()
    found, said = [], {}
    for name, wish in (USUAL_RULES if rules is None else rules).items():
        windows, counts = target_counts(rows, wish)
        given = _smoothed(counts[1 : train.n_items + 1])
        nats = float((wanted * np.log(wanted / given)).sum())
        found.append(Divergence(name, wish, windows, round(float(counts.sum())), nats))
        said[name] = np.log(given)[known - 1]  # float64 (validation targets,)
    return _told_apart(found, said)


def _told_apart(found: list[Divergence], said: Mapping[str, Counts]) -> list[Divergence]:
    """Closest first, each with how far it lies behind; said: logarithm of each validation target's training share."""
    best = min(found, key=lambda one: one.nats)
    lag = {one.rule: said[best.rule] - said[one.rule] for one in found}
    noise = {rule: float(apart.std() / np.sqrt(len(apart))) for rule, apart in lag.items()}
    behind = {one.rule: one.nats - best.nats for one in found}
    chosen = next(one.rule for one in found if behind[one.rule] <= 2 * noise[one.rule])
    told = [
        replace(
            one,
            behind=behind[one.rule],
            error=noise[one.rule],
            best=one is best,
            recommended=one.rule == chosen,
        )
        for one in found
    ]
    return sorted(told, key=lambda one: one.nats)


def target_counts(rows: Histories, wish: Windows | TargetWindow) -> tuple[int, Counts]:
    """(windows, float64 (n_items + 2,): how often each item is a training target), no window copied.

    Of targets that are drawn, the expected number.
    """
    if isinstance(wish, TargetWindow):
        return int((rows.lengths > 1).sum()), _drawn_counts(rows, wish.popularity_exponent)
    index = wish.index(rows)
    turns = np.zeros(len(rows.items) + 1, np.int64)  # how often each event is a target, as differences
    np.add.at(turns, index.last - index.targets, 1)
    np.add.at(turns, index.last, -1)
    often = np.cumsum(turns)[:-1]
    return len(index), np.asarray(np.bincount(rows.items, often, minlength=rows.n_items + 2), np.float64)


def _drawn_counts(rows: Histories, exponent: float) -> Counts:
    """float64 (n_items + 2,): one target a row, any event but the first, by its item's weight."""
    weight = np.asarray(np.maximum(item_counts(rows), 1).astype(np.float64) ** exponent)[rows.items]
    weight[rows.starts[:-1][rows.lengths > 0]] = 0.0
    row = rows.row_of_event()
    total = np.bincount(row, weight, minlength=len(rows))
    share = weight / np.where(total > 0, total, 1.0)[row]
    return np.asarray(np.bincount(rows.items, share, minlength=rows.n_items + 2), np.float64)


def _smoothed(counts: Counts) -> Counts:
    smooth = counts + 1.0 / len(counts)
    return np.asarray(smooth / smooth.sum(), np.float64)
