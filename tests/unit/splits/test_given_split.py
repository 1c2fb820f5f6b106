"""The split of logs whose training, validation and test events come from files."""

from pathlib import Path

import pytest

from leaven.config import parse_spec
from leaven.datasets.histories import Histories
from leaven.errors import DataError, LeavenError
from leaven.ingest import LogSource, ReadingOptions, build_histories, read_events
from leaven.splits.given_split import GivenSplit
from leaven.splits.log_splits import Split, require_clock

HEADER = "user_id,item_id,timestamp\n"


def write_parts(folder: Path, **parts: str) -> LogSource:
    """One file per part, with the lines given as "user item place"."""
    for name, lines in parts.items():
        rows = [line.split() for line in lines.split(";") if line.strip()]
        text = "".join(f"{user},{item},{1_600_000_000 + int(place)}\n" for user, item, place in rows)
        (folder / f"{name}.csv").write_text(HEADER + text, encoding="utf-8")
    held_out = {name: str(folder / f"{name}.csv") for name in ("valid", "test") if name in parts}
    return LogSource(str(folder / "train.csv"), options=ReadingOptions(**held_out))


def split_parts(source: LogSource, config: GivenSplit | None = None) -> tuple[Split, list[str]]:
    """The split, and the item ids in the order of their codes."""
    found = build_histories(read_events(source))
    return (config or GivenSplit()).split(found.histories), list(found.item_ids)


def test_each_file_is_its_part_and_the_known_events_grow(tmp_path: Path) -> None:
    source = write_parts(tmp_path, train="a x 1;a y 2;b x 1", valid="a z 3;b y 2", test="a w 4;b z 3")
    parts, ids = split_parts(source)
    assert [ids[item - 1] for item in parts.train.items] == ["x", "y", "x"]
    assert [ids[item - 1] for item in parts.valid.target_items] == ["z", "y"]
    assert [ids[item - 1] for item in parts.test.target_items] == ["w", "z"]
    assert [ids[item - 1] for item in parts.test.histories.items] == ["x", "y", "z", "x", "y"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    source = write_parts(tmp_path, train="a x 1;a y 2", test="a z 3")
    (tmp_path / "test.csv").unlink()
    with pytest.raises(DataError, match=r"test\.csv"):
        read_events(source)


def test_a_user_in_all_files_is_one_user_and_known_targets_are_left_out(tmp_path: Path) -> None:
    source = write_parts(tmp_path, train="a x 1;a y 2;b x 1", valid="a z 3;b z 2", test="a x 4;a w 5;b w 3")
    parts, ids = split_parts(source)
    assert len(parts.test.histories) == 2
    assert [ids[item - 1] for item in parts.test.target_items] == ["w", "w"]
    repeated, ids = split_parts(source, GivenSplit(allow_repeats=True))
    assert [ids[item - 1] for item in repeated.test.target_items] == ["x", "w", "w"]


def test_users_without_training_events_are_in_no_part(tmp_path: Path) -> None:
    source = write_parts(tmp_path, train="a x 1;a y 2", valid="a z 3;new x 1", test="a w 4;other x 1")
    parts, _ = split_parts(source)
    assert (len(parts.train), len(parts.valid.histories), len(parts.test.histories)) == (1, 1, 1)


def test_items_that_are_only_in_the_test_file_are_targets(tmp_path: Path) -> None:
    source = write_parts(tmp_path, train="a x 1;a y 2", valid="a z 3", test="a never 4")
    parts, ids = split_parts(source)
    assert ids[parts.test.target_items[0] - 1] == "never"
    assert parts.train.n_items == 4


def test_without_a_validation_file_the_last_training_event_is_taken(tmp_path: Path) -> None:
    source = write_parts(tmp_path, train="a x 1;a y 2;b x 1;b z 2", test="a w 4;b w 5")
    parts, ids = split_parts(source)
    assert [ids[item - 1] for item in parts.valid.target_items] == ["y", "z"]
    assert parts.train.items.tolist() == [2, 2]


def test_files_without_a_clock_are_split_by_their_lines(tmp_path: Path) -> None:
    for name, text in (("train", "a,x\na,y\nb,x\n"), ("valid", "a,z\nb,y\n"), ("test", "a,w\nb,z\n")):
        (tmp_path / f"{name}.csv").write_text(f"user_id,item_id\n{text}", encoding="utf-8")
    options = ReadingOptions(valid=str(tmp_path / "valid.csv"), test=str(tmp_path / "test.csv"))
    events = read_events(LogSource(str(tmp_path / "train.csv"), options=options))
    assert not events.has_clock
    require_clock(GivenSplit(), events.has_clock)
    parts = GivenSplit().split(build_histories(events).histories)
    assert (parts.train.n_events, len(parts.valid.target_items), len(parts.test.target_items)) == (3, 2, 2)


def test_a_test_file_of_other_users_is_an_error_with_the_fix(tmp_path: Path) -> None:
    source = write_parts(tmp_path, train="a x 1;a y 2", valid="a z 3", test="c w 4")
    with pytest.raises(DataError, match="need events in the training part"):
        split_parts(source)


def test_a_log_without_given_parts_is_refused() -> None:
    with pytest.raises(DataError, match=r"data\.valid and data\.test"):
        GivenSplit().split(Histories.from_lists([[1, 2, 3]], n_items=3))


def test_paths_of_the_parts_are_relative_to_the_spec(tmp_path: Path) -> None:
    spec = parse_spec('[data]\ninteractions = "a.csv"\ntest = "b.csv"\n[split]\nkind = "given"\n', tmp_path)
    assert spec.data.options.test == str(tmp_path / "b.csv")
    assert isinstance(spec.split, GivenSplit)
    with pytest.raises(LeavenError, match="tset"):
        parse_spec('[data]\ninteractions = "a.csv"\ntset = "b.csv"\n', tmp_path)
