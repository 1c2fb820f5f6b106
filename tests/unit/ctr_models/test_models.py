"""CTR models without networks: what they learn, and their files."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from leaven.ctr_models.boosting import Boosting
from leaven.ctr_models.logistic import Logistic
from leaven.ctr_models.popularity import PopularItem
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.metrics.ctr.ctr_metrics import Auc, CalibrationError
from leaven.protocols import TrainingContext

pytest.importorskip("sklearn")
skops = pytest.importorskip("skops.io")


def draw_rows(seed: int, n: int = 1500) -> Samples:
    """Clicks that depend on one number and on one category."""
    generator = np.random.default_rng(seed)
    x, shop = generator.normal(size=n), generator.choice(np.array(["a", "b", "c"], object), n)
    logit = 1.5 * x + np.where(shop == "a", 1.0, -0.5)
    label = (generator.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    return Samples.from_columns({"x": x, "shop": shop}, label, np.arange(1, n + 1, dtype=np.uint64))


@pytest.mark.parametrize("config", [Logistic(), Boosting(rounds=25)], ids=["logistic", "boosting"])
def test_models_rank_and_calibrate_clicks(config) -> None:
    test = draw_rows(2)
    chance = config.fit(draw_rows(1), TrainingContext(key=1)).predict(test)
    label = test.label.astype(float)
    assert ((chance > 0) & (chance < 1)).all()
    assert Auc()(label, chance) > 0.75
    assert CalibrationError()(label, chance) < 0.08


def test_logistic_regression_finds_the_true_weights() -> None:
    model = Logistic().fit(draw_rows(1, 10_000), TrainingContext(key=1))
    assert model.weights[0] == pytest.approx(1.5, abs=0.15)  # x has deviation 1
    effect = (
        model.weights[1 + model.encoding.levels["shop"].index("a") + 1]
        - model.weights[1 + model.encoding.levels["shop"].index("b") + 1]
    )
    assert effect == pytest.approx(1.5, abs=0.3)


@pytest.mark.parametrize(
    "config", [Logistic(), Boosting(rounds=25), PopularItem("x")], ids=["logistic", "boosting", "popular"]
)
def test_a_saved_model_predicts_the_same(config, tmp_path: Path) -> None:
    rows = draw_rows(3, 500)
    model = config.fit(rows, TrainingContext(key=1))
    model.save(tmp_path / "model")
    again = type(config).load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    assert not list((tmp_path / "model").glob("*.part"))
    with pytest.raises(DataError):
        type(config).load(tmp_path / "empty")


@pytest.mark.parametrize("config", [Logistic(), Boosting(rounds=25)], ids=["logistic", "boosting"])
def test_a_weight_of_2_equals_a_repeated_row(config) -> None:
    rows = draw_rows(4, 400)
    weight = 1.0 + (np.arange(400) % 2)
    repeated = rows.take(np.repeat(np.arange(400), weight.astype(int)))
    weighted = Samples.from_columns(
        {"x": rows.numeric_column("x"), "shop": rows.categorical_column("shop")}, rows.label, rows.row_ids
    )
    weighted.weight[:] = weight
    one, two = (config.fit(given, TrainingContext(key=1)).predict(rows) for given in (weighted, repeated))
    if isinstance(config, Logistic):
        np.testing.assert_allclose(one, two, atol=0.02)  # the scale of the numbers is that of the rows
    else:
        assert np.corrcoef(one, two)[0, 1] > 0.9


def test_the_popularity_model_predicts_the_share_of_each_group() -> None:
    numbers = np.repeat([1.0, 5.0, 9.0, np.nan], 100)
    label = np.concatenate([np.arange(100) < share for share in (10, 30, 80, 50)]).astype(float)
    rows = Samples.from_columns({"events": numbers}, label, np.arange(1, 401, dtype=np.uint64))
    chance = PopularItem("events").fit(rows, TrainingContext(key=1)).predict(rows)
    assert (np.diff(chance[[0, 100, 200]]) > 0).all()
    assert chance[300] == pytest.approx(0.5, abs=0.05)


def test_a_stored_model_that_holds_code_is_refused(tmp_path: Path) -> None:
    Boosting(rounds=2).fit(draw_rows(1, 200), TrainingContext(key=1)).save(tmp_path)
    skops.dump(partial(os.system, "true"), tmp_path / "boosting.skops")
    with pytest.raises(DataError, match=r"boosting\.skops.*system"):
        Boosting.load(tmp_path)
