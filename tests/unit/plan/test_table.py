"""Labelled tables made bigger, with lineage."""

import numpy as np
import pytest

from leaven.data.samples import Samples
from leaven.dosage.strategy import Random, Uniform
from leaven.errors import SpecError
from leaven.generators.table.marginals import Marginals
from leaven.plan.table import TableStep, expand_table
from leaven.transforms.table.numbers import NumericNoise
from leaven.transforms.table.rows import RowMixup


def world(rows: int = 200) -> Samples:
    draw = np.random.default_rng(0)
    price = draw.random(rows) * 0.5
    columns = {"price": price.tolist(), "kind": draw.choice(["a", "b"], rows).tolist()}
    return Samples.of(columns, label=(price > 0.25).astype(float).tolist())


def test_real_rows_first_then_the_rows_of_each_step_with_their_lineage() -> None:
    real = world()
    steps = [TableStep(copies=Uniform(1.5)), TableStep(NumericNoise(), copies=Random(0.5)), TableStep(Marginals())]
    made = expand_table(real, steps, key=1)
    assert np.bincount(made.rows.origin).tolist() == [200, 300, 100, 200]
    assert np.array_equal(made.rows.keys[:200], real.keys)
    for origin in (1, 2):
        new = made.rows.take(made.rows.origin == origin)
        assert set(new.parents) <= set(real.keys)
    assert not made.rows.parents[made.rows.origin == 3].any()
    assert made.rows.weight[made.rows.origin == 3].tolist() == [0.5] * 200
    assert len(np.unique(made.rows.keys)) == len(made.rows)
    parent = {key: row for row, key in enumerate(real.keys)}
    repeats = made.rows.take(made.rows.origin == 1)
    assert np.array_equal(repeats.numbers, real.numbers[[parent[key] for key in repeats.parents]])


def test_rows_that_break_a_rule_are_refused_and_counted() -> None:
    noise = NumericNoise(alpha=2.0, bounded=False)
    free = expand_table(world(), [TableStep(noise)], key=1)
    ruled = expand_table(world(), [TableStep(noise, rules=("price > 0", "kind is known"))], key=1)
    below = int((free.rows.number("price") <= 0).sum())
    assert below > 20
    assert ruled.facts == [
        {"step": "numeric noise", "tried": 200, "made": 200 - below, "refused": {"price > 0": below}}
    ]
    assert (ruled.rows.number("price") > 0).all()


def test_rows_changed_in_place_keep_their_number_and_a_bad_change_is_undone() -> None:
    noise = NumericNoise(alpha=2.0, bounded=False)
    made = expand_table(world(), [TableStep(noise, mode="replace", p=0.5, rules=("price > 0",))], key=1)
    changed = made.rows.number("price") != world().number("price")
    assert len(made.rows) == 200
    assert 60 < changed.sum() < 100
    assert (made.rows.number("price") > 0).all()
    assert np.array_equal(changed, made.rows.origin == 1)


def test_steps_of_each_epoch_give_fresh_rows_that_can_be_had_again() -> None:
    made = expand_table(world(), [TableStep(RowMixup(), mode="replace", when="each_epoch")], key=1)
    assert np.array_equal(made.rows.numbers, world().numbers)
    assert made.refresh is not None
    first, second, again = made.refresh(0, 0.0), made.refresh(1, 0.5), made.refresh(0, 0.0)
    assert not np.array_equal(first.numbers, second.numbers)
    assert np.array_equal(first.numbers, again.numbers)
    assert ((first.label > 0) & (first.label < 1)).any()


def test_a_step_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(SpecError, match="generated rows join"):
        TableStep(Marginals(), mode="replace")
    with pytest.raises(SpecError, match="price"):
        expand_table(world(), [TableStep(NumericNoise(), rules=("pricee > 0",))])
