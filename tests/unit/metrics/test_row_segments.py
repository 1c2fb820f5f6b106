"""Segments of labeled rows."""

import numpy as np

from leaven.datasets.samples import Samples
from leaven.metrics.segments import label_row_segments


def build_rows(items: list[str], label: list[int], users: list[int], categories: list[str] | None = None) -> Samples:
    columns: dict[str, list[str]] = {"item": items}
    if categories is not None:
        columns["item_category"] = categories
    return Samples.from_lists(columns, label, user_ids=users)


TRAIN = build_rows(
    ["hit"] * 30 + ["side"] * 8 + ["dud"] * 20 + ["new"] * 2,
    [1] * 30 + [1] * 8 + [0] * 20 + [1] * 2,
    list(range(60)),
    ["care"] * 59 + ["rare"],
)
TEST = build_rows(["hit", "side", "dud", "new", "unseen"], [1, 0, 1, 0, 1], [0, 1, 999, 2, 3],
                  ["care", "care", "care", "rare", "other"])  # fmt: skip


def test_items_are_head_tail_or_cold_by_their_positive_training_rows() -> None:
    labels = label_row_segments(TEST, TRAIN)["item"]
    assert labels.tolist() == ["head", "tail", "cold", "cold", "cold"]


def test_users_without_a_training_row_are_new() -> None:
    assert label_row_segments(TEST, TRAIN)["user"].tolist() == ["known", "known", "new", "known", "known"]


def test_categories_of_few_training_rows_are_rare() -> None:
    assert label_row_segments(TEST, TRAIN)["category"].tolist() == ["common"] * 3 + ["rare"] * 2


def test_groupings_with_one_label_or_without_a_column_are_left_out() -> None:
    rows = build_rows(["hit", "hit"], [1, 0], [0, 1])
    assert label_row_segments(rows, build_rows(["hit"] * 20, [1] * 20, list(range(20)))) == {}


def test_synthetic_training_rows_do_not_count() -> None:
    copies = TRAIN.take(np.flatnonzero(np.array(TRAIN.categorical_column("item")) == "new").repeat(10))
    copies.origin[:] = 1
    both = TRAIN.concat_with([copies])
    assert label_row_segments(TEST, both)["item"].tolist() == label_row_segments(TEST, TRAIN)["item"].tolist()
