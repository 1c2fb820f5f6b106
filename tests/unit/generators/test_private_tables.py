"""Private tables: a user changes every count by at most one, and the budget covers all steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.generators.privacy import PrivacyBudget, compute_epsilon
from leaven.generators.tabular.dp_training import MAX_ROWS_PER_USER, UserRows
from leaven.generators.tabular.tabular_vae import TabularVae

pytest.importorskip("opacus")
WISH = TabularVae(
    width=32, latent=4, epochs=1, learning_rate=1e-2, privacy=PrivacyBudget(epsilon=8.0, users_per_step=48)
)


def rows(count: int = 900, seed: int = 1) -> Samples:
    """Three rows a user; x follows the label, `kind` follows x."""
    draw = np.random.default_rng(seed)
    label = (draw.random(count) < 0.4).astype(float)
    x = np.where(label > 0, 4.0, -4.0) + draw.normal(size=count)
    kind = np.where(x > 0, "mug", "bag").astype(object)
    x = np.where(draw.random(count) < 0.1, np.nan, x)
    size = draw.integers(1, 9, count).astype(float)
    keys = rng.mix_bits(np.arange(1, count + 1, dtype=np.uint64))
    return Samples.from_columns({"x": x, "size": size, "kind": kind}, label, keys, 1 + np.arange(count) // 3)


TRAIN = rows()
FITTED = WISH.fit(TRAIN, key=1)
MADE = FITTED.sample(rng.mix_bits(np.arange(1, 1201, dtype=np.uint64)))


def test_the_rows_of_a_user_weigh_one_together_and_are_at_most_eight() -> None:
    owner = np.array([5] * 20 + [6] + [0, 0], np.uint64)
    train = replace(rows(23), user_ids=owner)
    users = UserRows.from_samples(train, 3)
    assert len(users) == 4
    assert sorted(users.is_present.sum(axis=1).tolist()) == [1, 1, 1, MAX_ROWS_PER_USER]
    np.testing.assert_allclose(users.row_weights.sum(axis=1), 1.0)
    own = users.rows[users.is_present.sum(axis=1) == MAX_ROWS_PER_USER]
    assert set(owner[own].ravel().tolist()) == {5}
    assert len(set(own.ravel().tolist())) == MAX_ROWS_PER_USER


def test_counting_and_training_keep_the_budget_together() -> None:
    first, second = PrivacyBudget(epsilon=2.0, users_per_step=64).split_budget(0.2, 1000)
    delta = 1000**-1.1
    assert first.epsilon + second.epsilon == 2.0
    assert first.resolve_delta(1000) + second.resolve_delta(1000) == pytest.approx(delta)
    assert compute_epsilon(first.compute_query_noise(1000), 1.0, 1, delta / 2) <= 0.4
    assert compute_epsilon(second.compute_noise(1000, 300), 0.064, 300, delta / 2) <= 1.6


def test_synthetic_rows_have_the_dependence_of_real_rows() -> None:
    assert FITTED.facts["users"] == 300
    assert FITTED.facts["epsilon"] == 8.0
    x, label = MADE.numeric_column("x"), MADE.label > 0.5
    assert label.mean() == pytest.approx(0.4, abs=0.1)
    assert np.nanmean(x[label]) - np.nanmean(x[~label]) > 4
    mugs = np.array([text == "mug" for text in MADE.categorical_column("kind")])
    assert np.nanmean(x[mugs]) > np.nanmean(x[~mugs]) + 3
    assert np.isin(MADE.numeric_column("size"), np.arange(1, 9)).all()
    assert 0.02 < np.isnan(x).mean() < 0.25


def test_no_cell_of_a_user_is_copied() -> None:
    """Without privacy, synthetic cells are training cells; with it, they are between public edges."""
    known = TRAIN.numeric_column("x")
    free = replace(WISH, privacy=None).fit(TRAIN.take(np.arange(200)), key=1).sample(TRAIN.row_ids[:50])
    assert np.isin(free.numeric_column("x")[~np.isnan(free.numeric_column("x"))], known).all()
    inner = MADE.numeric_column("x")[
        (MADE.numeric_column("x") > np.nanmin(known)) & (MADE.numeric_column("x") < np.nanmax(known))
    ]
    assert not np.isin(inner, known).any()


def test_a_private_generator_loads_from_its_file(tmp_path: Path) -> None:
    FITTED.save(tmp_path)
    back = TabularVae.load(tmp_path)
    assert back.config == WISH
    keys = np.arange(1, 50, dtype=np.uint64)
    np.testing.assert_array_equal(back.sample(keys).numbers, FITTED.sample(keys).numbers)
    np.testing.assert_array_equal(WISH.fit(TRAIN, key=1).sample(keys).codes, FITTED.sample(keys).codes)
