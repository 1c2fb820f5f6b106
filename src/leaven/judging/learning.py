"""What is learned before anything is judged, from which rows, and how are rows seen through it?

Training rows fit the encoder. A third of the held-out rows is the *fold*: it fits the denoiser or the chain that
knows what noise is, and the attacker's idea of ordinary rows. The other two thirds are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.data.histories import Histories
from leaven.errors import DataError
from leaven.judging.inputs import Inputs
from leaven.judging.tables import Table
from leaven.metrics import copying, privacy
from leaven.metrics.encoders import HistoryEncoder, TableEncoder
from leaven.metrics.noise import Denoiser
from leaven.metrics.samples import Known, Sample
from leaven.metrics.samples.attacks import likelihoods

Points = npt.NDArray[np.float64]

_LEARNED_FROM = 20_000  # training rows that encoders see
_FOLD = 5_000  # real rows of the fold
_FEWEST = 30  # held-out rows without which nothing can be said


@dataclass(frozen=True, eq=False)
class Sides:
    """new: the new rows (a sample of them); pool: real rows that are compared; known: what was learned before."""

    new: Sample
    pool: Sample
    known: Known
    constant: tuple[str, ...] = ()


def learn(inputs: Inputs, key: int, most: int) -> Sides:
    """Encode all sides: at most `most` new rows and as many held-out ones, chosen by the key.

    Raises DataError for fewer than 30 held-out rows.
    """
    held, new, real = inputs.held_out, inputs.new, inputs.real
    if len(held) < _FEWEST:
        fix = "hold out more: what is real cannot be told from so few rows"
        raise DataError("held-out", f"at least {_FEWEST} rows", str(len(held)), fix)
    order = seeds.generator(seeds.key(key, "fold")).permutation(len(held))
    third = min(len(held) // 3, _FOLD)
    fold, pool = held.take(order[:third]), held.take(order[third : third + most])
    chosen = new.take(_choice(len(new), most, seeds.key(key, "new")))
    members = real.take(_choice(len(real), most, seeds.key(key, "members")))
    constant: tuple[str, ...] = ()
    if isinstance(real, Histories):
        assert isinstance(fold, Histories)
        see, names, encoder = _history_eyes(real, fold, key)
        groups, popularity = encoder.groups(), encoder.popularity
    else:
        assert isinstance(fold, Table)
        see, table = _table_eyes(real, fold, key)
        names, constant = table.names, table.constant
        groups = popularity = np.zeros(0, np.int64)
    judged = see(chosen)
    attacked, compared = (_attacked(judged, see(rows)) for rows in (members, pool))
    return Sides(judged, compared, Known(attacked, see(fold), judged, names, groups, popularity), constant)


def _attacked(judged: Sample, rows: Sample) -> Sample:
    """The same rows, with how likely all new rows make them."""
    return replace(rows, facts={**rows.facts, "under_new": likelihoods(judged, rows)})


def _choice(rows: int, most: int, key: int) -> npt.NDArray[np.int64]:
    """int64 (at most `most`,): which of so many rows are looked at, ascending."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(seeds.generator(key).permutation(rows)[:most])


def _history_eyes(
    real: Histories, fold: Histories, key: int
) -> tuple[Callable[[Histories | Table], Sample], list[str], HistoryEncoder]:
    """(how a history is seen, names of the features, the encoder)."""
    encoder = HistoryEncoder.fit(real.take(_choice(len(real), _LEARNED_FROM, seeds.key(key, "encoder"))), key)
    training = encoder.points(real)
    _, names = encoder.features(fold)

    def see(rows: Histories | Table) -> Sample:
        assert isinstance(rows, Histories)
        points = encoder.points(rows)
        features, _ = encoder.features(rows)
        surprisal = privacy.surprisals(fold, rows)
        facts = _place_facts(points, training) | {
            "copied": copying.exact_copies(rows, real).astype(np.float64),
            "nearly": copying.near_copies(rows, real).astype(np.float64),
            "longest_run": copying.longest_runs(rows, real).astype(np.float64),
            "novel": copying.novel_share(rows, real, 2),
            "reference": -surprisal,
        }
        noise = surprisal / np.maximum(rows.lengths - 1, 1)
        return Sample(points, features, noise[:, None], facts, rows)

    return see, names, encoder


def _table_eyes(real: Table, fold: Table, key: int) -> tuple[Callable[[Histories | Table], Sample], TableEncoder]:
    """(how a line of a table is seen, the encoder)."""
    encoder = TableEncoder.fit(real.take(_choice(len(real), _LEARNED_FROM, seeds.key(key, "encoder"))).columns)
    training, ordinary = encoder.points(real.columns), encoder.points(fold.columns)
    denoiser, known = Denoiser.fit(ordinary), real.identities()

    def see(rows: Histories | Table) -> Sample:
        assert isinstance(rows, Table)
        points = encoder.points(rows.columns)
        facts = _place_facts(points, training) | {
            "copied": np.isin(rows.identities(), known).astype(np.float64),
            "reference": privacy.log_density(ordinary, points),
        }
        return Sample(points, points, denoiser.residuals(points), facts)

    return see, encoder


def _place_facts(points: Points, training: Points) -> dict[str, Points]:
    distance, place = copying.nearest(points, training)
    first = training[:, :3]
    above = (points[:, :3] > np.median(first, axis=0)).astype(np.int64)
    cell = above @ (1 << np.arange(above.shape[1]))
    authentic = copying.authentic(distance, place, training)
    return {"nearest": distance, "authentic": authentic.astype(np.float64), "cell": cell.astype(np.float64)}
