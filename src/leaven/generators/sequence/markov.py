"""Markov chain generator of histories.

The baseline for neural generators: an interpolated back-off chain over items (`kernels/markov.py` names the source),
and gaps drawn from a distribution given the last gap and the last item's category.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError, FitError
from leaven.generators.sequence.sequence_scaffold import (
    Placement,
    ScaffoldSampler,
    TargetRule,
    reverse_rows,
    validate_config,
)
from leaven.kernels.time_popularity import find_first_sale_times
from leaven.protocols import OperatorTraits, RngKeys
from leaven.storage import Arrays, load_arrays, restore_fields, save_arrays

if TYPE_CHECKING:
    from leaven.kernels.inter_event_times import GapModel
    from leaven.kernels.markov import MarkovChain
    from leaven.kernels.markov_sampling import SaleOrder
    from leaven.kernels.time_popularity import TimePopularity

_CALIBRATION_ROWS = 2_000  # rows that calibrate repeats


@dataclass(frozen=True)
class Markov:
    """Generates new rows, or extends real rows, with a back-off Markov chain and sampled time gaps.

    order                           number of last items in the context, 1 to 4
    where, events_range, new_events_range, targets  see `sequence_scaffold.SequenceGeneratorConfig`
    temperature                     below 1 sharpens the next-item distribution, above 1 flattens it
    top_k, top_p                    sample among the `top_k` most probable items of a context (0: all), or the smallest
                                    set of mass `top_p`
    default_filters                 default filters of the generated rows
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits(
        "markov", role="generator", accepts_like=True, has_default_filters=True
    )
    order: int = 2
    where: Placement = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    targets: TargetRule = "fitting"
    default_filters: Sequence[str] = ("validity",)

    def __post_init__(self) -> None:
        own = [
            ("order", 1 <= self.order <= 4, "1, 2, 3 or 4"),
            ("temperature", self.temperature > 0, "a number above 0"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "a share above 0, at most 1"),
        ]
        validate_config("markov", self, own)

    def fit(self, train: Histories, key: int) -> FittedMarkov:
        """Counts transitions. `key` draws the rows that calibrate repeats.

        Raises FitError for rows without events.
        """
        from leaven.arrays.parallel import run_both
        from leaven.kernels.inter_event_times import compact_categories, fit_gap_model
        from leaven.kernels.markov import count_transitions, fit_concentrations, sharpen_chain
        from leaven.kernels.time_popularity import fit_time_popularity

        if train.n_events == 0:
            raise FitError("markov", "at least one event to learn from", "none", "give it training rows")
        backwards = self.where == "before"
        rows = reverse_rows(train) if backwards else train

        def fit_times() -> tuple[TimePopularity, GapModel]:
            category = train.catalog.category if train.catalog is not None else None
            codes = compact_categories(category, train.items, train.n_items)
            clock = fit_gap_model(rows.items, rows.times, rows.starts, codes, -1 if backwards else 1)
            fashion = fit_time_popularity(rows.items, rows.times, train.n_items)
            return fashion, clock

        chain, (fashion, clock) = run_both(
            lambda: count_transitions(rows.items, rows.starts, train.n_items, self.order), fit_times
        )
        chain = fit_concentrations(chain, rows.items, rows.times, rows.starts, fashion)
        availability = _build_availability(train, _calibrate_repeats(chain, fashion, rows, key))
        drawn = sharpen_chain(chain, self.temperature, self.top_k, self.top_p)
        return FittedMarkov(self, drawn, fashion, clock, availability, ScaffoldSampler.from_training_rows(train, self))

    @staticmethod
    def load(folder: Path) -> FittedMarkov:
        """Loads a generator that `FittedMarkov.save` wrote, without the catalog.

        Raises DataError where the folder holds no chain, or one of another version.
        """
        from leaven.kernels.inter_event_times import GapModel
        from leaven.kernels.markov import MarkovChain
        from leaven.kernels.markov_sampling import SaleOrder
        from leaven.kernels.time_popularity import TimePopularity

        parts, facts = load_arrays(folder, "markov")
        scaffolds = ScaffoldSampler(starts_and_lengths=parts["first_law"], **facts["frames"])
        try:
            return FittedMarkov(
                Markov(**restore_fields(facts["config"])),
                MarkovChain(**_select_part(parts, facts, "chain")),
                TimePopularity(**_select_part(parts, facts, "fashion")),
                GapModel(**_select_part(parts, facts, "clock")),
                SaleOrder(**_select_part(parts, facts, "shelf")),
                scaffolds,
            )
        except TypeError as error:
            expected = "a Markov generator of this version"
            raise DataError(str(folder), expected, f"other fields: {error}", "fit it again and save it") from error


