"""Tests of the causal attention of the sequence encoder."""

import torch

from leaven.datasets.histories import Histories
from leaven.nn import sequence_packing
from leaven.nn.sequence_encoder import EncoderShape, SequenceEncoder

N_ITEMS = 9


def net() -> SequenceEncoder:
    shape = EncoderShape(N_ITEMS, width=8, layers=2, heads=2, feedforward_width=16, max_length=6, dropout=0.5)
    made = SequenceEncoder(shape, torch.Generator().manual_seed(1)).eval()
    with torch.no_grad():
        for weights in made.parameters():
            weights *= 20  # far from linear
    return made


def last_states(rows: list[list[int]]) -> torch.Tensor:
    made = sequence_packing.pack_segments(
        sequence_packing.build_last_segments(Histories.from_lists(rows, N_ITEMS), 6), with_targets=False
    )
    with torch.no_grad():
        return net()(made, made.targets)[0]


def test_a_history_has_the_same_state_alone_and_in_a_batch() -> None:
    rows = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 1], [2, 2], [3, 1, 4]]
    alone = torch.cat([last_states([row]) for row in rows])
    torch.testing.assert_close(last_states(rows), alone)


def test_later_events_do_not_change_earlier_states() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4]], N_ITEMS), Histories.from_lists([[1, 2, 3, 9]], N_ITEMS)
    states = []
    for one in rows:
        made = sequence_packing.pack_segments(sequence_packing.build_training_segments(one, 6))
        with torch.no_grad():
            states.append(net()(made, made.targets)[0])
    torch.testing.assert_close(states[0], states[1])


def test_only_the_last_max_length_events_affect_the_state() -> None:
    row = [1, 2, 3, 4, 5, 6]
    whole = last_states([row])
    for place in range(6):
        other = [*row[:place], 9, *row[place + 1 :]]
        assert not torch.allclose(last_states([other]), whole)
    torch.testing.assert_close(last_states([[7, 8, *row]]), whole)


def test_order_matters_and_the_mask_is_not_padding() -> None:
    assert not torch.allclose(last_states([[1, 2, 3]]), last_states([[2, 1, 3]]))
    assert not torch.allclose(last_states([[1, N_ITEMS + 1, 3]]), last_states([[1, 3]]))
