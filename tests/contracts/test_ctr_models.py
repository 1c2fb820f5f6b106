"""Contract of every registered CTR model."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from contracts.registered import wish_of
from leaven import rng
from leaven.ctr_models.boosting import Boosting
from leaven.ctr_models.neural import DcnV2, Mlp
from leaven.datasets.samples import Samples
from leaven.errors import DataError, FitError
from leaven.metrics.ctr.ctr_metrics import Auc
from leaven.protocols import TrainingContext
from leaven.registry import list_kinds

KINDS = sorted(list_kinds("ctr_models"))
CONFIGS = (
    Mlp(hidden=(32, 16), batch_size=64, epochs=8, min_rows=1),
    DcnV2(hidden=(32, 16), batch_size=64, epochs=20, min_rows=1, learning_rate=4e-3, dropout=0.0),
    Boosting(rounds=40),
)


def build_config(kind: str) -> Any:
    """A config of a size for tests; the defaults where there is none."""
    config_class = wish_of("ctr_models", kind)
    return next((config for config in CONFIGS if isinstance(config, config_class)), None) or config_class()


def world(rows: int = 800, seed: int = 0) -> Samples:
    """Popular items are taken, and more often in the shops "a" than in "b"; one column is noise with gaps."""
    draw = np.random.default_rng(seed)
    popular, shop = draw.exponential(size=rows), np.array(["a", "b", "c"], object)[draw.integers(0, 3, rows)]
    label = draw.random(rows) < 1 / (1 + np.exp(1.5 - 2 * popular - 1.5 * (shop == "a")))
    noise = draw.normal(size=rows)
    noise[::5] = np.nan
    columns = {"item_events_30d": popular, "noise": noise, "shop": shop}
    keys = rng.mix_bits(np.arange(1, rows + 1, dtype=np.uint64) + np.uint64(5000 * seed))
    return Samples.from_columns(columns, label.astype(float), keys)


@cache
def fitted(kind: str) -> Any:
    wish = build_config(kind)
    return wish.fit(world(), TrainingContext(key=3, validation=world(300, seed=2)))


def auc(model: Any, rows: Samples) -> float:
    return Auc()(rows.label.astype(float), model.predict(rows))


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_the_signal(kind: str) -> None:
    chance = fitted(kind).predict(world(600, seed=1))
    assert chance.shape == (600,)
    assert ((chance >= 0) & (chance <= 1)).all()
    assert auc(fitted(kind), world(600, seed=1)) > (0.7 if kind == "popularity" else 0.76)
    assert abs(chance.mean() - world(600, seed=1).label.mean()) < 0.08


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_gives_the_same_model(kind: str) -> None:
    wish = build_config(kind)
    again = wish.fit(world(), TrainingContext(key=3, validation=world(300, seed=2)))
    assert again.predict(world(seed=1)).tolist() == fitted(kind).predict(world(seed=1)).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading_changes_nothing(kind: str, tmp_path: Any) -> None:
    fitted(kind).save(tmp_path / "model")
    loaded = wish_of("ctr_models", kind).load(tmp_path / "model")
    assert loaded.predict(world(seed=1)).tolist() == fitted(kind).predict(world(seed=1)).tolist()
    with pytest.raises(DataError):
        wish_of("ctr_models", kind).load(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", KINDS)
def test_categories_and_gaps_unseen_in_training_are_not_an_error(kind: str) -> None:
    rows = Samples.from_lists(
        {"item_events_30d": [None, 1.0], "noise": [None, None], "shop": ["new", None]}, label=[0, 1]
    )
    assert np.isfinite(fitted(kind).predict(rows)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_matched_by_category_name(kind: str) -> None:
    rows = world(seed=1)
    other = rows.recode_levels({"shop": ("c", "b", "a")})
    np.testing.assert_array_equal(fitted(kind).predict(other), fitted(kind).predict(rows))


@pytest.mark.parametrize("kind", KINDS)
def test_one_class_only_is_an_error(kind: str) -> None:
    rows = world(50)
    with pytest.raises(FitError, match="both classes"):
        wish_of("ctr_models", kind)().fit(replace(rows, label=np.ones(50, np.float32)), TrainingContext(key=1))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_weight_zero_have_no_effect(kind: str) -> None:
    lies = world(800, seed=4)
    lies = replace(lies, label=1 - lies.label, weight=np.zeros(800, np.float32))
    from leaven.datasets.samples import concat_samples

    wish = build_config(kind)
    model = wish.fit(concat_samples([world(), lies]), TrainingContext(key=3))
    assert auc(model, world(600, seed=1)) > 0.7


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "popularity"])
def test_a_missing_column_is_named(kind: str) -> None:
    rows = Samples.from_lists({"item_event_30d": [1.0], "noise": [0.0], "shop": ["a"]}, label=[1])
    with pytest.raises(DataError, match="item_events_30d"):
        fitted(kind).predict(rows)


@pytest.mark.parametrize("kind", ["mlp", "logistic", "boosting"])
def test_constant_and_empty_columns_are_dropped_and_listed(kind: str) -> None:
    rows = world(300)
    odd = replace(
        rows,
        numeric=(*rows.numeric, "constant", "nothing"),
        numbers=np.column_stack([rows.numbers, np.ones(300), np.full(300, np.nan)]),
    )
    model = build_config(kind).fit(odd, TrainingContext(key=3))
    assert model.encoding.dropped_columns == {"constant": "constant", "nothing": "all missing"}
    assert np.isfinite(model.predict(odd)).all()


@pytest.mark.parametrize("kind", ["mlp", "logistic", "boosting"])
def test_a_soft_label_counts_as_two_rows_that_share_its_weight(kind: str) -> None:
    rows = world(400)
    soft = replace(rows, label=np.where(rows.label > 0.5, 0.9, 0.1).astype(np.float32))
    model = build_config(kind).fit(soft, TrainingContext(key=3))
    assert auc(model, world(600, seed=1)) > 0.72
    assert abs(model.predict(world(600, seed=1)).mean() - soft.label.mean()) < 0.08


class Watcher:
    """Keeps what it is shown, and stops at the third look."""

    def __init__(self) -> None:
        self.validation_rows, self.seen = world(60, seed=7), list[np.ndarray]()

    def on_validation(self, step: int, progress: float, losses: np.ndarray) -> str:
        self.seen.append(losses)
        return "stop" if len(self.seen) == 3 else "fresh rows"

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None:
        raise AssertionError("nothing was interrupted")


@pytest.mark.parametrize("kind", KINDS)
def test_a_callback_gets_one_loss_per_row_and_can_stop_training(kind: str) -> None:
    wish, watcher = build_config(kind), Watcher()
    model = wish.fit(world(), TrainingContext(key=3, callback=watcher))
    if wish.steps(world()) is None:
        assert not watcher.seen
        return
    assert [len(one) for one in watcher.seen] == [60, 60, 60]
    chance, label = model.predict(watcher.validation_rows), watcher.validation_rows.label.astype(float)
    np.testing.assert_allclose(watcher.seen[-1], -np.log(np.where(label > 0.5, chance, 1 - chance)), rtol=1e-4)
