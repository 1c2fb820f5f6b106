"""Filters by surprisal and popularity quota."""

from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.filters.quota import Quota
from leaven.filters.surprisal import Surprisal
from leaven.simulator import simulate_first_order

ITEMS = 12


def made(rows: Histories, name: str) -> Histories:
    """The same rows as if made from nothing."""
    keys = rng.derive_user_ids([f"{name}{i}" for i in range(len(rows))])
    return replace(rows, row_ids=keys, parents=np.zeros(len(rows), np.uint64), origin=np.ones(len(rows), np.int16))


def world(rows: int, first: int = 0) -> Histories:
    return simulate_first_order(ITEMS, rows=first + rows, length=8, seed=1)[0].take(np.arange(first, first + rows))


def test_real_rows_are_accepted_noise_is_too_surprising_and_a_loop_too_predictable() -> None:
    fitted = Surprisal().fit(world(2000), 7)
    unseen = fitted(made(world(1000, first=2000), "unseen"))
    assert 0.86 < unseen.accepted.mean() < 0.94  # the band holds 90 % of real rows
    noise = Histories.from_lists(np.random.default_rng(1).integers(1, ITEMS + 1, (500, 8)).tolist(), ITEMS)
    refused = fitted(made(noise, "noise")).rejected
    assert refused["too surprising"] > 350
    law = simulate_first_order(ITEMS, rows=1, length=1, seed=1)[1]
    groove = [1]
    while len(groove) < 8:
        groove.append(int(law[groove[-1] - 1].argmax()) + 1)
    assert fitted(made(Histories.from_lists([groove], ITEMS), "groove")).rejected == {"too predictable": 1}


def test_a_real_row_is_scored_by_the_chain_of_the_other_fold() -> None:
    rows = Histories.from_lists(
        np.random.default_rng(1).integers(1, 2001, (400, 8)).tolist(),
        2000,
        row_ids=rng.derive_user_ids(list(map(str, range(400)))),
    )
    fitted = Surprisal().fit(rows, 7)
    scores = fitted.compute_surprisal(rows)
    assert scores.min() > np.log(500)  # noise over 2,000 items: who had seen a row would find it easy
    children = replace(rows, row_ids=rng.mix_bits(rows.row_ids))
    assert fitted.compute_surprisal(children).tolist() == scores.tolist()  # by the parent


def test_rows_of_one_event_are_accepted_and_too_few_rows_raise_an_error() -> None:
    assert Surprisal().fit(world(100), 7)(Histories.from_lists([[3], []], ITEMS)).accepted.all()
    with pytest.raises(FitError, match="at least 20 rows"):
        Surprisal().fit(world(19), 7)


def test_a_quota_thins_overrepresented_strata_only() -> None:
    as_real = [[item] for item in range(1, 11) for _ in range(10 * item)]  # item 10 has 100 of 550 rows
    fitted = Quota(strata=20, slack=1.5).fit(Histories.from_lists(as_real, 10), 7)
    assert fitted(made(Histories.from_lists(as_real, 10), "as real")).accepted.all()
    flood = made(Histories.from_lists([[10]] * 900 + as_real, 10), "flood")
    stays = fitted(flood)
    popular = flood.items == 10
    assert stays.accepted[~popular].all()
    assert stays.accepted[popular].sum() == np.ceil(1.5 * 100 / 550 * stays.accepted.sum())
    assert stays.rejected == {"its popularity stratum is full": int((~stays.accepted).sum())}


def test_acceptance_does_not_depend_on_the_order_of_rows() -> None:
    fitted = Quota(slack=1.0).fit(world(300), 7)
    new = made(world(200, first=300), "new")
    order = np.random.default_rng(2).permutation(200)
    assert fitted(new.take(order)).accepted.tolist() == fitted(new).accepted[order].tolist()


@pytest.mark.parametrize(
    "wrong",
    [lambda: Surprisal(band=(0.9, 0.1)), lambda: Surprisal(order=0), lambda: Quota(0), lambda: Quota(slack=0.5)],
)
def test_an_invalid_config_raises_an_error(wrong) -> None:
    with pytest.raises(SpecError):
        wrong()
