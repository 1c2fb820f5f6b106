"""Generation of histories by rollouts of a recommender.

The recommender is fitted on the training rows, and each new event is drawn from its ranked list (RSIR, arXiv
2602.15659, sec. 3). Without a check of rank fidelity, `max_rank` during generation or the default filter on whole
rows, generated data drifts off within a few rounds. The first item of a new user is drawn from those of real users,
and times follow the gap distribution of the Markov generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.hidden_items import HiddenItems
from leaven.datasets.histories import Histories, compute_offsets, take_prefixes
from leaven.errors import FitError
from leaven.generators.sequence.popularity_calibration import calibrate_popularity
from leaven.generators.sequence.score_calibration import (
    ScoreCalibration,
    calibrate_scores,
    collect_first_events,
    drop_last_events,
    find_held_items,
    select_calibration_rows,
    sort_by_id,
)
from leaven.generators.sequence.sequence_scaffold import (
    Placement,
    Scaffold,
    ScaffoldSampler,
    TargetRule,
    reverse_rows,
    validate_config,
)
from leaven.kernels.time_popularity import find_first_sale_times
from leaven.progress import ProgressCallback, no_progress, prefix_progress
from leaven.protocols import FittedRecommender, OperatorTraits, RankedItems, Recommender, RngKeys, TrainingContext
from leaven.storage import Arrays, load_arrays, restore_fields, save_arrays

if TYPE_CHECKING:
    from leaven.kernels.inter_event_times import GapModel


_DRAW = 1  # number of the draw that assigns a user's fold


@dataclass(frozen=True, eq=False)
class CrossFittedRecommender:
    """Recommenders, each trained on all folds of users but one, which rank for that fold (cross-fitting, Chernozhukov
    et al., The Econometrics Journal 21(1), 2018, section 3). The parent of a row identifies its user.
    """

    recommenders: tuple[FittedRecommender, ...]

    @classmethod
    def fit_folds(
        cls, rows: Histories, count: int, fit: Callable[[Histories, int], FittedRecommender]
    ) -> CrossFittedRecommender:
        """Trains `count` recommenders; fit(rows, number) returns the one of fold `number`, trained on `rows`.

        Raises FitError where one fold holds all events.
        """
        fold, recommenders = assign_folds(rows.parents, count), []
        for number in range(count):
            others = rows.take(fold != number)
            if not others.n_events:
                got = f"all {rows.n_events} events in fold {number + 1} of {count}"
                raise FitError(
                    "recommender_rollouts.n_folds", "users in several folds", got, "give it more users, or n_folds = 1"
                )
            recommenders.append(fit(others, number))
        return cls(tuple(recommenders))

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """The training curve of the first recommender."""
        return self.recommenders[0].curve

    @property
    def facts(self) -> Mapping[str, object]:
        """The facts of the first recommender."""
        return self.recommenders[0].facts

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k best items of each row, ranked by the recommender that was not trained on its user."""
        fold = assign_folds(histories.parents, len(self.recommenders))
        items, scores = np.zeros((len(histories), k), np.int32), np.zeros((len(histories), k), np.float32)
        for number, recommender in enumerate(self.recommenders):
            rows = np.flatnonzero(fold == number)
            if len(rows):
                listed = recommender.recommend(histories.take(rows), k, allow_repeats)
                items[rows], scores[rows] = listed.items, listed.scores
        return RankedItems(items, scores)

    def save(self, folder: Path) -> None:
        """Saves each recommender in a numbered subfolder."""
        for number, recommender in enumerate(self.recommenders):
            recommender.save(folder / str(number))

    @classmethod
    def load(cls, folder: Path, kind: Any, count: int) -> CrossFittedRecommender:
        """Loads what `save` wrote; kind: the class of the recommenders' config."""
        return cls(tuple(kind.load(folder / str(number)) for number in range(count)))


def assign_folds(users: RngKeys, count: int) -> npt.NDArray[np.int64]:
    """Returns int64 (rows,): a random fold for each user, the same for all rows of a user."""
    return (rng.draw_uniform(rng.mix_bits(users), _DRAW) * count).astype(np.int64)


Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

_BATCH = 4_096  # rows ranked together
_ROUNDS = 6  # of popularity calibration: a shift has no effect on items outside the list
_OWN = 2  # first draw of a row's mixed key that decides whether an event repeats an item of the history


