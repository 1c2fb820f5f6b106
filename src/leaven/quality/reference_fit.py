"""Models fitted on real rows before the evaluation of any new rows.

Training rows fit the encoder. A third of the held-out rows is the *fold*: it fits the noise model (a denoiser or a
Markov chain) and the attacker's model of ordinary rows. The other two thirds are compared. All of this is fitted once
for any number of sets of new rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic

from leaven import rng
from leaven.errors import DataError
from leaven.metrics.synthetic import FeaturizedRows, ReferenceData
from leaven.metrics.synthetic.membership_inference import compute_log_likelihoods
from leaven.modalities import Modality
from leaven.modalities.featurization import Featurizer, choose_rows
from leaven.modalities.modality import NO_CONTEXT, EvaluationContext, R

_MAX_FOLD_ROWS = 5_000  # maximum real rows of the fold
_MIN_HELD_OUT = 30  # minimum held-out rows


@dataclass(frozen=True, eq=False)
class ComparedRows(Generic[R]):
    """new: the sample of the new rows; pool: real rows that are compared; known: what was fitted before.
    chosen: the sampled new rows themselves.
    """

    new: FeaturizedRows
    pool: FeaturizedRows
    known: ReferenceData
    chosen: R


@dataclass(frozen=True, eq=False)
class ReferenceFit(Generic[R]):
    """Fitted models and featurized real rows. members, pool, fold: samples of training rows, of compared held-out rows,
    and of those that fitted the noise model; sampled: the rows of the first two; max_rows: maximum rows of each side.
    """

    featurizer: Featurizer
    real: R
    sampled: tuple[R, R]
    members: FeaturizedRows
    pool: FeaturizedRows
    fold: FeaturizedRows
    max_rows: int
    key: int

    def add_synthetic(self, new: R) -> ComparedRows[R]:
        """Return featurized new rows next to the real ones: at most `max_rows` of them, chosen by the key."""
        chosen = new.take(choose_rows(len(new), self.max_rows, rng.derive_key(self.key, "new")))
        synthetic = self.featurizer.featurize(chosen)
        members, pool = (  # with the likelihood of each row under all new rows
            replace(one, row_statistics={**one.row_statistics, "under_new": compute_log_likelihoods(synthetic, one)})
            for one in (self.members, self.pool)
        )
        info = self.featurizer.info
        known = ReferenceData(members, self.fold, synthetic, info.names, info.groups, info.popularity, info.called)
        return ComparedRows(synthetic, pool, known, chosen)


def fit_reference(
    modality: Modality[R],
    real: R,
    held_out: R,
    key: int,
    max_rows: int,
    context: EvaluationContext = NO_CONTEXT,
) -> ReferenceFit[R]:
    """Return models fitted on training rows and a third of the held-out rows, and samples of at most `max_rows` rows.

    Raises DataError for fewer than 30 held-out rows.
    """
    if len(held_out) < _MIN_HELD_OUT:
        fix = "hold out more rows"
        raise DataError("held-out", f"at least {_MIN_HELD_OUT} rows", str(len(held_out)), fix)
    order = rng.make_generator(rng.derive_key(key, "fold")).permutation(len(held_out))
    third = min(len(held_out) // 3, _MAX_FOLD_ROWS)
    fold, pool = held_out.take(order[:third]), held_out.take(order[third : third + max_rows])
    members = real.take(choose_rows(len(real), max_rows, rng.derive_key(key, "members")))
    featurizer = modality.quality.fit_featurizer(real, fold, key, context)
    return ReferenceFit(
        featurizer=featurizer,
        real=real,
        sampled=(members, pool),
        members=featurizer.featurize(members),
        pool=featurizer.featurize(pool),
        fold=featurizer.featurize(fold),
        max_rows=max_rows,
        key=key,
    )
