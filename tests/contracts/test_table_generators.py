"""Contract of every registered tabular generator."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from contracts.registered import wish_of
from leaven import rng
from leaven.datasets.samples import Samples
from leaven.registry import list_kinds

KINDS = sorted(list_kinds("tabular_generators"))
FIELDS: dict[str, dict[str, Any]] = {
    "order_agnostic": {"bins": 8, "width": 48, "layers": 1, "batch": 64, "epochs": 20, "learning_rate": 4e-3},
    "vae": {"width": 64, "latent": 8, "batch": 64, "epochs": 30},
    "gan": {"width": 64, "latent": 8, "batch": 64, "epochs": 30},
    "diffusion": {"width": 64, "layers": 2, "steps": 20, "batch": 64, "epochs": 40},
}


def world(rows: int, seed: int = 0) -> Samples:
    """y follows x where the kind is "a" and its opposite where it is "b"; a tenth of x is missing."""
    draw = np.random.default_rng(seed)
    x, kind = draw.normal(size=rows), np.array(["a", "b"], object)[draw.integers(0, 2, rows)]
    label = (np.where(kind == "a", x, -x) + 0.3 * draw.normal(size=rows) > 0.5).astype(float)
    x[draw.random(rows) < 0.1] = np.nan
    keys = rng.mix_bits(np.arange(1, rows + 1, dtype=np.uint64) + np.uint64(10_000 * seed))
    return Samples.from_columns({"x": x, "count": draw.integers(0, 4, rows).astype(float), "kind": kind}, label, keys)


@cache
def fitted(kind: str) -> Any:
    return wish_of("tabular_generators", kind)(**FIELDS.get(kind, {})).fit(world(1500), key=5)


def keys(count: int) -> Any:
    return rng.mix_bits(np.arange(1, count + 1, dtype=np.uint64))


def same(one: Samples, two: Samples) -> bool:
    numbers = np.array_equal(one.numbers, two.numbers, equal_nan=True)
    return numbers and np.array_equal(one.codes, two.codes) and np.array_equal(one.label, two.label)


@pytest.mark.parametrize("kind", KINDS)
def test_each_key_gives_one_valid_row_from_noise(kind: str) -> None:
    new = fitted(kind).sample(keys(700)).validate()
    assert len(new) == 700
    assert np.array_equal(new.row_ids, keys(700))
    assert not new.parents.any()
    assert set(np.unique(new.label)) == {0.0, 1.0}
    assert set(np.unique(new.numeric_column("count"))) <= {0.0, 1.0, 2.0, 3.0}
    assert len(fitted(kind).sample(keys(0))) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_marginals_are_close_to_the_real_ones(kind: str) -> None:
    real, new = world(1500), fitted(kind).sample(keys(1500))
    assert abs(new.label.mean() - real.label.mean()) < 0.06
    assert abs(np.isnan(new.numeric_column("x")).mean() - 0.1) < 0.05
    assert abs(np.nanmean(new.numeric_column("x")) - np.nanmean(real.numeric_column("x"))) < 0.15
    assert abs(np.nanstd(new.numeric_column("x")) - np.nanstd(real.numeric_column("x"))) < 0.15
    assert abs((new.categorical_column("kind") == "a").mean() - 0.5) < 0.08


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_keys_give_the_same_rows_at_any_batch_size(kind: str) -> None:
    whole = fitted(kind).sample(keys(600))
    assert same(whole.take(np.arange(37)), fitted(kind).sample(keys(37)))
    assert same(whole.take(np.arange(550, 600)), fitted(kind).sample(keys(600)[550:]))


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading_changes_nothing(kind: str, tmp_path: Any) -> None:
    fitted(kind).save(tmp_path / "made")
    loaded = wish_of("tabular_generators", kind).load(tmp_path / "made")
    assert same(loaded.sample(keys(100)), fitted(kind).sample(keys(100)))


def agreement(rows: Samples) -> float:
    """How the label hangs on x among kind "a" less the same among kind "b": no pair of columns shows it."""
    x, kind = rows.numeric_column("x"), rows.categorical_column("kind")
    known = ~np.isnan(x)
    of = [np.corrcoef(x[known & (kind == name)], rows.label[known & (kind == name)])[0, 1] for name in ("a", "b")]
    return float(of[0] - of[1])


def test_a_three_way_dependence_is_learned_by_models_that_can() -> None:
    truth = agreement(world(1500))
    assert truth > 1.2
    assert agreement(fitted("order_agnostic").sample(keys(1500))) > 0.7 * truth
    assert agreement(fitted("diffusion").sample(keys(1500))) > 0.5 * truth
    assert agreement(fitted("smote").sample(keys(1500))) > 0.7 * truth
    for simple in ("marginals", "copula"):
        assert agreement(fitted(simple).sample(keys(1500))) < 0.4 * truth


def test_the_copula_keeps_a_correlation_between_two_numbers() -> None:
    draw = np.random.default_rng(1)
    a = draw.normal(size=2000)
    b = np.exp(0.8 * a + 0.6 * draw.normal(size=2000))
    rows = Samples.from_lists({"a": a.tolist(), "b": b.tolist()}, label=draw.integers(0, 2, 2000).tolist())
    new = wish_of("tabular_generators", "copula")().fit(rows, key=1).sample(keys(2000))
    assert np.corrcoef(new.numeric_column("a"), np.log(new.numeric_column("b")))[0, 1] == pytest.approx(0.8, abs=0.05)
    apart = wish_of("tabular_generators", "marginals")().fit(rows, key=1).sample(keys(2000))
    assert abs(np.corrcoef(apart.numeric_column("a"), np.log(apart.numeric_column("b")))[0, 1]) < 0.08


def test_true_rows_are_more_probable_than_randomly_combined_ones() -> None:
    unseen = world(400, seed=2)
    shuffled = replace(unseen, label=np.roll(unseen.label, 1))
    model = fitted("order_agnostic")
    assert model.log_likelihood(unseen).mean() > model.log_likelihood(shuffled).mean() + 0.3
    # label, x, count and kind by themselves: no likelihood of binned rows can be above 0
    assert (model.log_likelihood(unseen) < 0).all()


def test_missing_cells_are_imputed_from_the_others() -> None:
    unseen = world(1500, seed=3)
    hidden = replace(unseen, codes=np.zeros_like(unseen.codes))
    filled = fitted("order_agnostic").impute_missing(hidden, hidden.row_ids)
    assert not np.isnan(filled.numbers).any()
    known = ~np.isnan(unseen.numeric_column("x"))
    assert np.array_equal(filled.numeric_column("x")[known], unseen.numeric_column("x")[known])
    telling = known & (unseen.label > 0.5) & (np.abs(np.nan_to_num(unseen.numeric_column("x"))) > 0.8)
    assert (filled.categorical_column("kind") == unseen.categorical_column("kind"))[telling].mean() > 0.85