@dataclass(frozen=True, eq=False)
class FittedMarkov:
    """A fitted chain, its gap distribution, popularity over time, and item availability."""

    config: Markov
    chain: MarkovChain
    popularity: TimePopularity
    clock: GapModel
    availability: SaleOrder
    scaffolds: ScaffoldSampler

    def sample(self, keys: RngKeys, like: Histories | None = None) -> Histories:
        """Returns one row for each key. With `like`, unless `where` is alone: its rows extended, with their parents and
        weights.

        New items are on sale at their time, and no event is later than the last training event (with `before`:
        earlier than the first). Raises DataError where the number of keys differs from the number of rows.
        """
        from leaven.kernels.markov_sampling import sample_events

        frame = self.scaffolds.build_scaffold(self.config, keys, like)
        sample_events(
            self.chain,
            self.popularity,
            self.clock,
            self.availability,
            frame.keys,
            frame.starts,
            frame.n_known,
            frame.items,
            frame.times,
        )
        return self.scaffolds.build_histories(self.config, frame)

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): natural log-probability of each row's items given the times and the first item.

        `before` reads backwards: given the last item. Times set the popularity; first days of sale, repeats and
        temperature are ignored. Unseen items have a small positive probability.
        """
        from leaven.kernels.markov import compute_log_likelihoods

        read = reverse_rows(rows) if self.scaffolds.backwards else rows
        values: npt.NDArray[np.float64] = compute_log_likelihoods(
            self.chain, self.popularity, read.items, read.times, read.starts
        )
        return values

    def save(self, folder: Path) -> None:
        """Writes markov.npz and markov.json, each atomically."""
        parts: Arrays = {"first_law": self.scaffolds.starts_and_lengths}
        facts: dict[str, object] = {"config": asdict(self.config), "frames": self.scaffolds.to_json()}
        fitted: dict[str, Any] = {
            "chain": self.chain,
            "fashion": self.popularity,
            "clock": self.clock,
            "shelf": self.availability,
        }
        for name, part in fitted.items():
            fields = part._asdict()
            parts |= {f"{name}.{n}": v for n, v in fields.items() if isinstance(v, np.ndarray)}
            facts[name] = {n: v for n, v in fields.items() if not isinstance(v, np.ndarray)}
        save_arrays(folder, "markov", parts, facts)


def _select_part(arrays: Mapping[str, Any], facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    fields: dict[str, Any] = dict(facts[name])
    saved = {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(f"{name}.")}
    return saved | fields


def _calibrate_repeats(chain: MarkovChain, fashion: TimePopularity, rows: Histories, key: int) -> float:
    """Returns the factor on the probability of repeated items that makes repeats as frequent as in real rows."""
    from leaven.kernels.markov import measure_repeats

    order = np.argsort(rng.derive_row_keys(rng.derive_key(key, "markov", "repeats"), rows.row_ids), kind="stable")
    sample = rows.take(np.sort(order[:_CALIBRATION_ROWS]))
    real, expected = measure_repeats(chain, fashion, sample.items, sample.times, sample.starts)
    if real >= 0.9 * expected or real >= 1.0:
        return 1.0
    return float(real * (1 - expected) / (expected * (1 - real)))


def _build_availability(train: Histories, keep_seen: float) -> SaleOrder:
    """Returns the training items by first day of sale: the catalog's, or the first training event."""
    from leaven.kernels.markov_sampling import SaleOrder

    counts = np.bincount(train.items, minlength=train.n_items + 2)[1 : train.n_items + 1]
    stated = train.catalog.first_sale_times if train.catalog is not None else None
    born = find_first_sale_times(train.items, train.times, train.n_items, stated)
    known = np.flatnonzero(counts).astype(np.int32) + 1
    oldest = known[np.argsort(born[known], kind="stable")]
    mass = np.cumsum(counts[oldest - 1], dtype=np.float64)
    return SaleOrder(born, oldest, born[oldest], mass, repeat_chance=keep_seen)
