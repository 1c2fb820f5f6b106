"""Expanded rows: order, lineage, and the same bytes for any engine, shards and interruptions."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from leaven.augmentation import Plan, Step, build_epoch_rows, expand, load_expansion, preview_plan, write_expansion
from leaven.augmentation import expansion as expansion_module
from leaven.augmentation.expansion import ExpansionWriter
from leaven.datasets.histories import Histories
from leaven.engines.local import Local
from leaven.errors import GateError
from leaven.filters.surprisal import Surprisal
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.sequence.markov import Markov
from leaven.simulator import Simulator
from leaven.strategies.copy_counts import Uniform
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Mask
from leaven.transforms.sequence.resampling import Repeat
from leaven.transforms.sequence.windows import Windows

PLAN = Plan([Step(Crop(), copies=Uniform(2)), Mask(), Markov()])


@pytest.fixture(scope="module")
def train() -> Histories:
    world = Simulator(users=120, items=80, days=120, seed=3).build_world()
    return replace(world.histories, catalog=world.catalog())


def same(one: Histories, other: Histories) -> bool:
    names = ("items", "times", "starts", "row_ids", "parents", "origin", "weight", "n_targets")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_real_rows_come_first_and_are_unchanged(train) -> None:
    bigger = expand(train, PLAN, seed=7).validate()
    assert same(bigger.slice(0, len(train)), train)
    assert np.bincount(bigger.origin).tolist() == [120, 240, 120, 120]


def test_every_new_row_has_a_unique_id_and_a_parent(train) -> None:
    bigger = expand(train, PLAN, seed=7)
    assert len(np.unique(bigger.row_ids)) == len(bigger)
    changed = np.isin(bigger.origin, [1, 2])
    assert np.isin(bigger.parents[changed], train.row_ids).all()
    assert (bigger.parents[bigger.origin == 3] == 0).all()
    assert np.unique(bigger.weight[bigger.origin == 3]).tolist() == [0.5]


def test_the_parent_of_a_row_from_a_synthetic_row_is_the_real_one(train) -> None:
    bigger = expand(train, Plan([Crop(), Mask()], "layered"), seed=7)
    assert np.bincount(bigger.origin).tolist() == [120, 120, 240]
    assert np.isin(bigger.parents, train.row_ids).all()


def test_windows_of_one_row_have_different_ids(train) -> None:
    bigger = expand(train, Plan([Step(Windows(), copies=Uniform(2))]), seed=7)
    assert len(np.unique(bigger.row_ids)) == len(bigger)
    one_copy = sum(max(1, int(length) - 1) for length in train.lengths)
    assert (bigger.origin == 1).sum() == 2 * one_copy


def test_another_seed_makes_other_rows_and_the_same_seed_the_same(train) -> None:
    assert same(expand(train, PLAN, seed=7), expand(train, PLAN, seed=7))
    assert not same(expand(train, PLAN, seed=7), expand(train, PLAN, seed=8))


def test_rows_of_a_step_do_not_depend_on_other_steps(train) -> None:
    alone, beside = expand(train, Plan([Mask()]), seed=7), expand(train, PLAN, seed=7)
    one, other = alone.take(alone.origin == 1), beside.take(beside.origin == 2)
    assert same(one, replace(other, origin=one.origin))


def digest(folder) -> str:
    files = sorted(folder.glob("*.parquet"))
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


def test_the_bytes_are_the_same_for_any_number_of_workers_and_shards(train, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(expansion_module, "BLOCK_ROWS", 16)
    digests = set()
    for shards in (1, 7, 64):
        write_expansion(train, PLAN, tmp_path / str(shards), seed=7, shards=shards)
        digests.add(digest(tmp_path / str(shards)))
    assert len(digests) == 1
    in_memory = expand(train, PLAN, seed=7, shards=5)
    assert same(in_memory, write_expansion(train, PLAN, tmp_path / "7", seed=7).rows())


@pytest.mark.parametrize("workers", [2, 4])
def test_worker_processes_write_the_bytes_of_a_plain_loop(train, tmp_path, workers) -> None:
    plain, parallel = tmp_path / "plain", tmp_path / "parallel"
    write_expansion(train, PLAN, plain, seed=7)
    write_expansion(train, PLAN, parallel, seed=7, engine=Local(workers=workers), shards=workers)
    assert digest(plain) == digest(parallel)


def test_blocks_written_before_an_interruption_are_reused_and_the_rest_is_equal(train, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(expansion_module, "BLOCK_ROWS", 32)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    write_expansion(train, PLAN, whole, seed=7)
    write_expansion(train, PLAN, cut, seed=7)
    kept = cut / "01-crop-00000.parquet"
    before = kept.stat().st_mtime_ns
    for path in [*cut.glob("01-crop-00002.*"), *cut.glob("02-*"), cut / "03-markov-00001.parquet"]:
        path.unlink()
    (cut / "03-markov-00001.parquet.part").write_bytes(b"cut off in the middle")
    facts = write_expansion(train, PLAN, cut, seed=7).steps
    assert digest(cut) == digest(whole)
    assert kept.stat().st_mtime_ns == before
    assert [fact.synthetic for fact in facts] == [240, 120, 120]


def test_the_rows_do_not_depend_on_the_order_of_the_users(train) -> None:
    turned = train.take(np.arange(len(train))[::-1])
    one, other = expand(train, Plan([Crop()]), seed=7), expand(turned, Plan([Crop()]), seed=7)
    assert same(one.take(np.argsort(one.row_ids)), other.take(np.argsort(other.row_ids)))


def test_facts_count_unchanged_rows_by_reason() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4, 5, 6], [2, 3], [4]], n_items=6)
    facts = write_facts(rows, Plan([Crop(keep_range=(0.5, 0.5))]))
    assert facts.synthetic == 3
    assert sum(facts.unchanged.values()) == 2
    assert list(facts.unchanged) == ["shorter than 3 events"]


def write_facts(rows: Histories, plan: Plan):
    return ExpansionWriter(rows, plan, 7).run().steps[0]


def test_a_step_that_leaves_too_many_rows_unchanged_stops_the_run() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4, 5, 6], [2, 3], [4]], n_items=6)
    with pytest.raises(GateError, match="67%"):
        expand(rows, Plan([Step(Crop(), fail_if_unchanged_over=0.5)]), seed=7)


@pytest.mark.parametrize("when", ["once", "each_epoch", "each_round"])
def test_filters_that_reject_every_row_raise_with_the_reasons(train, when) -> None:
    step = Step(Markov(), when=when, filters=(Surprisal(band=(0.0, 1e-9)),))
    plan = Plan([step], rounds=2 if when == "each_round" else 1)

    def told() -> None:
        build_epoch_rows(train, expand(train, plan, seed=7), plan, seed=7).describe_steps()

    with pytest.raises(GateError, match=r"got none \(\d+ too surprising"):
        told()


def test_repeats_are_no_unchanged_rows() -> None:
    rows = Histories.from_lists([[1, 2], [3]], n_items=3)
    assert write_facts(rows, Plan([Repeat()])).unchanged == {}


def test_rows_of_an_epoch_follow_from_epoch_and_progress_alone(train) -> None:
    step = Step(Crop(), mode="in_place", when="each_epoch", p=0.5)
    epochs = build_epoch_rows(train, train, Plan([step]), seed=7)
    first, again, second = epochs(0, 0.0), epochs(0, 0.0), epochs(1, 0.0)
    assert same(first, again)
    assert not same(first, second)
    assert np.array_equal(first.row_ids, train.row_ids)
    assert 0.3 < (first.lengths < train.lengths).mean() < 0.6
    assert ((first.origin == 1) == (first.lengths < train.lengths)).all()


def test_each_training_draws_its_own_rows(train) -> None:
    plan = Plan([Step(Crop(), when="each_epoch")])
    one, other = (build_epoch_rows(train, train, plan, 7, draw)(0, 0.0) for draw in (1, 2))
    assert len(one) == 240
    assert not same(one, other)


def test_a_plan_without_steps_of_each_epoch_stands_still(train) -> None:
    assert build_epoch_rows(train, train, PLAN, 7).is_constant


def test_a_preview_shows_each_step_on_rows_of_the_catalogue(train) -> None:
    shown = preview_plan(PLAN, train, rows=9, seed=1)
    assert [one.step for one in shown] == ["crop"] * 3 + ["mask"] * 3 + ["markov"] * 3
    for one in shown[:3]:
        assert set(one.after) <= set(one.before)
        assert one.changed == []
    assert "[mask]" in shown[3].after
    assert all(place < len(one.after) for one in shown for place in one.changed)
    assert all(one.before == [] for one in shown[6:])


def test_what_was_written_is_loaded_back_equal(train, tmp_path) -> None:
    for name, plan in (("added", PLAN), ("replaced", Plan([Step(Crop(), mode="in_place", p=0.5), Mask()]))):
        rows = write_expansion(train, plan, tmp_path / name, seed=7).rows()
        assert same(load_expansion(tmp_path / name, plan, train), rows)


def test_a_generator_reports_the_progress_of_its_fit_under_the_name_of_its_step(train, tmp_path) -> None:
    heard: list[tuple[int, int, str]] = []
    plan = Plan([Step(Autoregressive(steps=3, width=8), name="writer")])
    write_expansion(train, plan, tmp_path, seed=7, on_progress=lambda *said: heard.append(said))
    learning = [(done, total) for done, total, words in heard if words.startswith("writer learns: training")]
    assert learning[-1] == (3, 3)
    assert (0, 0, "writer learns") in heard
