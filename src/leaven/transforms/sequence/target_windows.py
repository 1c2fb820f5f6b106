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

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError
from leaven.field_checks import check_count, check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.sequence.crop import slice_rows
from leaven.transforms.sequence.positions import count_item_events
from leaven.transforms.sequence.windows import Windows
from leaven.transforms.stateless import StatelessTransform

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TargetWindow:
    """Cut each history at one drawn event, its only target (GenPAS, 2025: sampled target and start).

    popularity_exponent  exponent of the item's training count as the weight of an event: 0 uniform, below 0 rare items
                         more often, above 0 popular items
    max_events           events up to and including the target
    p                    probability that a row is cut (× strength)
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("target window")
    popularity_exponent: float = -0.5
    max_events: int = 50
    p: float = 1.0
    min_events: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_range("target_window.popularity_exponent", (self.popularity_exponent,) * 2, -10, 10)
        check_count("target_window.max_events", self.max_events, 2)
        check_share("target_window.p", self.p)

    def fit(self, train: Histories) -> StatelessTransform:
        """Learns the count of each item in real training rows."""
        weights = np.maximum(count_item_events(train), 1).astype(np.float64) ** self.popularity_exponent
        return StatelessTransform(TargetSampler(weights, self.max_events, float(self.p)), self.min_events)


@dataclass(frozen=True, eq=False)
class TargetSampler:
    """Cuts rows at drawn targets. weights float64 (n_items + 2,) of the items."""

    weights: Counts
    max_events: int
    p: float

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """One row for each row; changed rows have one target."""
        from leaven.arrays.parallel import freeze_array, run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.crop import draw_target_positions

        lasts = allocate_array(len(rows), np.int64)
        run_over_rows(
            draw_target_positions,
            len(rows),
            make_batch(rows, keys, strength),
            freeze_array(self.weights),
            self.p,
            lasts,
        )
        from leaven.rng import draw_uniform

        chance = np.asarray(self.p * strength.astype(np.float64))
        is_cut = (rows.lengths >= TargetWindow.min_events) & (strength > 0) & (draw_uniform(keys, 0) < chance)
        firsts = np.where(is_cut, np.maximum(rows.starts[:-1], lasts + 1 - self.max_events), rows.starts[:-1])
        cut = slice_rows(rows, firsts, lasts + 1 - firsts)
        return replace(cut, n_targets=np.where(is_cut, np.int32(1), rows.n_targets))


@dataclass(frozen=True)
class TargetDivergence:
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
    config: Windows | TargetWindow
    n_windows: int
    n_targets: int
    divergence: float
    excess: float = 0.0
    standard_error: float = 0.0
    is_lowest: bool = False
    is_recommended: bool = False


COMMON_RULES: Mapping[str, Windows | TargetWindow] = {
    "all positions": Windows(rule="whole", targets="all"),
    "last target": Windows(rule="whole", targets="last"),
    "prefixes, last target": Windows(rule="prefix", targets="last"),
    "prefixes, all targets": Windows(rule="prefix", targets="all"),
    "suffixes, all targets": Windows(rule="suffix", targets="all"),
    "windows of 5, last target": Windows(rule="slide", max_events=5, targets="last"),
    "windows of 5, all targets": Windows(rule="slide", max_events=5, targets="all"),
    **{f"one target, popularity ^ {power:g}": TargetWindow(power) for power in (0.0, -0.5, 0.5, -1.0, 1.0)},
}
"""Rules of the literature, simplest first; `measure_target_divergence` compares these by default."""


def measure_target_divergence(
    train: Histories, valid: HeldOut, rules: Mapping[str, Windows | TargetWindow] | None = None
) -> list[TargetDivergence]:
    """Divergence of each rule's training targets from the validation targets, lowest first.

    KL(validation ‖ training) over items, both smoothed by adding 1 / n_items of an event per item, so that an item
    without training targets costs a finite amount. A prediction from the data, without a model. A rule less than two
    standard errors above the lowest does not differ significantly from it.

    Raises DataError where no validation target is an item of the catalog.
    """
    known = valid.target_items[(valid.target_items >= 1) & (valid.target_items <= train.n_items)]
    if len(known) == 0:
        raise DataError("valid.items", "targets", "none", "hold out at least one event")
    wanted = _smooth(np.bincount(known, minlength=train.n_items + 1)[1:].astype(np.float64))
    rows = train if train.is_real.all() else train.select_real()
    found, log_shares = [], {}
    for name, config in (COMMON_RULES if rules is None else rules).items():
        windows, counts = count_targets(rows, config)
        given = _smooth(counts[1 : train.n_items + 1])
        nats = float((wanted * np.log(wanted / given)).sum())
        found.append(TargetDivergence(name, config, windows, round(float(counts.sum())), nats))
        log_shares[name] = np.log(given)[known - 1]  # float64 (validation targets,)
    # lowest first, with excesses
    best = min(found, key=lambda one: one.divergence)
    gaps = {one.rule: log_shares[best.rule] - log_shares[one.rule] for one in found}
    errors = {rule: float(gap.std() / np.sqrt(len(gap))) for rule, gap in gaps.items()}
    excess = {one.rule: one.divergence - best.divergence for one in found}
    chosen = next(one.rule for one in found if excess[one.rule] <= 2 * errors[one.rule])
    compared = [
        replace(
            one,
            excess=excess[one.rule],
            standard_error=errors[one.rule],
            is_lowest=one is best,
            is_recommended=one.rule == chosen,
        )
        for one in found
    ]
    return sorted(compared, key=lambda one: one.divergence)


def count_targets(rows: Histories, config: Windows | TargetWindow) -> tuple[int, Counts]:
    """(windows, float64 (n_items + 2,): training targets of each item), without copying windows.

    For random targets: the expected number.
    """
    if isinstance(config, TargetWindow):
        # one target for each row, any event but the first, by item weight
        weight = np.asarray(np.maximum(count_item_events(rows), 1).astype(np.float64) ** config.popularity_exponent)[
            rows.items
        ]
        weight[rows.starts[:-1][rows.lengths > 0]] = 0.0
        row = rows.event_rows()
        total = np.bincount(row, weight, minlength=len(rows))
        share = weight / np.where(total > 0, total, 1.0)[row]
        random_targets = np.asarray(np.bincount(rows.items, share, minlength=rows.n_items + 2), np.float64)
        return int((rows.lengths > 1).sum()), random_targets
    index = config.build_index(rows)
    changes = np.zeros(len(rows.items) + 1, np.int64)  # windows with each event as a target, as differences
    np.add.at(changes, index.end_event - index.n_targets, 1)
    np.add.at(changes, index.end_event, -1)
    n_windows = np.cumsum(changes)[:-1]
    return len(index), np.asarray(np.bincount(rows.items, n_windows, minlength=rows.n_items + 2), np.float64)


def _smooth(counts: Counts) -> Counts:
    smooth = counts + 1.0 / len(counts)
    return np.asarray(smooth / smooth.sum(), np.float64)
