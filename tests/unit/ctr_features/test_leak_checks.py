"""Checks of samples before training."""

import numpy as np
import pytest

from leaven.ctr_features.leak_checks import find_issues
from leaven.datasets.samples import Samples

N = 400


def build_rows(columns: dict[str, np.ndarray], label: np.ndarray | None = None) -> Samples:
    label = np.arange(N) % 2 if label is None else label
    return Samples.from_columns(columns, label.astype(float), np.arange(1, N + 1, dtype=np.uint64))


def list_issues(rows: Samples) -> list[tuple[str, str]]:
    return [(issue.kind, issue.column) for issue in find_issues(rows)]


def test_a_clean_table_has_no_issues() -> None:
    generator = np.random.default_rng(1)
    columns = {"x": generator.normal(size=N), "shop": generator.choice(np.array(["a", "b"], object), N)}
    assert find_issues(build_rows(columns)) == []


def test_a_number_that_follows_the_label_is_a_leak_in_both_directions() -> None:
    label = np.arange(N) % 2
    noise = np.random.default_rng(1).random(N)
    assert list_issues(build_rows({"paid": label + 0.5 * noise})) == [("leak", "paid")]
    assert list_issues(build_rows({"paid": -label - 0.5 * noise})) == [("leak", "paid")]


def test_missing_cells_that_follow_the_label_are_a_leak() -> None:
    shipped = np.where(np.arange(N) % 2 == 1, np.random.default_rng(1).random(N), np.nan)
    assert list_issues(build_rows({"shipped": shipped})) == [("leak", "shipped")]


def test_a_category_of_enough_rows_can_leak_and_rare_categories_cannot() -> None:
    status = np.where(np.arange(N) % 2 == 1, "paid", "open").astype(object)
    assert list_issues(build_rows({"status": status})) == [("leak", "status")]
    unique = np.array([f"order {n}" for n in range(N)], object)
    assert list_issues(build_rows({"order": unique})) == []


def test_constant_and_empty_columns_and_a_single_class_are_reported() -> None:
    columns = {"same": np.full(N, 3.0), "none": np.full(N, np.nan), "shop": np.full(N, "a", object)}
    assert list_issues(build_rows(columns, np.ones(N))) == [
        ("one class", "label"),
        ("constant", "same"),
        ("all missing", "none"),
        ("constant", "shop"),
    ]


def test_a_leak_states_its_auc() -> None:
    label = np.arange(N) % 2
    issue = find_issues(build_rows({"paid": label.astype(float)}))[0]
    assert issue.value == pytest.approx(1.0)
    assert "AUC 1.000" in issue.message
