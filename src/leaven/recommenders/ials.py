"""Matrix factorization of implicit feedback by alternating least squares, through the library `implicit`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import MissingExtra, SpecError
from leaven.protocols import RankedItems, TrainingContext
from leaven.recommenders.linear_item_model import Floats, HistoryWeighting, compute_row_weights, fill_best, sort_rows
from leaven.recommenders.popularity import check_request, compute_item_weights, select_training_rows
from leaven.storage import Arrays, load_arrays, save_arrays

if TYPE_CHECKING:
    import scipy.sparse as sparse
    from implicit.cpu.als import AlternatingLeastSquares

_MAX_SCORES = 4_194_304


@dataclass(frozen=True)
class Ials:
    """Implicit alternating least squares: user and item factors whose product is near 1 for events, near 0 elsewhere.

    factors         width of a vector
    regularization  L2 penalty
    alpha           weight of an event against an item without one
    iterations      sweeps over users and items
    popularity_weight  ranks items without other scores

    Users are folded in when they are scored: only their history counts, not their training row. Row weights multiply
    alpha.

    Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008; as implemented in
    `implicit` (extra `als`).
    """

    factors: int = 128
    regularization: float = 0.1
    alpha: float = 10.0
    iterations: int = 10
    popularity_weight: float = 1e-3

    def __post_init__(self) -> None:
        if self.factors < 1 or self.iterations < 1:
            raise SpecError("ials.factors, iterations", "1 or more", f"{self.factors}, {self.iterations}", "")
        if not (self.regularization > 0 and self.alpha > 0 and self.popularity_weight > 0):
            got = f"{self.regularization}, {self.alpha}, {self.popularity_weight}"
            raise SpecError("ials.regularization, alpha, popularity_weight", "numbers above 0", got, "")

    def fit(self, train: Histories, training: TrainingContext) -> FittedIals:
        """Alternates the two least-squares problems, from factors drawn from the key.

        Raises FitError if no event has a weight above 0; MissingExtra without `implicit`.
        """
        train = sort_rows(select_training_rows(train, training))
        rows = compute_row_weights(train, None)
        train, rows = train.take(rows > 0), rows[rows > 0]
        matrix = _build_matrix(train).multiply(rows[:, None]).tocsr().astype(np.float32)
        seed = rng.derive_key(training.key, "ials") % (1 << 31)
        model = _create_model(self, int(seed))
        with _single_blas_thread():
            model.fit(matrix, show_progress=False)
        return FittedIals(self, np.asarray(model.item_factors, np.float32), compute_item_weights(train))

    def steps(self, train: Histories) -> None:
        """Returns None: there are no optimizer steps."""

    @staticmethod
    def load(folder: Path) -> FittedIals:
        """Loads what `FittedIals.save` wrote. Raises DataError if files are missing."""
        arrays, facts = load_arrays(folder, "ials")
        return FittedIals(Ials(**facts), arrays["item_factors"], arrays["item_weights"])


@dataclass(frozen=True, eq=False)
class FittedIals:
    """item_factors float32 (n_items, factors); item_weights float64 (n_items + 1,): weight of each item's events."""

    config: Ials
    item_factors: npt.NDArray[np.float32]
    item_weights: Floats
    curve: tuple[Mapping[str, float], ...] = ()
    facts: ClassVar[Mapping[str, object]] = {}

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k items with the highest scores.

        Raises SpecError for k below 1, DataError for histories over another catalog.
        """
        n_items = len(self.item_weights) - 1
        check_request(histories, k, n_items)
        items, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
        popularity = (self.config.popularity_weight * self.item_weights[1:] / self.item_weights.max()).astype(
            np.float32
        )
        model = _create_model(self.config, 0)
        model.item_factors = self.item_factors
        step = max(_MAX_SCORES // n_items, 1)
        for first in range(0, len(histories), step):
            block = histories.slice(first, min(first + step, len(histories)))
            matrix = _build_matrix(block).astype(np.float32)
            with _single_blas_thread():
                users = model.recalculate_user(np.arange(len(block)), matrix)
            block_scores = users @ self.item_factors.T + popularity
            block_scores[:, self.item_weights[1:] == 0] = block_scores.min() - 1  # a zero vector outranks negative ones
            if not allow_repeats:
                is_item = (block.items >= 1) & (block.items <= n_items)
                block_scores[block.event_rows()[is_item], block.items[is_item] - 1] = -np.inf
            part = slice(first, first + len(block))
            fill_best(block_scores, items[part], scores[part])
        return RankedItems(items, scores)

    def save(self, folder: Path) -> None:
        arrays: Arrays = {"item_factors": self.item_factors, "item_weights": self.item_weights}
        save_arrays(folder, "ials", arrays, asdict(self.config))


def _build_matrix(histories: Histories) -> sparse.csr_matrix:
    weighting = HistoryWeighting()
    return weighting.build_matrix(histories, weighting.compute_event_weights(histories))


def _create_model(config: Ials, seed: int) -> AlternatingLeastSquares:
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError as error:
        raise MissingExtra("implicit", "als") from error
    with _single_blas_thread():
        return AlternatingLeastSquares(
            factors=config.factors,
            regularization=config.regularization,
            alpha=config.alpha,
            iterations=config.iterations,
            random_state=seed,
        )


def _single_blas_thread() -> AbstractContextManager[object]:
    """Returns a context in which BLAS uses one thread: `implicit` starts threads itself and warns of others."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits
