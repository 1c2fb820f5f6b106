"""Tables of users: reading, matching with the log, features, segments, exports and erasure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import leaven
from leaven.cleaning import CleaningConfig, clean_events
from leaven.config import parse_spec, resolve_spec
from leaven.config.draft import draft_log_spec, render_draft
from leaven.ctr_features import SamplingConfig, sample_by_time, sample_log
from leaven.datasets.log_names import LogNames, find_user, load_names, merge_names, remove_users, save_names
from leaven.errors import DataError, ReadingWarning, SpecError
from leaven.exports.read_data import read_source
from leaven.ingest import UserSource, build_histories, read_events
from leaven.metrics.segments import label_by_value, label_user_attributes

DAY = 86_400
START = 1_600_000_000


def build_log(users: list[str], events: int = 6) -> pa.Table:
    """The same number of events for each user, one a day."""
    rows = [
        {"user_id": user, "item_id": f"i{(place * 3 + index) % 7}", "timestamp": START + place * DAY + index}
        for index, user in enumerate(users)
        for place in range(events)
    ]
    return pa.Table.from_pylist(rows)


def write_text(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def read_attributes(log: pa.Table, users: UserSource | str) -> dict[str, list[object]]:
    source = users if isinstance(users, UserSource) else UserSource(users)
    names = build_histories(read_events(log, users=source)).histories.names
    assert names is not None
    return {name: column.to_pylist() for name, column in names.attributes.items()}


def test_a_csv_table_gives_numbers_and_categories(tmp_path: Path) -> None:
    path = write_text(tmp_path / "u.csv", "user_id,age,country,zip\nann,31,NL,01234\nbob,NA,null,99\n")
    assert read_attributes(build_log(["ann", "bob"]), path) == {
        "age": [31.0, None],
        "country": ["NL", None],
        "zip": ["01234", "99"],
    }


def test_the_types_of_a_recbole_file_are_obeyed(tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.user", "user_id:token\tage:token\tincome:float\n1\t24\t3.5\n2\t30\t\n")
    assert read_attributes(build_log(["1", "2"]), path) == {"age": ["24", "30"], "income": [3.5, None]}


def test_numbers_of_a_categorical_attribute_are_codes(tmp_path: Path) -> None:
    path = write_text(tmp_path / "u.dat", "1::F::10\n2::M::7\n")
    source = UserSource(path, {"user": "1", "gender": "2", "job": "3"}, ("job",))
    assert read_attributes(build_log(["1", "2"]), source) == {"gender": ["F", "M"], "job": ["10", "7"]}


def test_parquet_and_frames_are_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = pa.table({"customer": pa.array([7, 8], pa.int64()), "vip": [True, False], "age": [20, 30]})
    pq.write_table(table, tmp_path / "u.parquet")
    expected = {"vip": ["true", "false"], "age": [20.0, 30.0]}
    log = build_log(["7", "8"])
    assert read_attributes(log, UserSource(table)) == expected
    assert read_attributes(log, str(tmp_path / "u.parquet")) == expected


def test_ids_are_matched_like_those_of_the_log(tmp_path: Path) -> None:
    """Leading zeros count, blanks and Unicode forms do not, and a ".0" that a float left behind does not."""
    plain = write_text(tmp_path / "a.csv", "user_id,age\n 7 ,1\n007,2\ne\u0301,3\n")
    assert read_attributes(build_log(["007", "7", "é"]), plain) == {"age": [2.0, 1.0, 3.0]}
    floats = write_text(tmp_path / "b.csv", "user_id,age\n7.0,1\n8.0,2\n")
    assert read_attributes(build_log(["7", "8"]), floats) == {"age": [1.0, 2.0]}


def test_users_without_a_line_are_counted_and_reported(tmp_path: Path) -> None:
    path = write_text(tmp_path / "u.csv", "user_id,age\nann,31\nann,31\nzoe,9\n,5\n")
    with pytest.warns(ReadingWarning, match="2 of 3 users of the log are not in it"):
        events = leaven.read(build_log(["ann", "bob", "cid"]), users=path)
    facts = events.facts["users"]
    assert (facts["matched"], facts["unmatched"], facts["without_events"]) == (1, 2, 1)
    assert (facts["lines"], facts["repeated_lines"], facts["lines_without_user"]) == (2, 1, 1)


def test_a_table_of_other_users_is_an_error_with_ids_of_both(tmp_path: Path) -> None:
    path = write_text(tmp_path / "u.csv", "user_id,age\nx1,31\n")
    with pytest.raises(DataError, match=r"(?s)'ann'.*'x1'.*user_columns"):
        leaven.read(build_log(["ann"]), users=path)


@pytest.mark.parametrize(
    ("text", "source", "message"),
    [
        ("user_id,age\nann,1\nann,2\n", {}, "'ann' on lines that differ"),
        ("who,age\nann,1\n", {}, "a column for 'user'"),
        ("user_id,age\nann,1\n", {"columns": {"user": "uid"}}, "a column of that name"),
        ("user_id\nann\nbob\n", {"columns": {"user": "user_id"}}, "attributes of users"),
        ("user_id,age\nann,1\n", {"categorical": ("agee",)}, "did you mean 'age'"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_error(
    tmp_path: Path, text: str, source: dict[str, object], message: str
) -> None:
    path = write_text(tmp_path / "u.csv", text)
    with pytest.raises(DataError, match=message):
        read_events(build_log(["ann"]), users=replace(UserSource(path), **source))  # type: ignore[arg-type]


def test_sessions_have_the_attributes_of_their_user() -> None:
    log = pa.table({"user_id": ["a", "a", "a#2"], "item_id": ["x", "y", "x"], "timestamp": [START, START + DAY, START]})
    events = read_events(log, users=UserSource(pa.table({"user_id": ["a"], "age": [5]})))
    cleaned = clean_events(events, CleaningConfig(session_gap_hours=1)).events
    found = build_histories(cleaned)
    assert list(found.user_ids) == ["a#1", "a#2", "a#2#1"]
    assert found.histories.names is not None
    assert found.histories.names.attributes["age"].to_pylist() == [5.0, 5.0, None]


def test_attributes_are_features_of_click_samples() -> None:
    users = [f"u{index}" for index in range(12)]
    table = pa.table({"user_id": users, "age": range(12), "Home town": ["A", "B"] * 6, "events": ["x"] * 12})
    events = read_events(build_log(users, 12), users=UserSource(table))
    rows = sample_log(events, SamplingConfig(ratio=1))
    names, ages = rows.categorical_column("user"), rows.numeric_column("user_age")
    assert len(rows)
    assert [f"u{age:g}" for age in ages.tolist()] == names.tolist()
    assert rows.categorical_column("user_Home town").tolist() == ["AB"[int(name[1:]) % 2] for name in names.tolist()]
    assert "user_events" in rows.numeric
    assert set(rows.categorical_column("user_events_in_table")) == {"x"}


def test_a_table_of_users_changes_nothing_else_in_samples() -> None:
    users = [f"u{index}" for index in range(6)]
    log, table = build_log(users, 12), pa.table({"user_id": users, "age": range(6)})
    plain = sample_log(read_events(log), SamplingConfig(ratio=2))
    rich = sample_log(read_events(log, users=UserSource(table)), SamplingConfig(ratio=2))
    np.testing.assert_array_equal(plain.row_ids, rich.row_ids)
    np.testing.assert_array_equal(plain.numbers[:, 0], rich.numeric_column(plain.numeric[0]))


def test_values_are_segments() -> None:
    rare = [str(one) for one in range(9)]
    assert label_by_value(pa.array(["0"] * 30 + rare + [None])).tolist().count("other values") == 2
    assert "other values" not in label_by_value(pa.array(rare))  # all are rare: one group of all says nothing
    ages = label_by_value(pa.array([*map(float, range(10, 22)), None]))
    assert ages.tolist() == ["low (10-13)"] * 4 + ["middle (14-17)"] * 4 + ["high (18-21)"] * 4 + ["not known"]
    names = replace(
        LogNames.from_users([1, 2], ["a", "b"]),
        attributes={"history": pa.array(["x", "y"]), "same": pa.array([1.0, 1.0])},
    )
    found = label_user_attributes(names, np.array([2, 1, 2], np.uint64))
    assert {name: labels.tolist() for name, labels in found.items()} == {"user history": ["y", "x", "y"]}


def test_attributes_are_stored_merged_and_erased_with_the_users(tmp_path: Path) -> None:
    one = replace(LogNames.from_users([11, 12], ["ann", "bob"]), attributes={"age": pa.array([30.0, None])})
    other = replace(LogNames.from_users([12, 13], ["bob", "cid"]), attributes={"age": pa.array([None, 5.0])})
    merged = merge_names([one, other])
    assert merged is not None
    save_names(merged, tmp_path / "names.parquet")
    remove_users(tmp_path / "names.parquet", np.array([11], np.uint64))
    left = load_names(tmp_path / "names.parquet")
    assert left is not None
    assert find_user(left, np.array([13], np.uint64)) == "cid"
    assert left.attributes["age"].to_pylist() == [None, 5.0]
    assert left.find_attribute("age", np.array([13, 11], np.uint64)).to_pylist() == [5.0, None]


def test_exports_carry_the_attributes_and_synthetic_users_have_those_of_their_parent(tmp_path: Path) -> None:
    users = [f"u{index}" for index in range(8)]
    table = pa.table({"user_id": users, "age": range(8), "country": ["NL", "BE"] * 4})
    split = leaven.split(leaven.read(build_log(users), users=table), "leave_one_out")
    bigger = leaven.expand(split.train, [leaven.Step(leaven.Crop(), copies=1)], seed=1)
    rows = read_source(bigger).users
    assert rows is not None
    ages = dict(zip(rows["user"].to_pylist(), rows["age"].to_pylist(), strict=True))
    assert ages["u3"] == ages["u3+crop.1"] == 3.0
    manifest = leaven.export(replace(split, train=bigger), "recbole", tmp_path / "out")
    assert manifest.target == "recbole"
    lines = (tmp_path / "out" / "leaven" / "leaven.user").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "user_id:token\tage:float\tcountry:token"
    assert len(lines) == 1 + len(ages)


def test_samples_carry_the_table_of_users_to_exports() -> None:
    users = [f"u{index}" for index in range(8)]
    table = pa.table({"user_id": users, "age": range(8)})
    parts = sample_by_time(read_events(build_log(users, 12), users=UserSource(table)), SamplingConfig(ratio=1))
    found = read_source(parts.train).users
    assert found is not None
    assert found.column_names == ["user", "age"]


SPEC = """
[data]
interactions = "log.csv"
users = "users.csv"
time_format = "s"
[data.user_columns]
user = "uid"
age = "Age"
categorical = ["age"]
"""


def test_a_spec_names_the_table_and_resolves_to_itself(tmp_path: Path) -> None:
    spec = parse_spec(SPEC, tmp_path)
    assert spec.users is not None
    assert (spec.users.users, dict(spec.users.columns)) == (str(tmp_path / "users.csv"), {"user": "uid", "age": "Age"})
    assert spec.users.options.time_format == "s"
    data = resolve_spec(spec)["data"]
    assert data["user_columns"] == {"user": "uid", "age": "Age", "categorical": ["age"]}
    with pytest.raises(SpecError, match=r"data\.users"):
        parse_spec(SPEC.replace('users = "users.csv"\n', ""), tmp_path)


def test_a_draft_names_the_table_of_users(tmp_path: Path) -> None:
    log = write_text(tmp_path / "x.inter", "user_id:token\titem_id:token\ttimestamp:float\n1\t2\t1600000000\n")
    users = write_text(tmp_path / "x.user", "user_id:token\tage:token\tzip code:token\n1\t24\t85711\n")
    draft = draft_log_spec([log, users])
    spec = parse_spec(render_draft(draft, tmp_path), tmp_path)
    assert spec.users is not None
    assert dict(spec.users.columns) == {"user": "user_id", "age": "age", "zip code": "zip code"}
    assert any("a table of users" in note for note in draft.notes)
