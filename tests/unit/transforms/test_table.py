"""Tabular transforms against known results."""

import doctest
from importlib import import_module

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError
from leaven.filters.rules import Rules
from leaven.transforms.tabular.cell_noise import FeatureMask, NumericNoise, QuantileJitter, RollUp, SwapNoise
from leaven.transforms.tabular.row_mixup import RowMixup

ROWS = 4000


def world() -> Samples:
    draw = np.random.default_rng(0)
    label = draw.integers(0, 2, ROWS)
    columns = {
        "price": (draw.lognormal(size=ROWS) + 0.01).tolist(),
        "count": draw.integers(0, 5, ROWS).tolist(),
        "kind": draw.choice(["mug", "cup", "bag"], ROWS).tolist(),
        "sure": label.astype(float).tolist(),
    }
    rows = Samples.from_lists(columns, label=label.tolist())
    return rows


def ones() -> np.ndarray:
    return np.ones(ROWS, np.float32)


def test_noise_has_the_level_of_alpha_and_integers_stay_integers() -> None:
    rows = world()
    noise = NumericNoise(alpha=0.5, clip_to_range=False).fit(rows)
    new = noise(rows, rng.mix_bits(rows.row_ids), ones())
    step = new.numeric_column("price") - rows.numeric_column("price")
    assert step.std() == pytest.approx(0.5 * rows.numeric_column("price").std(), rel=0.05)
    assert abs(step.mean()) < 0.05
    assert (new.numeric_column("count") == new.numeric_column("count").round()).all()
    half = noise(rows, rng.mix_bits(rows.row_ids), ones() / 2)
    np.testing.assert_allclose(half.numeric_column("price") - rows.numeric_column("price"), step / 2, atol=1e-12)


def test_noise_on_the_logarithm_never_makes_a_price_negative() -> None:
    rows = world()
    new = NumericNoise(alpha=1.0, columns=("price",), log_columns=("price",), clip_to_range=False).fit(rows)(
        rows, rows.row_ids, ones()
    )
    assert (new.numeric_column("price") >= 0).all()
    assert np.array_equal(new.numeric_column("count"), rows.numeric_column("count"))


def test_jitter_changes_ranks_by_the_width_at_most_and_keeps_training_values() -> None:
    rows = world()
    new = QuantileJitter(width=0.1, share=1.0, columns=("price",)).fit(rows)(rows, rows.row_ids, ones())
    known = np.sort(rows.numeric_column("price"))
    assert np.isin(new.numeric_column("price"), known).all()
    moved = np.searchsorted(known, new.numeric_column("price")) - np.searchsorted(known, rows.numeric_column("price"))
    assert np.abs(moved).max() <= 0.1 * ROWS + 1


def test_swaps_and_masks_change_their_share_and_swaps_keep_the_class() -> None:
    rows = world()
    swapped = SwapNoise(share=0.3).fit(rows)(rows, rows.row_ids, ones())
    assert (swapped.numeric_column("price") != rows.numeric_column("price")).mean() == pytest.approx(0.3, abs=0.03)
    assert np.array_equal(swapped.numeric_column("sure"), rows.label)
    masked = FeatureMask(share=0.3, columns=("kind", "price")).fit(rows)(rows, rows.row_ids, ones())
    assert (masked.codes[:, 0] == 0).mean() == pytest.approx(0.3, abs=0.03)
    assert np.isnan(masked.numeric_column("price")).mean() == pytest.approx(0.3, abs=0.03)
    assert not np.isnan(masked.numeric_column("count")).any()


def test_mixup_mixes_the_label_by_the_share_of_the_numbers() -> None:
    rows = world()
    new = RowMixup(alpha=1.0).fit(rows)(rows, rows.row_ids, ones())
    np.testing.assert_allclose(new.numeric_column("sure"), new.label, atol=1e-6)  # this column is the label
    assert np.abs(new.label - rows.label).max() <= 0.5


def test_names_roll_up_to_their_parents_only() -> None:
    rows = Samples.from_lists({"kind": ["mug", "kitchen", "bag", "mug"]}, label=[1, 0, 1, 0])
    new = RollUp(parents={"mug": "kitchen", "bag": "luggage"}, share=1.0).fit(rows)(rows, rows.row_ids, np.ones(4))
    assert new.categorical_column("kind").tolist() == ["kitchen", "kitchen", "bag", "kitchen"]
    with pytest.raises(DataError, match="cycle"):
        RollUp(parents={"a": "b", "b": "c", "c": "a"})


def test_misspelled_columns_and_rules_name_the_nearest() -> None:
    with pytest.raises(SpecError, match="price"):
        NumericNoise(columns=("prise",)).fit(world())
    with pytest.raises(SpecError, match="price"):
        Rules(("prise > 0",)).fit(world())
    with pytest.raises(SpecError, match="known"):
        Rules(("price is nice",))


@pytest.mark.parametrize(
    "name",
    ["datasets.samples", "ctr_models.imputation", "ctr_features.from_table", "filters.rules"],
)
def test_examples_in_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(import_module(f"leaven.{name}")).failed == 0
