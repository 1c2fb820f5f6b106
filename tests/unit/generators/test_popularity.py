"""Popular items are as frequent in synthetic rows as in real ones."""

import numpy as np
import pytest

from leaven.datasets.histories import Histories
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.sequence.popularity_calibration import assign_strata, compute_logit_offsets


def world(rows: int = 2_000, n_items: int = 200) -> Histories:
    """A long tail, and followers nearby."""
    draw = np.random.default_rng(3)
    firsts = np.minimum(draw.zipf(1.3, rows), n_items)
    return Histories.from_lists(
        [((first + np.arange(5) * draw.integers(1, 4)) % n_items + 1).tolist() for first in firsts], 200
    )


def share_of(rows: Histories, stratum: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray:  # type: ignore[type-arg]
    counts = np.bincount(rows.items, minlength=rows.n_items + 2)[1:-1]
    return np.bincount(stratum, weights=counts, minlength=16) / counts.sum()


def test_strata_hold_equal_shares_most_popular_first() -> None:
    assert assign_strata(np.array([1.0, 8.0, 4.0, 0.0, 3.0])).tolist() == [15, 4, 10, 15, 13]


@pytest.mark.parametrize("where", ["alone", "after"])
def test_popular_items_are_as_frequent_as_in_real_rows(where: str) -> None:
    rows = world()
    stratum = assign_strata(np.bincount(rows.items, minlength=202)[1:-1].astype(np.float64))
    keys = np.arange(10**6, 10**6 + 2_000, dtype=np.uint64)
    like = None if where == "alone" else rows
    gaps = {}
    for matched in (False, True):
        config = Autoregressive(
            where=where, width=8, layers=1, steps=60, match_popularity=matched, new_events_range=(3, 3)
        )
        made = config.fit(rows, 1).sample(keys, like)
        gaps[matched] = np.abs(share_of(made, stratum) - share_of(rows, stratum)).sum()
    assert gaps[True] < 0.6 * gaps[False]


def test_calibration_reports_progress() -> None:
    heard = []
    Autoregressive(width=8, layers=1, steps=2).fit(world(100), 1, lambda *told: heard.append(told))
    assert heard[-4:] == [(done, 3, "matching popularity") for done in range(4)]


def test_calibration_keeps_log_likelihoods() -> None:
    rows = world(300)
    made = [Autoregressive(width=8, layers=1, steps=20, match_popularity=one).fit(rows, 1) for one in (False, True)]
    assert made[0].log_likelihood(rows).tolist() == made[1].log_likelihood(rows).tolist()
    assert made[0].decoding.logit_offsets.any() == 0
    assert made[1].decoding.logit_offsets.any()


def test_frequent_items_shift_alone_and_rare_ones_with_their_stratum() -> None:
    stratum = np.array([0, 0, 1, 1])
    moved = compute_logit_offsets(
        np.array([4000.0, 4000.0, 1.0, 1.0]), np.array([8000.0, 2000.0, 0.0, 2000.0]), stratum
    )
    assert moved[:2] == pytest.approx(np.log([0.5, 2.0]), abs=0.02)
    assert moved[2] < -2  # its stratum came a hundred times too often
    assert moved[3] < moved[2]
    assert not compute_logit_offsets(np.full(4, 7.0), np.full(4, 7.0), stratum).any()
