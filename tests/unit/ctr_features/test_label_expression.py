"""Labels by a condition on a column: of tables and of logs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from leaven.config import parse_spec
from leaven.config.draft import draft_log_spec, draft_table_spec, render_draft
from leaven.ctr_features import SamplingConfig, read_samples, sample_log
from leaven.ctr_features.label_expression import LabelExpression
from leaven.ctr_features.sample_splits import SampleTimeSplit
from leaven.datasets.events import Events
from leaven.errors import DataError, SpecError
from leaven.ingest import read_events

DAY = 86_400
START = 1_600_000_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rating => 4", "write rating >= 4"),
        ("rating = 4", "write rating == 4"),
        ("rating != 4", "operators: >=, <=, ==, >, <"),
        ("rating >= high", "a number after >="),
        ("rating >= inf", "a number after >="),
        ("rating >=", "nothing on the right"),
        (">= 4", "nothing on the left"),
        ("1 < rating < 4", "rating >= 4"),
        ("rating", "rating >= 4"),
    ],
)
def test_a_bad_expression_is_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        LabelExpression.parse(text)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("stars >= 4", [0, 1, 1, 0]),
        ("stars > 4", [0, 0, 1, 0]),
        ("stars <= 1", [0, 0, 0, 1]),
        ("stars < 3", [0, 0, 0, 1]),
        ("stars == 5", [0, 0, 1, 0]),
        ("event == buy", [0, 1, 1, 0]),
        ("event == 'view it'", [1, 0, 0, 0]),
    ],
)
def test_the_label_of_a_table_is_a_condition(tmp_path: Path, label: str, expected: list[int]) -> None:
    (tmp_path / "t.csv").write_text("stars,event,price\n3,view it,1\n4.0,buy,2\n5,buy,3\n1,like,4\n", encoding="utf-8")
    rows = read_samples(tmp_path / "t.csv", label)
    assert rows.label.tolist() == expected
    own = label.split(" ")[0]
    assert {*rows.numeric, *rows.categorical} == {"stars", "event", "price"} - {own}


def test_a_column_whose_name_is_the_text_comes_first() -> None:
    rows = read_samples(pa.table({"rating >= 4": [1, 0], "rating": [2, 3]}), "rating >= 4")
    assert (rows.label.tolist(), rows.numeric) == ([1.0, 0.0], ("rating",))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("ratng >= 4", "did you mean 'rating'"),
        ("rating >= 40", "between 1.0 and 5.0"),
        ("half >= 1", "line 3.*a number.*drop the rows"),
        ("event >= 1", "line 2.*a number, got 'view'"),
        ("event == sell", "between 'buy' and 'view'"),
    ],
)
def test_a_label_that_a_table_cannot_have_is_one_clear_error(tmp_path: Path, label: str, message: str) -> None:
    (tmp_path / "t.csv").write_text("rating,half,event\n1,1,view\n5,,buy\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"(?s){message}"):
        read_samples(tmp_path / "t.csv", label)


def build_log(ratings: dict[tuple[str, str], float | None]) -> Events:
    """One event a day, in this order."""
    rows = [
        {
            "user": user,
            "item": item,
            "time": START + place * DAY,
            "rating": rating,
            "event": "buy" if place % 2 else "view",
        }
        for place, ((user, item), rating) in enumerate(ratings.items())
    ]
    columns = {"user": "user", "item": "item", "time": "time", "value": "rating", "kind": "event"}
    return read_events(pa.Table.from_pylist(rows), columns)


RATINGS: dict[tuple[str, str], float | None] = {
    ("a", "x"): 5, ("a", "y"): 3, ("b", "x"): 4, ("b", "z"): None, ("c", "z"): 1
}  # fmt: skip


@pytest.mark.parametrize("label", ["rating >= 4", "value >= 4", "value > 3"])
def test_events_of_a_log_that_meet_the_label_are_positives_and_the_others_negatives(label: str) -> None:
    rows = sample_log(build_log(RATINGS), SamplingConfig(label=label))
    pairs = zip(rows.categorical_column("user"), rows.categorical_column("item"), rows.label.tolist(), strict=True)
    assert list(pairs) == [("a", "x", 1.0), ("a", "y", 0.0), ("b", "x", 1.0), ("c", "z", 0.0)]
    assert (rows.facts["positives"], rows.facts["negatives"], rows.facts["without_label"]) == (2, 2, 1)


def test_kinds_are_labels_under_their_role_or_own_name() -> None:
    one, other = (sample_log(build_log(RATINGS), SamplingConfig(label=f"{name} == buy")) for name in ("kind", "event"))
    assert one.label.tolist() == other.label.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]


def test_negatives_can_be_drawn_next_to_a_label() -> None:
    rows = sample_log(build_log(RATINGS), SamplingConfig(label="rating >= 4", negatives="uniform", ratio=1))
    assert set(rows.categorical_column("item")[rows.label > 0.5]) == {"x"}


def test_features_of_observed_rows_are_as_of_before_the_event() -> None:
    rows = sample_log(build_log(RATINGS), SamplingConfig(label="rating >= 4"))
    assert rows.numeric_column("user_events").tolist() == [0.0, 1.0, 0.0, 0.0]
    assert rows.numeric_column("item_events").tolist() == [0.0, 0.0, 1.0, 1.0]


def test_both_classes_are_thinned_by_the_same_share() -> None:
    ratings = {(f"u{index}", f"i{index % 7}"): float(1 + index % 5) for index in range(200)}
    rows = sample_log(build_log(ratings), SamplingConfig(label="rating >= 4", max_positives=20))
    assert (rows.facts["positives"], rows.facts["negatives"], rows.facts["thinned_out"]) == (20, 30, 150)


def test_parts_of_a_time_split_have_observed_rows() -> None:
    ratings = {(f"u{index % 40}", f"i{index % 7}"): float(1 + index % 5) for index in range(200)}
    parts = SampleTimeSplit(control_share=0).split_log(build_log(ratings), SamplingConfig(label="rating >= 4"), 1)
    assert np.all([len(rows) > 20 for rows in (parts.train, parts.valid, parts.test)])
    assert parts.train.times.max() < parts.valid.times.min()


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("stars >= 4", "a column of the log.*data.columns"),
        ("kind == by", "did you mean 'buy'"),
        ("rating == good", "a number"),
        ("user == a", "a column of the log"),
        ("rating >= 6", "positive events"),
    ],
)
def test_a_label_that_a_log_cannot_have_is_one_clear_error(label: str, message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        sample_log(build_log(RATINGS), SamplingConfig(label=label))


def test_a_label_and_positive_kinds_exclude_each_other() -> None:
    with pytest.raises(SpecError, match="both"):
        SamplingConfig(label="kind == buy", positive_kinds=("buy",))
    with pytest.raises(SpecError, match="label"):
        SamplingConfig(negatives="observed")


def test_drafts_take_labels_for_tables_and_for_logs(tmp_path: Path) -> None:
    table, log = tmp_path / "t.csv", tmp_path / "log.csv"
    table.write_text("stars,price\n3,1\n5,2\n", encoding="utf-8")
    log.write_text("user_id,item_id,rating,timestamp\na,x,5,1600000000\n", encoding="utf-8")
    spec = parse_spec(render_draft(draft_table_spec([str(table)], "stars >= 4"), tmp_path, "ctr"), tmp_path)
    assert spec.data.label == "stars >= 4"
    with pytest.raises(SpecError, match="did you mean 'stars'"):
        draft_table_spec([str(table)], "star >= 4")
    draft = draft_log_spec([str(log)])
    text = render_draft(replace(draft, sample_label="rating >= 4"), tmp_path, "ctr")
    samples = parse_spec(text, tmp_path).samples
    assert samples is not None
    assert (samples.label, samples.negatives) == ("rating >= 4", "observed")
