"""Expansion of labelled tables by plans, with lineage."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from leaven import registry
from leaven.augmentation import Plan, Step, build_epoch_rows, expand, load_expansion, preview_plan, write_expansion
from leaven.augmentation.step_fitting import NO_MATCH
from leaven.datasets.samples import Samples
from leaven.engines.local import Local
from leaven.errors import DataError, GateError, SpecError
from leaven.filters.rules import Rules
from leaven.generators.tabular.marginals import Marginals
from leaven.protocols import OperatorTraits
from leaven.schedules.progress_schedules import Linear
from leaven.strategies.class_balancing import BalancedRows
from leaven.strategies.copy_counts import Random, Uniform
from leaven.transforms.tabular.cell_noise import NumericNoise
from leaven.transforms.tabular.row_mixup import RepeatRows, RowMixup


def world(rows: int = 200) -> Samples:
    draw = np.random.default_rng(0)
    price = draw.random(rows) * 0.5
    columns = {"price": price.tolist(), "kind": draw.choice(["a", "b"], rows).tolist()}
    return Samples.from_lists(columns, label=(price > 0.4).astype(float).tolist())


def test_real_rows_first_then_the_rows_of_each_step_with_their_lineage() -> None:
    real = world()
    steps = [Step(RepeatRows(), copies=Uniform(1.5)), Step(NumericNoise(), copies=Random(0.5)), Step(Marginals())]
    rows = expand(real, Plan(steps), seed=1)
    assert np.bincount(rows.origin).tolist() == [200, 300, 100, 200]
    assert np.array_equal(rows.row_ids[:200], real.row_ids)
    for origin in (1, 2):
        assert set(rows.parents[rows.origin == origin]) <= set(real.row_ids)
    assert not rows.parents[rows.origin == 3].any()
    assert rows.weight[rows.origin == 3].tolist() == [0.5] * 200
    assert len(np.unique(rows.row_ids)) == len(rows)
    parent = {key: row for row, key in enumerate(real.row_ids)}
    repeats = rows.take(rows.origin == 1)
    assert np.array_equal(repeats.numbers, real.numbers[[parent[key] for key in repeats.parents]])


def test_rows_that_break_a_rule_are_refused_and_counted(tmp_path: Path) -> None:
    noise = NumericNoise(alpha=2.0, clip_to_range=False)
    free = expand(world(), Plan([Step(noise)]), seed=1)
    rules = Rules(("price > 0", "kind is known"))
    ruled = write_expansion(world(), Plan([Step(noise, filters=(rules,))]), tmp_path, seed=1)
    below = int((free.numeric_column("price") <= 0).sum())
    assert below > 20
    assert ruled.steps[0].tried == 200
    assert ruled.steps[0].synthetic == 200 - below
    assert ruled.steps[0].rejected == {"price > 0": below}
    assert (ruled.rows().numeric_column("price") > 0).all()


def test_rows_changed_in_place_keep_their_number_and_a_bad_change_is_undone_and_counted(tmp_path: Path) -> None:
    noise = NumericNoise(alpha=2.0, clip_to_range=False)
    step = Step(noise, mode="in_place", p=0.5, filters=(Rules(("price > 0",)),))
    made = write_expansion(world(), Plan([step]), tmp_path, seed=1)
    rows = made.rows()
    changed = rows.numeric_column("price") != world().numeric_column("price")
    refused = made.steps[0].rejected["price > 0"]
    assert len(rows) == 200
    assert made.steps[0].tried - refused == changed.sum()
    assert refused > 10
    assert (rows.numeric_column("price") > 0).all()
    assert np.array_equal(changed, rows.origin == 1)


def test_steps_of_each_epoch_give_fresh_rows_by_a_schedule_and_can_be_had_again() -> None:
    step = Step(RowMixup(), mode="in_place", when="each_epoch", strength=Linear(0.0, 1.0))
    epochs = build_epoch_rows(world(), world(), Plan([step]), seed=1)
    first, second, again = epochs(1, 1.0), epochs(2, 1.0), epochs(1, 1.0)
    assert np.array_equal(epochs(0, 0.0).numbers, world().numbers)
    assert not np.array_equal(first.numbers, second.numbers)
    assert np.array_equal(first.numbers, again.numbers)
    assert ((first.label > 0) & (first.label < 1)).any()


def test_a_strategy_evens_out_classes_and_a_generator_follows_it() -> None:
    real = world()
    rows = expand(real, Plan([Step(RepeatRows(), copies=BalancedRows())]), seed=1)
    assert rows.label.mean() == pytest.approx(0.5)
    made = expand(real, Plan([Step(Marginals(), copies=BalancedRows())]), seed=1)
    assert len(made) == len(rows)
    assert made.label[made.origin == 1].all()
    assert (made.numeric_column("price")[made.origin == 1] > 0.4).all()
    small = expand(real.take(np.arange(50)), Plan([Step(Marginals(), copies=BalancedRows())]), seed=1)
    assert small.label[small.origin == 1].all()


def test_rows_of_a_group_that_a_generator_never_makes_are_counted(tmp_path: Path) -> None:
    class OnlyNegatives:
        traits = OperatorTraits("only negatives", role="generator")

        def fit(self, train: Samples, key: int) -> object:
            return Marginals().fit(train.take(train.label < 0.5), key)

    made = write_expansion(world(), Plan([Step(OnlyNegatives(), copies=BalancedRows())]), tmp_path, seed=1)
    assert made.steps[0].synthetic == 0
    assert made.steps[0].rejected == {NO_MATCH: made.steps[0].tried}


def test_rare_categories_and_cold_items_get_more_copies() -> None:
    rows = Samples.from_lists({"item_category": ["a"] * 8 + ["b"] * 2, "item": [*"ppppppppqr"]}, label=[1, 0] * 5)
    assert BalancedRows("category")(rows, 1).tolist() == [0] * 8 + [3, 3]
    assert BalancedRows("cold", max_cold_rows=1, balance_share=0.5)(rows, 1).sum() == 3
    with pytest.raises(SpecError, match="item_category"):
        BalancedRows("category", column="item_categry")(rows, 1)


def test_a_layered_plan_reads_the_rows_of_earlier_steps() -> None:
    steps = [Step(RepeatRows()), Step(NumericNoise())]
    assert len(expand(world(), Plan(steps, combine="joint"), seed=1)) == 600
    assert len(expand(world(), Plan(steps, combine="layered"), seed=1)) == 800


def test_files_have_the_same_bytes_with_any_workers_and_read_back_equal(tmp_path: Path) -> None:
    steps = [Step(NumericNoise(), copies=Uniform(2)), Step(Marginals(), copies=BalancedRows())]
    real, digests = world(20_000), set()
    for name, workers in (("one", 1), ("two", 2)):
        write_expansion(real, Plan(steps), tmp_path / name, 7, Local(workers=workers), 4)
        files = sorted((tmp_path / name).glob("*.parquet"))
        digests.add(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())
    assert len(digests) == 1
    back, memory = load_expansion(tmp_path / "one", Plan(steps), real), expand(real, Plan(steps), 7)
    assert np.array_equal(back.numbers, memory.numbers)
    assert np.array_equal(back.codes, memory.codes)
    assert np.array_equal(back.row_ids, memory.row_ids)


def test_a_preview_shows_the_cells_that_changed_first() -> None:
    plan = Plan([Step(NumericNoise(alpha=1.0), mode="in_place"), Step(Marginals())])
    noise, made = preview_plan(plan, world(), rows=2, seed=3)
    assert noise.before[0].startswith("price 0.")
    assert noise.after[0] != noise.before[0]
    assert (noise.before[1:], list(noise.changed)) == (noise.after[1:], [0])
    assert not made.before
    assert [cell.split()[0] for cell in made.after] == ["price", "kind", "label"]


def test_a_step_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(SpecError, match="generated rows join"):
        Step(Marginals(), mode="in_place")
    with pytest.raises(SpecError, match="price"):
        expand(world(), Plan([Step(NumericNoise(), filters=(Rules(("pricee > 0",)),))]))
    with pytest.raises(GateError, match="unchanged"):
        expand(world(), Plan([Step(NumericNoise(alpha=0), fail_if_unchanged_over=0.5)]))


@pytest.mark.parametrize("kind", ["smote", "copula", "marginals", "vae"])
def test_infinite_numbers_are_an_error_that_names_the_column(kind: str) -> None:
    rows = Samples.from_lists({"price": [1.0, np.inf, 3.0, 4.0], "size": [1.0, 2.0, 3.0, 4.0]}, label=[1, 1, 0, 0])
    with pytest.raises(DataError, match="'price'"):
        registry.create_config("tabular_generators", kind).fit(rows, key=1)
