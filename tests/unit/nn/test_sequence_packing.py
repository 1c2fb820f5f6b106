"""Tests of training segments, batches and packing."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.datasets.histories import Histories
from leaven.nn import sequence_packing

ROWS = st.lists(st.lists(st.integers(1, 9), max_size=30), min_size=1, max_size=12)


def seen(rows: Histories, max_length: int) -> list[tuple[tuple[int, ...], int]]:
    """(inputs so far, target) of every target that a pack holds, read back from its arrays."""
    made = sequence_packing.pack_segments(sequence_packing.build_training_segments(rows, max_length))
    items, stretch, ages = (part.flatten() for part in (made.items, made.segments, made.steps_to_end))
    found = []
    for place, target in zip(made.output_indices.tolist(), made.targets.tolist(), strict=True):
        mine = (stretch == stretch[place]) & (ages >= ages[place])
        found.append((tuple(items[mine].tolist()), target))
    return sorted(found)


@settings(deadline=None)  # the first call compiles
@given(ROWS)
def test_every_target_is_predicted_once_from_all_earlier_events(rows) -> None:
    made = Histories.from_lists(rows, n_items=9)
    if made.n_targets.sum():
        wanted = [(tuple(row[:end]), row[end]) for row in rows for end in range(1, len(row))]
        assert seen(made, 50) == sorted(wanted)


@settings(deadline=None)
@given(ROWS, st.integers(1, 7))
def test_a_long_row_is_split_into_segments_without_losing_targets(rows, max_length) -> None:
    made = sequence_packing.build_training_segments(Histories.from_lists(rows, n_items=9), max_length)
    wanted = sorted((row, end) for row, items in enumerate(rows) for end in range(1, len(items)))
    starts = made.rows.starts
    found = []
    for first, length, targets in zip(made.first_inputs, made.lengths, made.n_targets, strict=True):
        assert 1 <= targets <= length <= max_length
        row = int(np.searchsorted(starts, first, side="right")) - 1
        found += [(row, int(first + i + 1 - starts[row])) for i in range(length - targets, length)]
    assert sorted(found) == wanted


def test_only_the_last_n_targets_events_of_a_row_are_targets() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4]], n_items=9)
    rows.n_targets[0] = 1
    assert seen(rows, 50) == [((1, 2, 3), 4)]


def test_a_masked_event_is_an_input_but_not_a_target() -> None:
    rows = Histories.from_lists([[1, 10, 3]], n_items=9)
    assert seen(rows, 50) == [((1, 10), 3)]


def test_targets_have_the_weight_of_their_row() -> None:
    rows = Histories.from_lists([[1, 2, 3], [4, 5]], n_items=9)
    rows.weight[1] = 0.5
    made = sequence_packing.pack_segments(sequence_packing.build_training_segments(rows, 50))
    assert dict(zip(made.targets.tolist(), made.weight.tolist(), strict=True)) == {2: 1.0, 3: 1.0, 5: 0.5}


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_packed_segments_do_not_overlap(lengths) -> None:
    falling = -np.sort(-np.array(lengths, np.int64))
    line, column, lines = sequence_packing.place_segments(falling, 40)
    taken = np.zeros((lines, 41), int)
    for nth, length in enumerate(falling):
        taken[line[nth], column[nth] : column[nth] + length] += 1
    assert taken.max() == 1
    assert taken[:, 40].max() == 0
    assert taken.sum() == sum(lengths)


def test_few_positions_are_empty_for_typical_history_lengths() -> None:
    chance = np.random.default_rng(1)
    rows = Histories.from_lists([[1] * int(4 + chance.geometric(0.2)) for _ in range(300)], n_items=1)
    made = sequence_packing.pack_segments(sequence_packing.build_training_segments(rows, 50))
    assert (made.items > 0).float().mean() > 0.9


def test_batches_contain_every_segment_once_and_have_similar_sizes() -> None:
    stretches = sequence_packing.build_training_segments(
        Histories.from_lists([[1] * (2 + i % 7) for i in range(1000)], n_items=1), 50
    )
    cuts = sequence_packing.split_batches(stretches, 200, key=3)
    assert sorted(np.concatenate(cuts).tolist()) == list(range(1000))
    sizes = np.array([stretches.lengths[cut].sum() for cut in cuts])
    assert sizes.min() > 180
    assert sizes.max() < 220
    assert [c.tolist() for c in sequence_packing.split_batches(stretches, 200, key=3)] == [c.tolist() for c in cuts]
    assert sequence_packing.split_batches(stretches, 200, key=4)[0].tolist() != cuts[0].tolist()


def test_the_output_state_is_that_of_the_last_event() -> None:
    made = sequence_packing.pack_segments(
        sequence_packing.build_last_segments(Histories.from_lists([[1, 2, 3], [4], [5] * 60 + [6]], n_items=9), 50),
        with_targets=False,
    )
    assert made.items.flatten()[made.output_indices].tolist() == [3, 4, 6]
    assert made.steps_to_end.flatten()[made.output_indices].tolist() == [0, 0, 0]
    assert made.items.dtype == torch.int64
