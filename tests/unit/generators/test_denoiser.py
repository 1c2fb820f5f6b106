"""The masked network recovers events from both sides, and changes only the open events."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [torch]")

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.generators.sequence.denoiser import Denoiser, FittedDenoiser
from leaven.generators.sequence.masked_model import draw_masks

ITEMS = 8


def keys(count: int) -> np.ndarray:
    return rng.derive_user_ids([f"new{i}" for i in range(count)])


def circles(rows: int, begin: int = 0) -> Histories:
    """Item i is followed by i + 1, around a circle."""
    paths = [[(begin + row + place) % ITEMS + 1 for place in range(6)] for row in range(rows)]
    return Histories.from_lists(paths, ITEMS, times=[list(range(0, 60, 10))] * rows)


@cache
def fitted(where: str = "between") -> FittedDenoiser:
    small = {"width": 32, "layers": 1, "steps": 250, "learning_rate": 1e-2, "dropout": 0.0, "batch_events": 256}
    return Denoiser(where=where, new_events_range=(1, 1), default_filters=(), **small).fit(circles(160), 7)


def test_replaced_events_are_recovered_from_both_sides() -> None:
    real = circles(40, 3)
    made = (
        replace(fitted(), config=replace(fitted().config, where="instead", replace_share=0.3))
        .sample(keys(40), real)
        .validate()
    )
    assert made.lengths.tolist() == real.lengths.tolist()
    assert made.times.tolist() == real.times.tolist()
    assert made.parents.tolist() == real.parents.tolist()
    assert made.n_targets.tolist() == real.n_targets.tolist()
    assert (made.items == real.items).mean() > 0.97  # 7 in 10 are real; the others are determined by them


def test_an_inserted_event_fits_its_neighbors_and_real_events_stay() -> None:
    gaps = Histories.from_lists([[1, 3], [4, 6]], ITEMS, times=[[0, 20], [0, 20]])
    made = fitted().sample(keys(2), gaps).validate()
    assert [made.row_items(0).tolist(), made.row_items(1).tolist()] == [[1, 2, 3], [4, 5, 6]]
    assert made.n_targets.tolist() == [1, 1] or made.n_targets.tolist() == [2, 2]
    assert (np.diff(made.times.reshape(2, 3), axis=1) >= 0).all()


def test_inserted_events_are_targets_from_the_first_real_target_on() -> None:
    real = circles(30)
    last = replace(real, n_targets=np.ones(30, np.int32))
    made = fitted().sample(keys(30), last)
    assert (made.n_targets == 1).all()  # the last event was the only target
    assert (fitted().sample(keys(30), real).n_targets >= 5).all()


def test_a_fitting_event_is_more_probable_than_another() -> None:
    row, odd = Histories.from_lists([[1, 2, 3, 4]], ITEMS), Histories.from_lists([[1, 2, 7, 4]], ITEMS)
    assert fitted().pseudo_log_likelihood(row)[0] > fitted().pseudo_log_likelihood(odd)[0] + 2
    assert fitted().log_likelihood(row)[0] > fitted().log_likelihood(odd)[0] + 2
    assert fitted().pseudo_log_likelihood(row)[0] > fitted().log_likelihood(row)[0] - 0.5  # given more events
    assert fitted().pseudo_log_likelihood(Histories.from_lists([[], [3]], ITEMS)).tolist() == [0.0, 0.0]


def test_the_number_of_masked_events_is_uniform() -> None:
    items = np.tile([1, 2, 3, 4, 0], (4000, 1))
    hidden = draw_masks(items, keys(4000))
    assert not hidden[:, 4].any()
    assert np.bincount(hidden.sum(axis=1), minlength=5)[1:] / 4000 == pytest.approx([0.25] * 4, abs=0.03)


def test_an_invalid_config_and_a_wrong_number_of_keys_are_rejected() -> None:
    for wrong in (
        {"where": "above"},
        {"replace_share": 0.0},
        {"max_passes": 0},
        {"where": "between", "targets": "new"},
    ):
        with pytest.raises(SpecError):
            Denoiser(**wrong)
    with pytest.raises(DataError, match="one a row"):
        fitted().sample(keys(3), circles(2))
