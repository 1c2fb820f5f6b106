"""Every kind of bad log is answered by one error that says where, what was wanted, and what to do."""

import gzip
from pathlib import Path

import pytest

from leaven.errors import EXIT_DATA, DataError
from leaven.ingest import LogSource, ReadingOptions, read_events

HEADER = "user_id,item_id,timestamp\n"
LINES = "".join(f"u{n % 7},i{n % 5},{1318896000 + n}\n" for n in range(100))


def refusal(source: object) -> DataError:
    """The error that reading raises; the file must be named, and the way out said."""
    with pytest.raises(DataError) as caught:
        read_events(source)
    assert caught.value.exit_code == EXIT_DATA
    assert caught.value.fix
    return caught.value


def written(folder: Path, text: str | bytes, name: str = "log.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_a_missing_file_suggests_the_nearest_name(tmp_path: Path) -> None:
    written(tmp_path, HEADER + LINES, "purchases.csv")
    error = refusal(tmp_path / "purchase.csv")
    assert error.where.endswith("purchase.csv")
    assert "purchases.csv" in error.fix


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_named(tmp_path: Path, content: bytes) -> None:
    assert "empty" in refusal(written(tmp_path, content)).got


def test_a_header_without_lines_is_not_a_log(tmp_path: Path) -> None:
    assert "no lines" in refusal(written(tmp_path, HEADER)).got


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(100), bytes(range(32)) * 9]
)
def test_a_binary_file_is_not_read_as_text(tmp_path: Path, content: bytes) -> None:
    assert refusal(written(tmp_path, content)).expected == "text"


def test_a_wrong_column_suggests_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + LINES)
    error = refusal(LogSource(path, {"user": "userid", "item": "item_id", "time": "timestamp"}))
    assert "'userid'" in error.where
    assert "did you mean 'user_id'" in error.fix


def test_a_missing_column_is_requested(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "who,item_id,timestamp\n" + LINES))
    assert "'user'" in error.expected
    assert "who" in error.fix


def test_dates_in_two_formats_are_shown_with_a_line_of_each(tmp_path: Path) -> None:
    text = HEADER + "u1,i1,2011-12-09 10:00:00\nu1,i2,2011-12-10 10:00:00\nu2,i1,13/12/2011 10:00\n"
    error = refusal(written(tmp_path, text))
    assert "line 2" in error.got
    assert "line 4" in error.got
    assert "13/12/2011" in error.got


def test_a_unix_time_among_dates_is_shown(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEADER + LINES + "u1,i1,2011-12-09\n"))
    assert "line 102" in error.got


def test_seconds_and_milliseconds_in_one_column_are_two_formats(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEADER + LINES + "u1,i1,1318896000000\n"))
    assert "line 102" in error.got


def test_ambiguous_dates_are_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "u1,i1,03/04/2011\nu1,i2,05/06/2011\n")
    assert "time_format" in refusal(path).fix
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    first = read_events(LogSource(path, columns, ReadingOptions(time_format="%d/%m/%Y"))).connection.sql(
        "SELECT min(time) FROM events"
    )
    assert first.fetchall() == [(1301788800,)]  # 3 April 2011


def test_a_text_among_times_is_reported_with_its_line(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEADER + "u1,i1,2011-12-09\nu1,i2,yesterday\n"))
    assert "line 3" in error.where
    assert "yesterday" in error.got


def test_ids_with_and_without_a_point_are_mixed(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEADER + "17850.0,i1,1318896000\n17850,i2,1318896001\n"))
    assert "'17850.0' in line 2" in error.got
    assert "'17850' in line 3" in error.got


def test_ids_are_text_so_that_007_is_not_7(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, HEADER + "007,i1,1318896000\n7,i2,1318896001\n"))
    assert events.connection.sql("SELECT user FROM events").fetchall() == [("007",), ("7",)]


def test_a_nul_byte_is_named_with_its_line(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEADER + LINES + "u\x001,i1,1318896000\n"))
    assert error.where.endswith("line 102")
    assert "NUL" in error.got


def test_a_truncated_line_is_reported(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEADER + LINES + "u1,i"))
    assert error.where.endswith("line 102")
    assert error.expected.startswith("3 columns")


def test_an_unclosed_quote_is_reported(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEADER + LINES + 'u1,"i1,1318896000\n' + LINES))
    assert "quote" in error.expected


def test_ten_megabytes_in_one_field_are_an_error(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEADER + LINES + f"u1,{'x' * 10_000_000},1318896000\n"))
    assert error.where.endswith("line 102")


def test_a_truncated_gzip_file_is_reported(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + LINES * 500).encode())
    error = refusal(written(tmp_path, whole[: len(whole) // 2], "log.csv.gz"))
    assert "complete gzip" in error.expected


def test_a_truncated_parquet_file_is_reported(tmp_path: Path) -> None:
    assert "Parquet" in refusal(written(tmp_path, b"PAR1" + bytes(50), "log.parquet")).expected


def test_bytes_of_another_encoding_are_reported_with_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, (HEADER + LINES).encode() + "u1,café,1318896000\n".encode("latin-1"))
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    assert refusal(LogSource(path, columns, ReadingOptions(encoding="utf-8"))).where.endswith("line 102")


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    assert "twice" in refusal(written(tmp_path, "user_id,item_id,item_id\n" + LINES)).got


def test_a_text_in_a_column_of_numbers_is_reported(tmp_path: Path) -> None:
    text = "user_id,item_id,timestamp,price\nu1,i1,1318896000,2.5\nu1,i1,1318896000,cheap\n"
    error = refusal(written(tmp_path, text))
    assert "line 3" in error.where
    assert "'price'" in error.where


def test_an_error_leaves_no_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    refusal(written(tmp_path, gzip.compress((HEADER + LINES).encode() + b"u1,i"), "log.csv.gz"))
    assert not list(temporary.iterdir())
