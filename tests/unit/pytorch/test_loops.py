"""External training loops: the same bytes for any workers and processes, fresh epochs, exact resuming."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.utils.data import DataLoader

import leaven
from leaven.augmentation import Plan, Step
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.pytorch import HistoriesDataset, HistoriesLoader, HistoriesStream, collate
from leaven.schedules.progress_schedules import Linear
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop, Mask

ROOT = Path(__file__).parents[3]
PLAN = Plan(
    [
        Step(Drop()),
        Step(Crop(), mode="in_place", when="each_epoch", p=0.7),
        Step(Mask(), when="each_epoch", weight=0.25),
    ]
)


def world(users: int = 90) -> Histories:
    chance = np.random.default_rng(5)
    rows = [chance.integers(1, 31, length).tolist() for length in chance.integers(1, 25, users)]
    return Histories.from_lists(rows, n_items=30, row_ids=list(range(1000, 1000 + users)))


def data(**fields) -> HistoriesDataset:
    return HistoriesDataset(world(), PLAN, seed=7, **fields)


def told(batch) -> list:
    return [part.tolist() for part in batch]


def epoch_of(loader, epoch: int) -> list:
    loader.set_epoch(epoch)
    return [told(batch) for batch in loader]


@pytest.fixture(scope="module")
def alone() -> list[list]:
    loader = HistoriesLoader(HistoriesStream(data(), rows=16))
    return [epoch_of(loader, epoch) for epoch in range(3)]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_live_on_give_the_bytes_of_none_in_every_epoch(alone, workers) -> None:
    loader = HistoriesLoader(HistoriesStream(data(), rows=16), workers=workers)
    assert [epoch_of(loader, epoch) for epoch in range(3)] == alone


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_map_style_gives_the_same_batches_under_any_workers(workers) -> None:
    rows = data()
    loader = DataLoader(rows, 16, collate_fn=collate, num_workers=workers, persistent_workers=workers > 0)
    for epoch in (0, 1):
        rows.set_epoch(epoch)
        plain = data()
        plain.set_epoch(epoch)
        wanted = [collate([plain[nth] for nth in range(low, min(low + 16, len(plain)))]) for low in (0, 16, 32)]
        assert [told(batch) for batch in loader][:3] == [told(batch) for batch in wanted]


def test_an_epoch_holds_the_rows_of_the_plan_each_target_once() -> None:
    rows = data()
    made = rows._rows(2, 0.0)
    rows.set_epoch(2)
    samples = [rows[nth] for nth in range(len(rows))]
    found = sorted(one.items.tolist() for one in samples)
    assert found == sorted(made.row_items(row).tolist()[:-1] for row in range(len(made)) if made.lengths[row] > 1)
    assert {one.weight for one in samples} == {1.0, 0.25}
    assert any(rows.mask_id in one.items.tolist() for one in samples)
    assert max(int(one.items.max()) for one in samples) < rows.n_ids


def test_epochs_differ_in_rows_and_in_order_and_come_again_as_they_were(alone) -> None:
    rows = data()
    assert len({json.dumps(epoch) for epoch in alone}) == 3
    still = HistoriesDataset(world(), None, seed=7)
    orders = []
    for epoch in (0, 1, 0):
        still.set_epoch(epoch)
        orders.append([still[nth].row_id for nth in range(len(still))])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert epoch_of(HistoriesLoader(HistoriesStream(rows, rows=16)), 1) == alone[1]


def test_the_order_follows_from_keys_not_from_the_order_of_the_rows() -> None:
    turned = HistoriesDataset(world().take(np.arange(90)[::-1]), PLAN, seed=7)
    one = [(s.row_id, s.items.tolist()) for s in map(data().__getitem__, range(len(turned)))]
    assert one == [(s.row_id, s.items.tolist()) for s in map(turned.__getitem__, range(len(turned)))]
    other = HistoriesDataset(world(), PLAN, seed=8)
    assert one != [(s.row_id, s.items.tolist()) for s in map(other.__getitem__, range(len(other)))]


@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 2)])
def test_a_loop_that_was_stopped_in_mid_epoch_resumes_with_the_next_batch(alone, before, after) -> None:
    loader = HistoriesLoader(HistoriesStream(data(), rows=16), workers=before)
    epoch_of(loader, 0)
    loader.set_epoch(1)
    seen = [told(batch) for batch, _ in zip(loader, range(4), strict=False)]
    kept = json.loads(json.dumps(loader.state_dict()))
    assert seen == alone[1][:4]
    again = HistoriesLoader(HistoriesStream(data(), rows=16), workers=after)
    again.load_state_dict(kept)
    assert again.state_dict() == kept
    assert again.epoch == 1
    assert epoch_of(again, 1) == alone[1][kept["done"] :]
    assert epoch_of(again, 2) == alone[2]
    assert epoch_of(again, 2) == alone[2]


def test_a_loop_that_was_stopped_at_the_end_of_an_epoch_has_nothing_left_of_it(alone) -> None:
    loader = HistoriesLoader(HistoriesStream(data(), rows=16))
    assert epoch_of(loader, 1) == alone[1]
    assert loader.state_dict()["done"] == len(loader) == len(alone[1])
    again = HistoriesLoader(HistoriesStream(data(), rows=16))
    again.load_state_dict(loader.state_dict())
    assert list(again) == []


def test_a_state_of_other_data_or_batches_is_refused() -> None:
    state = HistoriesLoader(HistoriesStream(data(), rows=16)).state_dict()
    with pytest.raises(DataError, match="batches of 8 rows"):
        HistoriesLoader(HistoriesStream(data(), rows=8)).load_state_dict(state)
    with pytest.raises(DataError, match="that of another"):
        HistoriesDataset(world(), PLAN, seed=8).load_state_dict(state)
    with pytest.raises(DataError, match="that of another"):
        HistoriesDataset(world(), None, seed=7).load_state_dict(state)


def test_a_schedule_follows_the_epochs_and_raises_without_their_number() -> None:
    plan = Plan([Step(Mask(share_range=(1.0, 1.0)), mode="in_place", when="each_epoch", strength=Linear(0.0, 1.0))])
    rows = HistoriesDataset(world(), plan, seed=7, epochs=4)
    masks = []
    for epoch in range(5):
        rows.set_epoch(epoch)
        masks.append(sum(int((rows[nth].items == rows.mask_id).sum()) for nth in range(len(rows))))
    assert masks[0] == 0
    assert masks == sorted(set(masks))
    unknowing = HistoriesDataset(world(), plan, seed=7)
    unknowing.set_epoch(3, progress=0.5)
    with pytest.raises(SpecError, match="a progress"):
        unknowing.set_epoch(4)


def test_what_cannot_be_used_is_answered() -> None:
    with pytest.raises(DataError, match="something to predict"):
        len(HistoriesDataset(Histories.from_lists([[1], [2]], n_items=2)))
    with pytest.raises(SpecError, match="max_length"):
        HistoriesDataset(world(), max_length=0)
    with pytest.raises(SpecError, match="a rank below the world"):
        HistoriesStream(data(), shard=(2, 2))
    with pytest.raises(SpecError, match=r"HistoriesStream\.rows"):
        HistoriesStream(data(), rows=0)
    with pytest.raises(IndexError):
        data()[10_000]


def test_a_users_own_operator_works_in_workers_too() -> None:
    def turned(items, times, generator):
        return items[generator.permutation(len(items))], times

    plan = Plan([Step(leaven.make_row_transform(turned), mode="in_place", when="each_epoch")])
    found = []
    for workers in (0, 2):
        stream = HistoriesStream(HistoriesDataset(world(40), plan, seed=7), rows=16)
        found.append(epoch_of(HistoriesLoader(stream, workers), 1))
    assert found[0] == found[1]


def test_the_module_is_a_word_of_leaven_and_does_not_hide_the_library() -> None:
    assert leaven.pytorch.HistoriesDataset is HistoriesDataset
    assert torch.__name__ == "torch"
    assert "pytorch" in dir(leaven)


def step_of(stream: HistoriesStream, processes: int) -> list:
    """Every batch, and the gradient of each after averaging over processes."""
    weights = nn.Parameter(torch.linspace(-1, 1, 32 * 32, dtype=torch.float64).view(32, 32))
    found = []
    for batch in HistoriesLoader(stream):
        losses = nn.functional.cross_entropy(weights[batch.items].mT, batch.targets, reduction="none")
        loss = (batch.weights * losses).sum() / batch.total_weight * processes
        (gradient,) = torch.autograd.grad(loss, weights)
        if processes > 1:
            distributed.all_reduce(gradient)
            gradient /= processes
        found.append((batch.row_ids.tolist(), batch.items.tolist(), batch.targets.tolist(), gradient.tolist()))
    return found


def test_a_conditional_plan_is_rejected_and_one_with_stages_needs_a_progress() -> None:
    step = Step(Crop(), when="each_epoch")
    with pytest.raises(SpecError, match="without a controller"):
        HistoriesDataset(world(), Plan([step], "conditional"))
    staged = HistoriesDataset(world(), Plan([replace(step, during=(0.0, 0.5))]))
    with pytest.raises(SpecError, match="a progress"):
        staged.set_epoch(3)


@pytest.mark.slow
def test_two_gloo_processes_see_their_shares_of_the_batches_of_one_and_take_its_steps(tmp_path) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, __file__, str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    alone = json.loads(json.dumps(step_of(HistoriesStream(data(), rows=15), 1)))
    assert len(first) == len(second) == len(alone)
    for one, other, whole in zip(first, second, alone, strict=True):
        for column in (0, 1, 2):
            shares = [[_bare(row) for row in part[column]] for part in (one, other)]
            assert shares == [[_bare(row) for row in whole[column][rank::2]] for rank in (0, 1)]
        assert one[3] == other[3]
        np.testing.assert_allclose(one[3], whole[3], rtol=1e-6, atol=1e-9)


def _bare(row):
    """A row without its empty places at the end; a key as it is."""
    if isinstance(row, int):
        return row
    while row and row[-1] in (0, -100):
        row = row[:-1]
    return row


if __name__ == "__main__":
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    stream = HistoriesStream(data(), rows=15)
    (Path(sys.argv[1]) / f"{rank}.json").write_text(json.dumps(step_of(stream, 2)))
    distributed.destroy_process_group()
