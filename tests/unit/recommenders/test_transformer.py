"""Tests of the transformer recommender."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from leaven.datasets.histories import HeldOut, Histories, concat_histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import TrainingContext
from leaven.recommenders.transformer import Transformer

N_ITEMS = 20
SMALL = Transformer(
    width=16, layers=1, heads=1, dropout=0.1, negatives=16, device="cpu", n_validations=4, learning_rate=1e-2
)
LOSSES = ["shared_negatives", "full", "binary"]


def cycle(users: int = 200, step: int = 1, key: int = 1) -> Histories:
    """Item i is followed by i + step, around."""
    chance = np.random.default_rng(key)
    begin, lengths = chance.integers(0, N_ITEMS, users), chance.integers(2, 9, users)
    return Histories.from_lists(
        [((b + step * np.arange(n)) % N_ITEMS + 1).tolist() for b, n in zip(begin, lengths, strict=True)], N_ITEMS
    )


def right(fitted, step: int = 1) -> float:
    """Share of histories whose next item heads the list."""
    known = cycle(100, step, key=9)
    first = fitted.recommend(known, 3).items[:, 0]
    return float((first == (known.items[known.starts[1:] - 1] - 1 + step) % N_ITEMS + 1).mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_training_learns_transitions(loss) -> None:
    fitted = replace(SMALL, loss=loss).fit(cycle(), TrainingContext(key=1, steps=200))
    assert right(fitted) > 0.95
    assert fitted.facts["steps"] == 200
    assert fitted.curve[-1]["loss"] < fitted.curve[0]["loss"]


@pytest.mark.parametrize("contrast", [0.0, 0.1])
def test_training_works_in_half_precision(contrast) -> None:
    fitted = replace(SMALL, precision="bf16-mixed", contrastive_weight=contrast).fit(
        cycle(), TrainingContext(key=1, steps=200)
    )
    assert right(fitted) > 0.95
    assert {tensor.dtype for tensor in fitted.network.parameters()} == {torch.float32}


def test_rows_of_low_weight_have_little_effect() -> None:
    both = [cycle(200, 1), cycle(200, 2)]
    rows = Histories.from_lists([part.row_items(i).tolist() for part in both for i in range(200)], N_ITEMS)
    rows.weight[200:] = 0.1
    fitted = SMALL.fit(rows, TrainingContext(key=1, steps=200))
    assert right(fitted, 1) > 0.9
    rows.weight[:] = np.where(rows.weight == 1, 0.1, 1.0)
    assert right(SMALL.fit(rows, TrainingContext(key=1, steps=200)), 2) > 0.9


def test_training_uses_the_rows_of_each_epoch() -> None:
    asked = []

    def refresh(epoch: int, progress: float) -> Histories:
        asked.append((epoch, progress))
        return cycle(200, step=3, key=epoch)

    fitted = SMALL.fit(cycle(), TrainingContext(key=1, steps=200, rows_for_epoch=refresh))
    assert right(fitted, 3) > 0.95
    assert [epoch for epoch, _ in asked] == list(range(len(asked)))
    assert asked[0][1] == 0.0
    assert asked[-1][1] < 1.0


def held_out(rows: Histories) -> HeldOut:
    coming = (rows.items[rows.starts[1:] - 1] % N_ITEMS + 1).astype(np.int32)
    return HeldOut(rows, coming, np.zeros(len(rows), np.int64), np.arange(len(rows) + 1))


def test_a_validation_plateau_stops_training() -> None:
    wish = replace(SMALL, n_validations=20, patience=3, epochs=400)
    fitted = wish.fit(cycle(), TrainingContext(key=1, validation=held_out(cycle(50, key=4))))
    assert fitted.facts["stopped"] == "no improvement in 3 validations"
    assert fitted.facts["steps"] < wish.steps(cycle())
    assert max(record["valid_ndcg"] for record in fitted.curve) > 0.9
    forced = wish.fit(cycle(), TrainingContext(key=1, steps=120, validation=held_out(cycle(50, key=4))))
    assert forced.facts["steps"] == 120


def test_interrupted_training_resumes_to_identical_bytes(tmp_path) -> None:
    class Killed(Exception):
        pass

    def kill(done: int, total: int, words: str) -> None:
        if done >= 60:
            raise Killed

    asked = TrainingContext(key=3, steps=80, validation=held_out(cycle(50)), checkpoint_folder=tmp_path / "state")
    with pytest.raises(Killed):
        SMALL.fit(cycle(), replace(asked, on_progress=kill))
    SMALL.fit(cycle(), asked).save(tmp_path / "again")
    SMALL.fit(cycle(), replace(asked, checkpoint_folder=None)).save(tmp_path / "whole")
    name = "transformer.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_save_and_load_change_nothing(tmp_path) -> None:
    fitted = SMALL.fit(cycle(), TrainingContext(key=1, steps=20))
    fitted.save(tmp_path / "new" / "folder")
    loaded = Transformer.load(tmp_path / "new" / "folder")
    one, other = fitted.recommend(cycle(), 5), loaded.recommend(cycle(), 5)
    assert one.items.tolist() == other.items.tolist()
    assert one.scores.tolist() == other.scores.tolist()
    assert loaded.config == SMALL
    assert loaded.curve == fitted.curve
    assert loaded.facts == fitted.facts
    with pytest.raises(DataError, match="a file of weights"):
        Transformer.load(tmp_path)


def test_the_mask_is_an_input_but_never_recommended() -> None:
    rows = cycle()
    chance = np.random.default_rng(2).random(rows.n_events) < 0.2
    masked = replace(rows, items=np.where(chance, rows.mask_id, rows.items).astype(np.int32))
    listed = SMALL.fit(masked, TrainingContext(key=1, steps=30)).recommend(masked, N_ITEMS, allow_repeats=True).items
    assert listed.min() == 1
    assert listed.max() == N_ITEMS


def test_other_keys_give_other_weights_without_side_effects() -> None:
    rows = cycle()
    for column in (rows.items, rows.times, rows.starts, rows.weight, rows.n_targets):
        column.setflags(write=False)
    before = torch.random.get_rng_state()
    scores = [SMALL.fit(rows, TrainingContext(key=key, steps=5)).recommend(rows, 3).scores for key in (1, 1, 2)]
    assert scores[0].tolist() == scores[1].tolist()
    assert scores[0].tolist() != scores[2].tolist()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_steps_follow_the_number_of_targets_within_bounds() -> None:
    small, large = cycle(10), cycle(3000)
    assert SMALL.steps(small) == 300
    assert SMALL.steps(large) > 1000
    assert replace(SMALL, epochs=1e9).steps(large) == 40_000


def test_invalid_configs_and_rows_raise_errors() -> None:
    with pytest.raises(SpecError, match=r"transformer\.width: expected a multiple of heads = 3"):
        Transformer(width=64, heads=3)
    with pytest.raises(SpecError, match=r"transformer\.loss"):
        Transformer(loss="hinge")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"transformer\.dropout"):
        Transformer(dropout=1.0)
    with pytest.raises(SpecError, match="device"):
        replace(SMALL, device="cuda:7").fit(cycle(), TrainingContext(key=1, steps=1))
    with pytest.raises(FitError, match="something to predict"):
        SMALL.fit(Histories.from_lists([[1], [2]], N_ITEMS), TrainingContext(key=1))
    fitted = SMALL.fit(cycle(), TrainingContext(key=1, steps=2))
    with pytest.raises(DataError, match="a catalog of 20 items"):
        fitted.recommend(Histories.from_lists([[1]], 21), 1)


def test_a_small_catalog_uses_the_full_softmax() -> None:
    fitted = [
        replace(SMALL, loss=loss, negatives=20).fit(cycle(), TrainingContext(key=1, steps=20)) for loss in LOSSES[:2]
    ]
    scores = [one.recommend(cycle(), 3).scores.tolist() for one in fitted]
    assert scores[0] == scores[1]


def test_dropout_depends_on_real_targets_per_item() -> None:
    rare = Histories.from_lists([[1, 2, 3]], n_items=1000)
    often = Histories.from_lists([list(range(1, 6)) * 21] * 4, n_items=5)
    assert Transformer().choose_dropout(rare) == 0.5
    assert Transformer().choose_dropout(often) == pytest.approx(0.2)
    assert Transformer(dropout=0.3).choose_dropout(often) == 0.3
    doubled = concat_histories([often, replace(often, origin=np.ones(4, np.int16))])
    assert Transformer().choose_dropout(doubled) == Transformer().choose_dropout(often)