@dataclass(frozen=True)
class RecommenderRollouts:
    """Extends real rows, or generates new ones, with items drawn from a recommender's ranked lists.

    recommender       the recommender, fitted on the training rows; None: the transformer. Its scores are calibrated to
                      probabilities on the last events of 5 % of the rows (at most 2,000), which it is not trained on
    top_k             number of top-ranked items to draw from; small values favor popular items
    temperature       below 1 sharpens the item distribution, above 1 flattens it
    prefix_range      share of a real history's events that is kept and extended, `after` only; below 1, as in RSIR, the
                      remaining real items allow checks of rank fidelity, which whole histories do not
    history_share     share of the new events drawn among the remaining items of the history, by their list weights, or
                      uniformly where none is listed; 0.5 in RSIR, among all items of the user
    max_rank          RSIR's check: an event is accepted if a remaining item of the history is then among the top
                      `max_rank`; the row ends before the first rejected event. With no remaining items, events drawn
                      from the history are accepted and others rejected. A row without new events becomes empty, and the
                      filter `validity` rejects it. None: no check
    n_folds           number of user folds; each fold is extended and checked by a recommender trained on the others. A
                      recommender that memorized a row recovers its remaining items after any prefix, so that the check
                      would be weak. 1: one recommender, trained on all rows
    steps             optimizer steps of the recommender; None: its default
    match_popularity  whether logits are calibrated to the item popularity of real rows, as in `Autoregressive`; False:
                      raw list weights, which keep transitions better in small catalogs
    where, events_range, new_events_range, targets, keep: see `Autoregressive`
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits(
        "self generated", role="generator", reports_progress=True, accepts_like=True, has_default_filters=True
    )
    recommender: Recommender | None = None
    top_k: int = 1000
    temperature: float = 1.0
    prefix_range: tuple[float, float] = (1.0, 1.0)
    history_share: float = 0.0
    max_rank: int | None = None
    n_folds: int = 1
    steps: int | None = None
    match_popularity: bool = True
    where: Placement = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    targets: TargetRule = "fitting"
    default_filters: Sequence[str] = ("validity", "copies", "rank_fidelity")

    def __post_init__(self) -> None:
        low, high = self.prefix_range
        own = [
            ("top_k", self.top_k >= 1, "1 or more"),
            ("temperature", self.temperature > 0, "a number above 0"),
            ("prefix_range", 0 < low <= high <= 1, "two ascending shares above 0, at most 1"),
            ("prefix_range", low == 1 or self.where == "after", "(1, 1), unless where is after"),
            ("history_share", 0 <= self.history_share <= 1, "a share from 0 to 1"),
            ("history_share", self.history_share == 0 or low < 1, "0, unless prefix_range is below 1"),
            ("max_rank", self.max_rank is None or self.max_rank >= 1, "1 or more, or none"),
            ("max_rank", self.max_rank is None or low < 1, "none, unless prefix_range is below 1"),
            ("n_folds", self.n_folds >= 1, "1 or more"),
            ("steps", self.steps is None or self.steps >= 1, "1 or more"),
        ]
        validate_config("recommender_rollouts", self, own)

    def fit(self, train: Histories, key: int, on_progress: ProgressCallback = no_progress) -> FittedRollouts:
        """Fits the recommender, the calibration of its scores, and the gap distribution.

        Raises FitError for rows without events, and the errors of the recommender.
        """
        from leaven.kernels.inter_event_times import compact_categories, fit_gap_model

        if train.n_events == 0:
            raise FitError("recommender_rollouts", "at least one event to learn from", "none", "give it training rows")
        scaffolds = ScaffoldSampler.from_training_rows(train, self)
        rows = reverse_rows(train) if scaffolds.backwards else train
        recommender: Recommender = self.recommender or registry.create_config("recommenders", "transformer")
        calibration_rows = select_calibration_rows(rows, key)
        training = TrainingContext(key=rng.derive_key(key, "recommender"), steps=self.steps, on_progress=on_progress)
        fitted = self._fit_recommender(recommender, rows, calibration_rows, training)
        category = train.catalog.category if train.catalog is not None else None
        codes = compact_categories(category, train.items, train.n_items)
        clock = fit_gap_model(rows.items, rows.times, rows.starts, codes, -1 if scaffolds.backwards else 1)
        stated = train.catalog.first_sale_times if train.catalog is not None else None
        born = find_first_sale_times(train.items, train.times, train.n_items, stated)
        scale, keep_seen = calibrate_scores(fitted, rows.take(calibration_rows), min(self.top_k, rows.n_items))
        begin_times, begin_items = collect_first_events(rows)
        law = ScoreCalibration(scale, keep_seen, np.zeros(train.n_items + 2), born, begin_times, begin_items)
        whole = replace(self, recommender=recommender, prefix_range=(1.0, 1.0), history_share=0.0, max_rank=None)
        generator = calibrate_popularity(
            FittedRollouts(whole, fitted, clock, law, scaffolds), train, key, on_progress, _ROUNDS
        )
        return replace(generator, config=replace(self, recommender=recommender))

    def _fit_recommender(
        self, recommender: Recommender, rows: Histories, calibration_rows: Ints, training: TrainingContext
    ) -> FittedRecommender:
        """Returns one recommender trained without the last events of the calibration rows, or one for each fold."""
        if self.n_folds == 1:
            return recommender.fit(drop_last_events(rows, calibration_rows), training)

        def fit_fold(others: Histories, number: int) -> FittedRecommender:
            on_progress = prefix_progress(training.on_progress, f"fold {number + 1} of {self.n_folds}")
            return recommender.fit(others, replace(training, on_progress=on_progress))

        return CrossFittedRecommender.fit_folds(rows, self.n_folds, fit_fold)

    @staticmethod
    def load(folder: Path) -> FittedRollouts:
        """Loads a generator that `FittedRollouts.save` wrote, without the catalog.

        Raises DataError where the folder holds no such generator.
        """
        from leaven.kernels.inter_event_times import GapModel

        arrays, facts = load_arrays(folder, "self")
        clock: dict[str, Any] = {name.partition(".")[2]: arrays[name] for name in arrays if name.startswith("clock.")}
        kind = registry.load_kind("recommenders", facts["recommender"], str(folder))
        config = RecommenderRollouts(**restore_fields(facts["config"]) | {"recommender": kind(**facts["fields"])})
        law = ScoreCalibration(
            scale=facts["law"]["scale"],
            repeat_factor=facts["law"]["keep_seen"],
            logit_offsets=arrays["lift"],
            first_sale_times=arrays["born"],
            start_times=arrays["begin_times"],
            start_items=arrays["begin_items"],
        )
        scaffolds = ScaffoldSampler(starts_and_lengths=arrays["first_law"], **facts["frames"])
        home, folds = folder / "recommender", config.n_folds
        recommender = kind.load(home) if folds == 1 else CrossFittedRecommender.load(home, kind, folds)
        return FittedRollouts(config, recommender, GapModel(**clock, **facts["clock"]), law, scaffolds)


@dataclass(frozen=True, eq=False)
class FittedRollouts:
    """A fitted rollout generator. Rows are identical for any batch size as far as the recommender's scores are."""

    config: RecommenderRollouts
    recommender: FittedRecommender
    clock: GapModel
    calibration: ScoreCalibration
    scaffolds: ScaffoldSampler

    def shift_logits(self, lift: Floats) -> FittedRollouts:
        """Returns the generator with scaled scores shifted by float64 (items,)."""
        shifted = self.calibration.logit_offsets + np.pad(lift, (1, 1))
        return replace(self, calibration=replace(self.calibration, logit_offsets=shifted))

    def sample(self, keys: RngKeys, like: Histories | None = None) -> Histories:
        """Returns one row for each key. With `like`, unless `where` is alone: its rows, or prefixes of them, extended,
        with their parents and weights.

        New items are on sale at their time, and no event is later than the last training event (with `before`:
        earlier than the first). Raises DataError where the number of keys differs from the number of rows.
        """
        keys, real = np.asarray(keys, np.uint64), None
        if self.config.prefix_range[0] < 1 and like is not None and len(like) == len(keys):
            real = like if self.config.history_share or self.config.max_rank is not None else None
            low, high = self.config.prefix_range
            share = low + rng.draw_uniform(rng.mix_bits(keys), 1) * (high - low)
            lengths = np.minimum(np.maximum(np.rint(share * like.lengths), 1), like.lengths).astype(np.int64)
            like = take_prefixes(like, lengths)
        is_checked = real is not None and self.config.max_rank is not None
        frame = self.scaffolds.build_scaffold(self.config, keys, like)
        first = frame.starts[:-1] + frame.n_known
        ends = frame.starts[1:].copy()
        for nth in range(int((ends - first).max(initial=0)) + is_checked):
            rows = np.flatnonzero(first + nth < ends + (is_checked and nth > 0))
            for begin in range(0, len(rows), _BATCH):
                self._extend_rows(frame, rows[begin : begin + _BATCH], nth, ends, real)
        is_empty = (ends <= first) & (frame.starts[1:] > first)
        return self.scaffolds.build_histories(
            self.config, frame.truncate_rows(np.where(is_empty, frame.starts[:-1], ends))
        )

    def _extend_rows(self, frame: Scaffold, rows: Ints, nth: int, ends: Ints, real: Histories | None) -> None:
        """Checks the newest event of these rows, if checks are on, and draws the next one where there is room.

        real: whole histories, if their items are drawn or used for checks.
        """
        from leaven.generators.sequence.event_timing import DRAWS_PER_EVENT, draw_item_uniforms, draw_times

        at, number = frame.starts[rows] + frame.n_known[rows] + nth, np.full(len(rows), nth * DRAWS_PER_EVENT)
        begins, u = at == frame.starts[rows], draw_item_uniforms(frame, rows, number)
        frame.items[at[begins]] = self.calibration.sample_first_items(
            self.clock.direction * frame.times[at[begins]], u[begins]
        )
        rows, at, number, u = rows[~begins], at[~begins], number[~begins], u[~begins]
        if not len(rows):
            return
        known = _build_known_rows(frame, rows, at, self.scaffolds.n_items)
        depth = min(max(self.config.top_k, self.config.max_rank or 0), known.n_items)
        listed = self.recommender.recommend(known, depth, allow_repeats=True)
        held = find_held_items(known, listed.items)
        unused = None if real is None else HiddenItems.from_histories(real.take(rows), known)
        if unused is not None and self.config.max_rank is not None and nth > 0:
            is_rejected = ~_is_faithful(unused, listed.items, held, self.config.max_rank, frame.items[at - 1])
            ends[rows[is_rejected]] = at[is_rejected] - 1
        going = at < ends[rows]
        draw_times(self.clock, frame, rows[going], at[going], number[going])
        now = self.clock.direction * frame.times[np.where(going, at, at - 1)]
        listed, held = sort_by_id(listed, held)
        shares = self.calibration.compute_weights(listed, held, now, self.config.temperature)
        items = self.calibration.sample_items(listed, shares, u)
        if unused is not None:
            own = rng.draw_uniform(rng.mix_bits(frame.keys[rows]), _OWN + nth) < self.config.history_share
            is_candidate = own[unused.pair_rows] & (
                self.calibration.first_sale_times[unused.pair_items] <= now[unused.pair_rows]
            )
            mine = unused.sample_items(listed.items, shares, u, is_candidate)
            items = np.where(mine > 0, mine, items)
        frame.items[at[going]] = items[going]

    def save(self, folder: Path) -> None:
        """Writes the recommender to a subfolder, and the rest to self.npz and self.json, each atomically."""
        self.recommender.save(folder / "recommender")
        clock = self.clock._asdict()
        parts: Arrays = {"first_law": self.scaffolds.starts_and_lengths}
        parts |= {"lift": self.calibration.logit_offsets, "born": self.calibration.first_sale_times}
        parts |= {"begin_times": self.calibration.start_times, "begin_items": self.calibration.start_items}
        parts |= {f"clock.{name}": value for name, value in clock.items() if isinstance(value, np.ndarray)}
        recommender: Any = self.config.recommender
        facts = {
            "config": {name: value for name, value in asdict(self.config).items() if name != "recommender"},
            "recommender": registry.find_kind("recommenders", recommender),
            "fields": asdict(recommender),
            "law": {"scale": self.calibration.scale, "keep_seen": self.calibration.repeat_factor},
            "clock": {"max_time": self.clock.max_time, "direction": self.clock.direction},
            "frames": self.scaffolds.to_json(),
        }
        save_arrays(folder, "self", parts, facts)


def _build_known_rows(frame: Scaffold, rows: Ints, at: Ints, n_items: int) -> Histories:
    """Returns all events of these rows before `at`, since repeats count at any distance. Row ids are those of the real
    rows that they extend.
    """
    row_ids = frame.keys if frame.base_rows is None else frame.base_rows.parents
    lengths = at - frame.starts[rows]
    starts = compute_offsets(lengths)
    source = np.repeat(frame.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
    return Histories.from_arrays(frame.items[source], frame.times[source], starts, row_ids[rows], n_items)


def _is_faithful(unused: HiddenItems, listed: Items, held: Bools, rank: int, newest: Items) -> Bools:
    """Returns bool (rows,): whether one of the user's unused items is among the top `rank` items that the row does not
    hold; with no unused item, whether the newest event is an item of the user.
    """
    best = unused.find_first_rank(listed, held)
    return np.where(np.isnan(best), unused.is_taken(newest), best <= rank)
