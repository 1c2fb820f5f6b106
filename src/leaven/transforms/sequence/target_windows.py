"""Builds random-target windows, and compares the targets of window rules with validation targets.

The divergence between the popularities of training and validation targets predicts, before any training, which rule
works (Lee and others, GenPAS, 2025).
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
    """Cut each history at one drawn event, its only target (GenPAS, 2025: sampled target and start).

    popularity_exponent  exponent of the item's training count as the weight of an event: 0 uniform, below 0 rare items
                         more often, above 0 popular items
    max_events           events up to and including the target
    p                    probability that a row is cut (× strength)
    """

    popularity_exponent: float = -0.5
    length: int = 50
    p: float = 1.0
    shortest: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_range("target_window.popularity_exponent", (self.popularity_exponent,) * 2, -10, 10)
        check_count("target_window.max_events", self.length, 2)
        check_share("target_window.p", self.p)

    def fit(self, train: Histories) -> Unlearned:
        """Learns the count of each item in real training rows."""
        weights = np.maximum(item_counts(train), 1).astype(np.float64) ** self.popularity_exponent
        return Unlearned(Cutting(weights, self.length, float(self.p)), self.shortest)


@dataclass(frozen=True, eq=False)
class Cutting:
    """Cuts rows at drawn targets. weights float64 (n_items + 2,) of the items."""

    weights: Counts
    length: int
    p: float

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """One row for each row; changed rows have one target."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch
        from leaven.kernels.target_counts import pick_targets

        lasts = space(len(rows), np.int64)
        over_rows(pick_targets, len(rows), batch(rows, keys, strength), frozen(self.weights), self.p, lasts)
        is_cut = _find_cut_rows(rows, keys, strength, self.p)
        firsts = np.where(is_cut, np.maximum(rows.starts[:-1], lasts + 1 - self.length), rows.starts[:-1])
        cut = pieces(rows, firsts, lasts + 1 - firsts)
        return replace(cut, targets=np.where(is_cut, np.int32(1), rows.targets))


def _find_cut_rows(rows: Histories, keys: Keys, strength: Strength, p: float) -> npt.NDArray[np.bool_]:
    """bool (rows,): the rows that the kernel changes."""
    from leaven.rng import uniform

    chance = np.asarray(p * strength.astype(np.float64))
    return (rows.lengths >= TargetWindow.shortest) & (strength > 0) & (uniform(keys, 0) < chance)


@dataclass(frozen=True)
class Divergence:
    """Divergence between the training targets of a window rule and the validation targets.

    rule            name of the rule
    config          the transform
    n_windows       training rows
    n_targets       training targets
    divergence      KL divergence in nats of validation target items from training target items; lower is better
    excess          nats above the lowest of the compared rules
    standard_error  of `excess`, over validation targets
    is_lowest       whether it has the lowest divergence
    is_recommended  whether it is the first rule, in the given order, not significantly above the lowest
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
"""Rules of the literature, simplest first; `measure_target_divergence` compares these by default."""


def target_divergence(
    train: Histories, valid: HeldOut, rules: Mapping[str, Windows | TargetWindow] | None = None
) -> list[Divergence]:
    """Divergence of each rule's training targets from the validation targets, lowest first.

    KL(validation ‖ training) over items, both smoothed by adding 1 / n_items of an event per item, so that an item
    without training targets costs a finite amount. A prediction from the data, without a model. A rule less than two
    standard errors above the lowest does not differ significantly from it.

    Raises DataError where no validation target is an item of the catalog.
    """
    known = valid.items[(valid.items >= 1) & (valid.items <= train.n_items)]
    if len(known) == 0:
        raise DataError("valid.items", "targets", "none", "hold out at least one event")
    wanted = _smooth(np.bincount(known, minlength=train.n_items + 1)[1:].astype(np.float64))
    rows = train if train.is_real.all() else train.real_only()
    found, log_shares = [], {}
    for name, config in (USUAL_RULES if rules is None else rules).items():
        windows, counts = target_counts(rows, config)
        given = _smooth(counts[1 : train.n_items + 1])
        nats = float((wanted * np.log(wanted / given)).sum())
        found.append(Divergence(name, config, windows, round(float(counts.sum())), nats))
        log_shares[name] = np.log(given)[known - 1]  # float64 (validation targets,)
    return _compare_with_lowest(found, log_shares)


def _compare_with_lowest(found: list[Divergence], log_shares: Mapping[str, Counts]) -> list[Divergence]:
    """Lowest first, with excesses; log_shares: logarithm of each validation target's training share, by rule."""
    best = min(found, key=lambda one: one.nats)
    gaps = {one.rule: log_shares[best.rule] - log_shares[one.rule] for one in found}
    errors = {rule: float(gap.std() / np.sqrt(len(gap))) for rule, gap in gaps.items()}
    excess = {one.rule: one.nats - best.nats for one in found}
    chosen = next(one.rule for one in found if excess[one.rule] <= 2 * errors[one.rule])
    compared = [
        replace(
            one,
            behind=excess[one.rule],
            error=errors[one.rule],
            best=one is best,
            recommended=one.rule == chosen,
        )
        for one in found
    ]
    return sorted(compared, key=lambda one: one.nats)


def target_counts(rows: Histories, wish: Windows | TargetWindow) -> tuple[int, Counts]:
    """(windows, float64 (n_items + 2,): training targets of each item), without copying windows.

    For random targets: the expected number.
    """
    if isinstance(wish, TargetWindow):
        return int((rows.lengths > 1).sum()), _expect_random_targets(rows, wish.popularity_exponent)
    index = wish.index(rows)
    changes = np.zeros(len(rows.items) + 1, np.int64)  # windows with each event as a target, as differences
    np.add.at(changes, index.last - index.targets, 1)
    np.add.at(changes, index.last, -1)
    n_windows = np.cumsum(changes)[:-1]
    return len(index), np.asarray(np.bincount(rows.items, n_windows, minlength=rows.n_items + 2), np.float64)


def _expect_random_targets(rows: Histories, exponent: float) -> Counts:
    """float64 (n_items + 2,): one target for each row, any event but the first, by item weight."""
    weight = np.asarray(np.maximum(item_counts(rows), 1).astype(np.float64) ** exponent)[rows.items]
    weight[rows.starts[:-1][rows.lengths > 0]] = 0.0
    row = rows.row_of_event()
    total = np.bincount(row, weight, minlength=len(rows))
    share = weight / np.where(total > 0, total, 1.0)[row]
    return np.asarray(np.bincount(rows.items, share, minlength=rows.n_items + 2), np.float64)


def _smooth(counts: Counts) -> Counts:
    smooth = counts + 1.0 / len(counts)
    return np.asarray(smooth / smooth.sum(), np.float64)
