"""What is learned before anything is judged, and from which rows?

Training rows fit the encoder. A third of the held-out rows is the *fold*: it fits the denoiser or the chain that
knows what noise is, and the attacker's idea of ordinary rows. The other two thirds are compared. All this is learned
once, however many sets of new rows are judged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from leaven import rng
from leaven.errors import DataError
from leaven.metrics.synthetic import Known, Sample
from leaven.metrics.synthetic.membership_inference import likelihoods
from leaven.quality.context import NOTHING, Beside
from leaven.quality.featurization import Eyes, Rows, choice, opened

_FOLD = 5_000  # real rows of the fold
_FEWEST = 30  # held-out rows without which nothing can be said


@dataclass(frozen=True, eq=False)
class Sides:
    """new: the new rows (a sample of them); pool: real rows that are compared; known: what was learned before.
    chosen: the rows of `new` themselves."""

    new: Sample
    pool: Sample
    known: Known
    chosen: Rows


@dataclass(frozen=True, eq=False)
class Studied:
    """What is known before new rows come. members, pool, fold: samples of training rows, of held-out rows that are
    compared, and of those that taught what noise is; sampled: the first two themselves; most: rows of each side."""

    eyes: Eyes
    real: Rows
    sampled: tuple[Rows, Rows]
    members: Sample
    pool: Sample
    fold: Sample
    most: int
    key: int

    def beside(self, new: Rows) -> Sides:
        """New rows, seen by the same eyes as the real ones: at most `most` of them, chosen by the key."""
        chosen = new.take(choice(len(new), self.most, rng.key(self.key, "new")))
        judged = self.eyes.see(chosen)
        members, pool = (_attacked(judged, rows) for rows in (self.members, self.pool))
        eyes = self.eyes
        known = Known(members, self.fold, judged, eyes.names, eyes.groups, eyes.popularity, eyes.called)
        return Sides(judged, pool, known, chosen)


def study(real: Rows, held_out: Rows, key: int, most: int, beside: Beside = NOTHING) -> Studied:
    """Learn what training rows and a third of the held-out ones teach; sees at most `most` rows of a side.

    Raises DataError for fewer than 30 held-out rows.
    """
    if len(held_out) < _FEWEST:
        fix = "hold out more: what is real cannot be told from so few rows"
        raise DataError("held-out", f"at least {_FEWEST} rows", str(len(held_out)), fix)
    order = rng.generator(rng.key(key, "fold")).permutation(len(held_out))
    third = min(len(held_out) // 3, _FOLD)
    fold, pool = held_out.take(order[:third]), held_out.take(order[third : third + most])
    members = real.take(choice(len(real), most, rng.key(key, "members")))
    eyes = opened(real, fold, key, beside)
    samples = (eyes.see(members), eyes.see(pool), eyes.see(fold))
    return Studied(eyes, real, (members, pool), *samples, most, key)


def _attacked(judged: Sample, rows: Sample) -> Sample:
    """The same rows, with how likely all new rows make them."""
    return replace(rows, facts={**rows.facts, "under_new": likelihoods(judged, rows)})
