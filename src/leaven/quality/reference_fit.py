"""Models fitted on real rows before the evaluation of any new rows.

Training rows fit the encoder. A third of the held-out rows is the *fold*: it fits the noise model (a denoiser or a
Markov chain) and the attacker's model of ordinary rows. The other two thirds are compared. All of this is fitted once
for any number of sets of new rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from leaven import rng
from leaven.errors import DataError
from leaven.metrics.synthetic import Known, Sample
from leaven.metrics.synthetic.membership_inference import likelihoods
from leaven.quality.context import NOTHING, Beside
from leaven.quality.featurization import Featurizer, Rows, choice, opened

_MAX_FOLD_ROWS = 5_000  # maximum real rows of the fold
_MIN_HELD_OUT = 30  # minimum held-out rows


@dataclass(frozen=True, eq=False)
class Sides:
    """new: the sample of the new rows; pool: real rows that are compared; known: what was fitted before.
    chosen: the sampled new rows themselves.
    """

    new: Sample
    pool: Sample
    known: Known
    chosen: Rows


@dataclass(frozen=True, eq=False)
class Studied:
    """Fitted models and featurized real rows. members, pool, fold: samples of training rows, of compared held-out rows,
    and of those that fitted the noise model; sampled: the rows of the first two; most: maximum rows of each side.
    """

    featurizer: Featurizer
    real: Rows
    sampled: tuple[Rows, Rows]
    members: Sample
    pool: Sample
    fold: Sample
    most: int
    key: int

    def beside(self, new: Rows) -> Sides:
        """Return featurized new rows next to the real ones: at most `most` of them, chosen by the key."""
        chosen = new.take(choice(len(new), self.most, rng.key(self.key, "new")))
        synthetic = self.featurizer.featurize(chosen)
        members, pool = (_add_likelihoods(synthetic, rows) for rows in (self.members, self.pool))
        info = self.featurizer.info
        known = Known(members, self.fold, synthetic, info.names, info.groups, info.popularity, info.called)
        return Sides(synthetic, pool, known, chosen)


def study(real: Rows, held_out: Rows, key: int, most: int, beside: Beside = NOTHING) -> Studied:
    """Return models fitted on training rows and a third of the held-out rows, and samples of at most `most` rows.

    Raises DataError for fewer than 30 held-out rows.
    """
    if len(held_out) < _MIN_HELD_OUT:
        fix = "hold out more rows"
        raise DataError("held-out", f"at least {_MIN_HELD_OUT} rows", str(len(held_out)), fix)
    order = rng.generator(rng.key(key, "fold")).permutation(len(held_out))
    third = min(len(held_out) // 3, _MAX_FOLD_ROWS)
    fold, pool = held_out.take(order[:third]), held_out.take(order[third : third + most])
    members = real.take(choice(len(real), most, rng.key(key, "members")))
    featurizer = opened(real, fold, key, beside)
    return Studied(
        featurizer=featurizer,
        real=real,
        sampled=(members, pool),
        members=featurizer.featurize(members),
        pool=featurizer.featurize(pool),
        fold=featurizer.featurize(fold),
        most=most,
        key=key,
    )


def _add_likelihoods(synthetic: Sample, rows: Sample) -> Sample:
    """Return the sample with the likelihood of its rows under all new rows."""
    return replace(rows, facts={**rows.facts, "under_new": likelihoods(synthetic, rows)})
