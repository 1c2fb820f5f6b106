"""Batches: every target once, padding distinct from masks, similar lengths."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.nn.sequence_packing import build_training_segments
from leaven.pytorch.batch import (
    IGNORED,
    PADDING,
    build_batch,
    build_sample,
    collate,
    cut_batches,
    iterate_input_batches,
    split_batch,
)

ROWS = st.lists(st.lists(st.integers(1, 10), min_size=1, max_size=12), min_size=1, max_size=9).filter(
    lambda rows: any(len(row) > 1 for row in rows)
)
PADS = st.sampled_from(["right", "left"])


def equal(one, other) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_batch_by_hand_with_a_mask_a_weight_and_a_single_target() -> None:
    rows = Histories.from_lists([[1, 2, 4, 3], [3, 1], [2, 2, 1]], n_items=3)  # 4 is the mask
    rows.weight[1], rows.n_targets[2] = 0.5, 1
    made = build_batch(build_training_segments(rows, 50))
    assert made.items.tolist() == [[1, 2, 4], [3, 0, 0], [2, 2, 0]]
    assert made.targets.tolist() == [[2, -100, 3], [1, -100, -100], [-100, 1, -100]]
    assert made.weights.tolist() == [[1, 0, 1], [0.5, 0, 0], [0, 1, 0]]
    assert made.lengths.tolist() == [3, 1, 2]
    assert made.total_weight == 2 + 0.5 + 1
    left = build_batch(build_training_segments(rows, 50), "left")
    assert left.items.tolist() == [[1, 2, 4], [0, 0, 3], [0, 2, 2]]
    assert left.targets.tolist() == [[2, -100, 3], [-100, -100, 1], [-100, -100, 1]]


@given(ROWS, PADS, st.integers(1, 8))
def test_samples_put_together_one_by_one_are_the_batch(rows, pad, max_length) -> None:
    stretches = build_training_segments(Histories.from_lists(rows, n_items=9), max_length)  # 10 is the mask
    together = build_batch(stretches, pad)
    assert equal(collate([build_sample(stretches, nth) for nth in range(len(stretches))], pad), together)
    assert together.items.shape[1] <= max_length
    assert ((together.items == PADDING).sum(1) == together.items.shape[1] - together.lengths).all()
    assert (together.targets[together.items == PADDING] == IGNORED).all()
    assert ((together.weights > 0) == (together.targets != IGNORED)).all()
    learned = together.targets[together.targets != IGNORED]
    assert sorted(learned.tolist()) == sorted(item for row in rows for item in row[1:] if item <= 9)


@given(ROWS, PADS, st.integers(1, 5))
def test_the_shares_of_several_processes_are_the_batch_of_one(rows, pad, world) -> None:
    whole = build_batch(build_training_segments(Histories.from_lists(rows, n_items=9), 50), pad)
    shares = [split_batch(whole, rank, world, pad) for rank in range(world)]
    assert all(share.total_weight == whole.total_weight for share in shares)
    assert sum(float(share.weights.sum()) for share in shares) == float(whole.total_weight)
    for rank, share in enumerate(shares):
        wanted = [(whole.items[row], whole.targets[row]) for row in range(rank, len(whole.items), world)]
        assert len(share.items) == max(len(wanted), 1)
        for row, (items, targets) in enumerate(wanted):
            assert share.items[row][share.items[row] > 0].tolist() == items[items > 0].tolist()
            assert share.targets[row][share.items[row] > 0].tolist() == targets[items > 0].tolist()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(1, 20), st.integers(0, 9))
def test_batches_hold_every_sample_once(lengths, rows, key) -> None:
    batches = cut_batches(np.array(lengths), rows, key)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert sorted(map(len, batches))[1:] == [rows] * (len(batches) - 1)


def test_batches_of_like_length_leave_few_places_empty() -> None:
    lengths = np.random.default_rng(1).geometric(0.1, 2000)
    filled = [lengths[batch].sum() / (len(batch) * lengths[batch].max()) for batch in cut_batches(lengths, 20, key=1)]
    unsorted = [part.sum() / (len(part) * part.max()) for part in np.split(lengths, 100)]
    assert np.mean(filled) > 0.85 > 2 * np.mean(unsorted)


def test_known_batches_ask_what_comes_after_the_last_event() -> None:
    rows = Histories.from_lists([[1, 2, 3], [3], [2, 1]], n_items=3)
    first, second = iterate_input_batches(rows, rows=2, max_length=2)
    assert first.items.tolist() == [[2, 3], [3, 0]]
    assert second.items.tolist() == [[2, 1]]
    assert (first.targets == IGNORED).all()
    assert first.lengths.tolist() == [2, 1]
    assert first.to("cpu").items.tolist() == first.items.tolist()


def test_an_unknown_end_to_pad_is_answered() -> None:
    with pytest.raises(SpecError, match="'right' or 'left'"):
        next(iterate_input_batches(Histories.from_lists([[1, 2]], n_items=2), pad="middle"))  # type: ignore[arg-type]
