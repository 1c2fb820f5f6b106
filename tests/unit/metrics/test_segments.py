"""User segments of hand-made histories."""

import numpy as np

from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.segments import label_by_length, label_user_segments


def test_users_are_labelled_by_length_and_by_their_next_item() -> None:
    train = Histories.from_lists([[1, 1, 1, 2], [1, 2], [3]], n_items=5)
    known = Histories.from_lists([[1], [1, 2, 2, 2], [3, 3], [1]], n_items=5)
    starts = np.array([0, 1, 3, 4, 5])
    held = HeldOut(known, np.array([1, 4, 1, 2, 3], np.int32), np.zeros(5, np.int64), starts)
    labels = label_user_segments(held, train)
    assert labels["next item"].tolist() == ["head", "cold", "tail", "tail"]
    assert labels["next item seen"].tolist() == ["4 times or oftener", "never", "1-3 times", "1-3 times"]
    assert labels["history"].tolist() == ["short (1)", "long (4)", "middle (2)", "short (1)"]


def test_histories_of_one_length_are_one_class() -> None:
    assert label_by_length(np.array([3, 3, 3])).tolist() == ["all (3)"] * 3


def test_two_lengths_are_two_classes() -> None:
    assert label_by_length(np.array([3, 3, 3, 5])).tolist() == ["short (3)"] * 3 + ["long (5)"]


def test_no_users_have_no_labels() -> None:
    assert label_by_length(np.zeros(0, np.int64)).tolist() == []
