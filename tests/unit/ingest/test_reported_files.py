"""Files of the shapes that users report: each is read right, or refused with one error and a way out."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from leaven.cleaning import CleaningConfig, clean_events
from leaven.datasets.events import Events
from leaven.errors import DataError, LeavenError, SpecError
from leaven.ingest import (
    CatalogSource,
    LogSource,
    ReadingOptions,
    build_histories,
    infer_format,
    read_catalog,
    read_events,
)
from leaven.ingest.table_reader import read_table

HEAD = "user_id,item_id,timestamp\n"
NAMED = {"user": "user_id", "item": "item_id", "time": "timestamp"}


def written(folder: Path, content: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def fetched(events: Events, cells: str = "user, item, time") -> list[tuple[object, ...]]:
    return events.connection.sql(f"SELECT {cells} FROM events ORDER BY line").fetchall()


def rows(source: object, cells: str = "user, item, time", **options: object) -> list[tuple[object, ...]]:
    return fetched(read_events(source, options=ReadingOptions(**options)), cells)  # type: ignore[arg-type]


def seconds(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


def refusal(source: object, **options: object) -> LeavenError:
    with pytest.raises((DataError, SpecError)) as caught:
        read_events(source, options=ReadingOptions(**options))  # type: ignore[arg-type]
    assert caught.value.fix
    return caught.value


# order within a second ------------------------------------------------------------------------------------------------


def test_milliseconds_order_the_events_of_one_second(tmp_path: Path) -> None:
    lines = [f"u,{item},{1600000000000 + 100 * place}\n" for place, item in enumerate("wxyz")]
    done = build_histories(read_events(written(tmp_path, HEAD + "".join(reversed(lines)))))
    assert [done.item_ids[item - 1] for item in done.histories.items] == list("wxyz")
    assert done.histories.extra["nanosecond"].tolist() == [0, 100_000_000, 200_000_000, 300_000_000]
    assert done.histories.extra["nanosecond"].dtype == np.int32


def test_events_of_one_second_are_no_duplicates(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, HEAD + "u,a,1600000000100\nu,a,1600000000900\nu,a,1600000000900\n"))
    dropped = {rule["rule"]: rule["dropped"] for rule in clean_events(events).rules}
    assert dropped["duplicates"] == 1


@pytest.mark.parametrize(
    ("cell", "nanosecond"),
    [
        ("1600000000.123456789", 123456789),
        ("1600000000671.734037", 671_734_037),
        ("2020-09-13T12:26:40.123456789Z", 123456789),
        ("2020-09-13 12:26:40.5", 500_000_000),
        ("1600000000123456", 123_456_000),
        ("1600000000123456789", 123_456_789),
    ],
)
def test_times_are_exact_to_the_nanosecond(tmp_path: Path, cell: str, nanosecond: int) -> None:
    assert rows(written(tmp_path, HEAD + f"u,a,{cell}\n"), "time, nanosecond") == [(1600000000, nanosecond)]


def test_whole_seconds_add_no_column(tmp_path: Path) -> None:
    assert "nanosecond" not in read_events(written(tmp_path, HEAD + "u,a,1600000000000\n")).columns


# numbers that are no Unix time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (("202009260708", "202009270708"), seconds(2020, 9, 26, 7, 8)),
        (("20200926070826", "20200927070826"), seconds(2020, 9, 26, 7, 8, 26)),
        (("2020092607", "2020092707"), seconds(2020, 9, 26, 7)),
        (("20200926070826123", "20200926070827123"), seconds(2020, 9, 26, 7, 8, 26)),
        (("637366864000000000", "637366865000000000"), seconds(2020, 9, 26, 3, 6, 40)),
        (("9/26/20 7:08", "12/31/20 23:59"), seconds(2020, 9, 26, 7, 8)),
        (("Sat Sep 26 07:08:26 +0000 2020", "Sun Sep 27 07:08:26 +0000 2020"), seconds(2020, 9, 26, 7, 8, 26)),
        (("26 Sep 2020", "27 Sep 2020"), seconds(2020, 9, 26)),
        (("09 26, 2020", "09 27, 2020"), seconds(2020, 9, 26)),
        (("2020年9月26日", "2020年9月27日"), seconds(2020, 9, 26)),
    ],
)
def test_dates_in_many_forms_are_recognized(tmp_path: Path, cells: tuple[str, ...], first: int) -> None:
    lines = "".join(f'u,{place},"{cell}"\n' for place, cell in enumerate(cells))
    assert rows(written(tmp_path, HEAD + lines), "time")[0] == (first,)


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        (("18531", "18532"), "days"),
        (("44100", "44101"), "excel"),
        (("2019", "2020"), "years"),
        (("444000", "444001"), "hours"),
        (("26092020", "27092020"), "%d%m%Y"),
        (("200926070826", "200927070826"), "%y%m%d%H%M%S"),
    ],
)
def test_numbers_of_another_unit_are_refused_and_read_where_it_is_given(
    tmp_path: Path, cells: tuple[str, ...], unit: str
) -> None:
    path = written(tmp_path, HEAD + "".join(f"u,{place},{cell}\n" for place, cell in enumerate(cells)))
    assert unit in refusal(path).fix or "time_format" in refusal(path).fix
    years = {datetime.fromtimestamp(int(str(row[0])), UTC).year for row in rows(path, "time", time_format=unit)}
    assert years <= {2019, 2020}


def test_small_numbers_only_order_the_events(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, HEAD + "u,a,3\nu,b,1\nu,c,2\n"))
    assert not events.has_clock
    assert "no clock" in events.facts["time"]
    assert build_histories(events).histories.items.tolist() == [2, 3, 1]


def test_implausible_days_are_noted(tmp_path: Path) -> None:
    facts = read_events(written(tmp_path, HEAD + "u,a,0\nu,b,1600000000\nu,c,1600000000\n")).facts
    assert "1970-01-01" in facts["notes"][0]


def test_a_time_far_in_the_past_is_refused_with_its_line(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, HEAD + "u1,a,-90000000000\nu1,b,1600000000\nu2,b,1600000000\n"))
    assert error.where.endswith("line 2")


def test_an_unknown_time_format_is_an_error_of_the_config(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "u,a,2020-09-26\n")
    with pytest.raises(SpecError, match="%Q"):
        read_events(LogSource(path, NAMED, ReadingOptions(time_format="%Q")))


# columns --------------------------------------------------------------------------------------------------------------


def test_named_columns_are_obeyed(tmp_path: Path) -> None:
    from leaven.config.draft import draft_log_spec

    path = written(tmp_path, "kunde,ware,tag\na,x,2020-01-01\na,y,2020-01-02\nb,x,2020-01-03\n")
    named = {"user": "kunde", "item": "ware", "time": "tag"}
    assert draft_log_spec([str(path)], named).log.columns == named
    assert len(rows(LogSource(path, named))) == 3


def test_dates_beat_numbers_in_files_without_header(tmp_path: Path) -> None:
    clicks = "77,2014-04-06T18:44:58.314Z,214537888,12462,1\n78,2014-04-06T18:44:59.325Z,214537850,10471,1\n"
    events = read_events(written(tmp_path, clicks, "clicks.dat"))
    assert fetched(events, "user, item")[0] == ("77", "214537888")
    assert "guessed, no header" in events.facts["notes"][0]


def test_a_fraction_is_no_item(tmp_path: Path) -> None:
    visits = "0\t2010-10-19T23:55:27Z\t30.2359\t-97.7951\t22847\n1\t2010-10-18T22:17:43Z\t30.2691\t-97.7494\t420315\n"
    assert rows(written(tmp_path, visits, "visits.txt"), "item") == [("22847",), ("420315",)]


def test_a_header_with_a_blank_cell_is_a_header(tmp_path: Path) -> None:
    path = written(tmp_path, ",user_id,item_id,timestamp\n0,u1,a,1600000000\n1,u1,b,1600000100\n")
    assert rows(path) == [("u1", "a", 1600000000), ("u1", "b", 1600000100)]


def test_names_that_differ_in_case_are_both_named(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "ID,id,user_id,item_id,timestamp\n1,2,u1,a,1600000000\n"))
    assert "'ID' and 'id'" in error.got


def test_tables_of_recbole_are_told_apart(tmp_path: Path) -> None:
    users = written(tmp_path, "user_id:token\tage:float\tgender:token\n1\t24\tM\n2\t53\tF\n", "x.user")
    items = written(
        tmp_path, "item_id:token\tmovie_title:token_seq\tclass:token_seq\n1\tToy Story\tAnimation Comedy\n", "x.item"
    )
    assert infer_format(users).kind == "users"
    found = infer_format(items)
    assert (found.kind, found.text, found.columns["item"]) == ("items", ("movie_title", "class"), "item_id")


# separators and quotes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "separator"),
    [
        ("item_id,title\n" + "".join(f"i{n},red summer dress\n" for n in range(20)), "items.csv", ","),
        ("user_id:token\titem_id_list:token_seq\titem_id:token\n" + "1\t5 6 7 8\t9\n" * 20, "x.inter", "\t"),
        ("user_id,book_id,date_added\n" + "u,b,Mon Aug 01 13:41:46 -0700 2011\n" * 20, "log.csv", ","),
        ("user;item;price\nu;1;2,5\nu;2;3,5\n", "log.csv", ";"),
        ("1::1193::5::978300760\n1::661::3::978302109\n", "ratings.dat", "::"),
    ],
)
def test_blanks_in_texts_do_not_separate(tmp_path: Path, text: str, name: str, separator: str) -> None:
    assert infer_format(written(tmp_path, text, name)).separator == separator


def test_lone_quotes_in_titles_swallow_no_lines(tmp_path: Path) -> None:
    text = 'user_id\ttimestamp\titem_id\ttrack\nu1\t1600000000\ta\tOne\nu1\t1600000100\tb\t"12 inch\n'
    text += 'u1\t1600000200\tc\tThree\nu2\t1600000300\ta\tmix 7"\nu2\t1600000500\tc\tSix\n'
    assert len(rows(written(tmp_path, text, "log.tsv"))) == 5


def test_a_quote_that_swallows_lines_far_down_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "user_id,item_id,timestamp,note\n" + "u1,a,1600000000,fine\n" * 20_000
    text += 'u1,b,1600000100,"12 inch\nu1,c,1600000200,Three\nu2,b,1600000400,mix 7"\n'
    error = refusal(written(tmp_path, text))
    assert error.where.endswith("line 20002")
    assert "quote = ''" in error.fix
    assert len(rows(written(tmp_path, text), quote="")) == 20_003


def test_a_backslash_before_a_quote_is_an_escape(tmp_path: Path) -> None:
    path = written(tmp_path, '"ISBN";"Book-Title"\n"1";"The \\"Old; Mill\\""\n"2";"Plain"\n')
    assert read_table(path).to_pydict() == {"ISBN": ["1", "2"], "Book-Title": ['The "Old; Mill"', "Plain"]}


@pytest.mark.parametrize("start", ["sep=;\n", "# written by a tool\n", "\n\n", "# one\n# two\n"])
def test_lines_before_the_header_are_skipped(tmp_path: Path, start: str) -> None:
    assert rows(written(tmp_path, start + HEAD.replace(",", ";") + "u1;a;1600000000\n")) == [("u1", "a", 1600000000)]


def test_given_rows_and_comments_are_skipped(tmp_path: Path) -> None:
    path = written(tmp_path, "Report, 2020\n" + HEAD + "%note\nu1,a,1600000000\n")
    assert rows(path, skip_rows=1, comment="%") == [("u1", "a", 1600000000)]


# encodings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("gb18030", ("张三", "红裙")),
        ("cp932", ("田中", "赤いドレス")),
        ("cp1251", ("Иван", "синее платье")),
        ("latin-1", ("José", "café noir")),
        ("big5", ("張三", "紅裙")),
        ("utf-16", ("张三", "红裙")),
    ],
)
def test_encodings_are_found_and_noted(tmp_path: Path, encoding: str, words: tuple[str, str]) -> None:
    text = HEAD + f"{words[0]},{words[1]},1600000000\n{words[0]},a,1600000100\n"
    events = read_events(written(tmp_path, text.encode(encoding)))
    assert fetched(events, "user, item")[0] == words
    assert encoding == "utf-16" or "encoding" in events.facts["notes"][0]


@pytest.mark.parametrize("far", [0, 30_000])
def test_one_bad_byte_is_named_by_its_line_or_dropped(tmp_path: Path, far: int) -> None:
    content = (HEAD + "张三,红裙,1600000000\n" + "u,a,1600000000\n" * far).encode() + b"x\xff,y,1600000100\n"
    path = written(tmp_path, content)
    assert refusal(path).where.endswith(f"line {far + 3}")
    events = read_events(path, options=ReadingOptions(on_bad_line="drop"))
    assert events.facts["dropped_lines"]["count"] == 1
    assert events.count_events() == far + 1


def test_the_previews_of_items_read_by_the_same_code(tmp_path: Path) -> None:
    path = written(tmp_path, "item_id,title\n1,red shirt\n2,blue shirt\n3,café cup\n4,thé cup\n".encode("latin-1"))
    assert read_table(path).column("title").to_pylist()[2:] == ["café cup", "thé cup"]


# missing words and ids ------------------------------------------------------------------------------------------------


def test_missing_words_are_missing(tmp_path: Path) -> None:
    words = ["NA", "NULL", "nan", "(not set)", "\\N", "-1", "None", ""]
    path = written(tmp_path, HEAD + "".join(f"{word},a,1600000000\n" for word in words) + "u,b,1600000000\n")
    assert [user for (user,) in rows(path, "user")] == [None] * len(words) + ["u"]
    assert [user for (user,) in rows(path, "user", missing=("-1",))].count(None) == 2


def test_a_missing_time_is_missing(tmp_path: Path) -> None:
    assert rows(written(tmp_path, HEAD + "u1,a,1600000000\nu1,b,NULL\n"), "time") == [(1600000000,), (None,)]


def test_a_bad_time_is_refused_or_dropped_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "u1,a,1600000000\nu1,b,1600000001\nu1,c,soon\n")
    assert "line 4" in refusal(path).got
    events = read_events(path, options=ReadingOptions(on_bad_line="drop"))
    assert (events.count_events(), events.facts["left_out"]) == (2, {"unreadable time": 1})


def test_lines_of_another_width_are_dropped_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "u1,a,1600000000\nu1,b\nu1,c,1600000002,x\nu1,d,1600000003\n")
    assert refusal(path).where.endswith("line 3")
    events = read_events(path, options=ReadingOptions(on_bad_line="drop"))
    assert (events.count_events(), events.facts["dropped_lines"]["count"]) == (2, 2)


def test_blanks_and_unicode_forms_do_not_tell_ids_apart(tmp_path: Path) -> None:
    forms = ["é1", "é1\u00a0", "\té1", "e\u03011", " é1 ", "é1\u200b"]
    path = written(tmp_path, HEAD + "".join(f"u,{form},1600000000\n" for form in forms))
    assert {item for (item,) in rows(path, "item")} == {"é1"}


def test_ids_that_a_spreadsheet_has_rounded_are_refused(tmp_path: Path) -> None:
    assert "1.23457E+11" in refusal(written(tmp_path, HEAD + "1.23457E+11,a,1600000000\n5,b,1600000000\n")).got


def test_prices_with_signs_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD[:-1] + ',price\nu1,a,1600000000,$19.99\nu1,b,1600000001,"1,299.00"\n')
    assert rows(path, "price") == [(19.99,), (1299.0,)]


def test_a_guessed_column_of_texts_is_left_out_with_a_note(tmp_path: Path) -> None:
    events = read_events(written(tmp_path, HEAD[:-1] + ",price\nu1,a,1600000000,cheap\nu1,b,1600000001,dear\n"))
    assert "price" not in events.columns
    assert "'price' is left out" in events.facts["notes"][0]


# logs without a clock -------------------------------------------------------------------------------------------------


def test_ratings_without_times_keep_the_order_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, '"User-ID";"ISBN";"Book-Rating"\r\n"1";"034545104X";"0"\r\n"1";"0155061224";"5"\r\n')
    events = read_events(path)
    assert fetched(events, "user, item, time, value") == [("1", "034545104X", 0, 0.0), ("1", "0155061224", 1, 5.0)]
    assert not events.has_clock


@pytest.mark.parametrize(
    ("text", "histories"),
    [
        ("1 10\n1 11\n2 10\n", [["10", "11"], ["10"]]),
        ("0 5 6 7\n1 8 9 5\n", [["5", "6", "7"], ["8", "9", "5"]]),
        ("0 214530432 214530197 214530388\n1 214530197 214530055 214530432\n", [["214530432", "214530197", "214530388"],
                                                                             ["214530197", "214530055", "214530432"]]),
        ("0 5 6 7\n1\n2 5 6\n", [["5", "6", "7"], ["5", "6"]]),
    ],
)  # fmt: skip
def test_pairs_and_lines_of_users_are_read(tmp_path: Path, text: str, histories: list[list[str]]) -> None:
    events = read_events(written(tmp_path, text, "log.txt"))
    done = build_histories(events)
    found = [[done.item_ids[item - 1] for item in done.histories.row_items(row)] for row in range(len(done.histories))]
    assert found == histories
    assert not events.has_clock


def test_three_numbers_a_line_that_can_be_ratings_are_asked_about(tmp_path: Path) -> None:
    path = written(tmp_path, "1 10 5\n2 11 3\n3 12 4\n", "log.txt")
    assert "layout" in refusal(path).fix
    assert len(rows(path, layout="table")) == 3
    assert len(rows(path, layout="sequences")) == 6


def test_rules_that_need_a_clock_do_not_apply_without(tmp_path: Path) -> None:
    long = " ".join(map(str, range(1000)))
    events = read_events(written(tmp_path, f"1 {long}\n2 5 6\n", "log.txt"))
    done = clean_events(events, CleaningConfig(session_gap_hours=1, first_time="2000-01-01"))
    notes = {rule["rule"]: rule["note"] for rule in done.rules}
    assert done.events.count_events() == 1002
    assert all("no clock" in notes[rule] for rule in ("bots", "impossible_time", "sessions"))


def test_a_split_by_time_is_refused_without_a_clock(tmp_path: Path) -> None:
    import leaven

    events = read_events(written(tmp_path, "1 10\n1 11\n1 12\n2 10\n", "log.txt"))
    with pytest.raises(DataError, match="leave_one_out"):
        leaven.split(events)


def test_a_column_that_looks_like_times_has_to_be_named(tmp_path: Path) -> None:
    assert "'moment'" in refusal(written(tmp_path, "user_id,item_id,moment\nu,a,2020-01-01\nu,b,2020-01-02\n")).fix


# files and folders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["gz", "zip", "bz2", "xz", "zst"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_packed_files_are_read(tmp_path: Path, packing: str, form: str) -> None:
    text = HEAD + "u,a,1600000000\n"
    if form == "jsonl":
        text = json.dumps({"user_id": "u", "item_id": "a", "timestamp": 1600000000}) + "\n"
    path = tmp_path / f"log.{form}.{packing}"
    if packing == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("log.csv", text)
            archive.writestr("__MACOSX/._log.csv", "x")
    elif packing == "zst":
        path.write_bytes(pa.compress(text.encode(), "zstd", asbytes=True))
    else:
        path.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[packing].compress(text.encode()))  # type: ignore[attr-defined]
    assert rows(path) == [("u", "a", 1600000000)]


def test_json_lines_and_arrays_are_read(tmp_path: Path) -> None:
    held = [{"reviewerID": "A1", "asin": f"B{n}", "overall": 5.0, "unixReviewTime": 1369700000 + n} for n in range(2)]
    lines = "".join(json.dumps(row) + "\n" for row in held)
    expected = [("A1", "B0", 1369700000), ("A1", "B1", 1369700001)]
    assert rows(written(tmp_path, lines, "log.jsonl")) == expected
    assert rows(written(tmp_path, lines, "log.txt")) == expected
    assert rows(written(tmp_path, json.dumps(held), "log.json")) == expected
    assert rows(written(tmp_path, json.dumps(held, indent=2), "wide.json")) == expected
    assert infer_format(tmp_path / "log.jsonl").columns["user"] == "reviewerID"


def test_a_broken_json_line_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, '{"user_id": 1, "item_id": 2, "timestamp": 1600000000}\n{"user_id": 1, "it\n', "x.jsonl")
    assert refusal(path).where.endswith("line 2")
    assert len(rows(path, on_bad_line="drop")) == 1


def test_feather_and_arrow_streams_are_read(tmp_path: Path) -> None:
    table = pa.table({"user_id": ["u"], "item_id": ["a"], "timestamp": [1600000000]})
    feather.write_feather(table, tmp_path / "log.feather")
    with pa.OSFile(str(tmp_path / "log.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    for name in ("log.feather", "log.arrow"):
        assert rows(tmp_path / name) == [("u", "a", 1600000000)]


def test_workbooks_are_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["user_id", "item_id", "timestamp"])
    book.active.append([17850, "a", datetime(2020, 9, 26, 7, 8)])
    book.save(tmp_path / "log.xlsx")
    assert rows(tmp_path / "log.xlsx") == [("17850", "a", seconds(2020, 9, 26, 7, 8))]


@pytest.mark.parametrize("kind", ["arrow", "text"])
def test_lists_become_one_event_for_each_entry(tmp_path: Path, kind: str) -> None:
    if kind == "arrow":
        source: object = pa.table({"user_id": ["u", "v"], "item_id": [["a", "b"], ["c"]], "timestamp": [[2, 1], [5]]})
        assert rows(source) == [("u", "a", 2), ("u", "b", 1), ("v", "c", 5)]
    else:
        source = written(tmp_path, "user_id;item_id\nu;['a', 'b']\nv;['c']\n")
        assert rows(source) == [("u", "a", 0), ("u", "b", 1), ("v", "c", 0)]


def test_brackets_in_a_path_and_left_over_files_do_no_harm(tmp_path: Path) -> None:
    text = HEAD + "u1,a,1600000000\n"
    folder = tmp_path / "parts [old]"
    folder.mkdir()
    written(folder, text, "part-0.csv")
    written(folder, "", "part-1.csv")
    written(folder, b"\0\5\26\7Mac OS X", "._part-0.csv")
    written(folder, "", "_SUCCESS")
    pq.write_table(
        pa.table({"user_id": ["u1"], "item_id": ["a"], "timestamp": [1600000000]}), tmp_path / "x[1].parquet"
    )
    for path in (folder, folder / "part-0.csv", tmp_path / "x[1].parquet"):
        assert rows(path) == [("u1", "a", 1600000000)]


def test_a_wrong_path_of_a_database_creates_no_file(tmp_path: Path) -> None:
    assert "nothing there" in refusal(f"sqlite:///{tmp_path}/typo.db?table=log").got
    assert not list(tmp_path.iterdir())


# what becomes an event ------------------------------------------------------------------------------------------------


def test_low_ratings_and_other_kinds_are_left_out_and_counted(tmp_path: Path) -> None:
    text = HEAD[:-1] + ",rating,event\nu,a,1600000000,5,view\nu,b,1600000001,3,buy\nu,c,1600000002,4,buy\n"
    path = written(tmp_path, text)
    events = read_events(path, options=ReadingOptions(min_rating=4, keep_kinds=("buy",)))
    assert fetched(events, "item") == [("c",)]
    assert events.facts["left_out"] == {"below min_rating": 1, "not in keep_kinds": 1}
    assert "buy" in refusal(path, keep_kinds=("by",)).fix


def test_given_parts_are_read_with_their_number(tmp_path: Path) -> None:
    parts = {
        name: written(tmp_path, HEAD + f"u,{name},{1600000000 + place}\n", f"{name}.csv")
        for place, name in enumerate(("train", "valid", "test"))
    }
    events = read_events(parts["train"], options=ReadingOptions(valid=str(parts["valid"]), test=str(parts["test"])))
    assert fetched(events, "item, part") == [("train", 0), ("valid", 1), ("test", 2)]
    assert build_histories(clean_events(events).events).histories.extra["part"].tolist() == [0, 1, 2]


def test_a_repeated_line_of_the_catalog_is_dropped_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "item_id,title\na,red shirt\na,red shirt\nb,blue bowl\n")
    source = CatalogSource(path, text=["title"])
    log = pa.table({"user": ["u", "u"], "item": ["a", "b"], "time": [1600000000, 1600000001]})
    events = read_events(log, items=source)
    assert events.facts["items"]["repeated_lines"] == 1
    assert read_catalog(source, ["a", "b"], events).texts == {"title": ["red shirt", "blue bowl"]}
    written(tmp_path, "item_id,title\na,red shirt\na,blue shirt\n")
    with pytest.raises(DataError, match="lines that differ"):
        read_events(log, items=source)


# frames ---------------------------------------------------------------------------------------------------------------

TIMES = [1600000000, 1600000001]


def test_frames_that_hold_no_log_are_one_clear_error() -> None:
    good = {"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": TIMES}
    doubled = pd.DataFrame([[1, 2, 3, 4]], columns=["user_id", "item_id", "item_id", "timestamp"])
    bad: list[object] = [
        doubled,
        pd.DataFrame(good | {"user_id": pd.Series([2**70, 1], dtype=object)}),
        pd.DataFrame(good | {"timestamp": pd.period_range("2020-01", periods=2, freq="M")}),
        pd.DataFrame(good | {"item_id": [float(2**53), 1.0]}),
        pa.table(good | {"timestamp": pa.array([[1], [2]])}),
        pa.table(good | {"timestamp": pa.array([1, 2], pa.time64("us"))}),
        pa.table(good | {"timestamp": pa.array([1, 2], pa.duration("s"))}),
        pa.table(good | {"item_id": pa.array([{"a": 1}, {"a": 2}])}),
    ]
    for frame in bad:
        refusal(frame)


def test_a_column_called_as_one_of_ours_is_read(tmp_path: Path) -> None:
    table = pa.table({"user_id": ["a"], "item_id": ["x"], "timestamp": TIMES[:1], "file_row_number": [7], "line": [1]})
    pq.write_table(table, tmp_path / "log.parquet")
    assert rows(tmp_path / "log.parquet") == [("a", "x", 1600000000)]
    assert rows(table) == [("a", "x", 1600000000)]


def test_moments_of_frames_keep_their_nanoseconds() -> None:
    moments = pd.to_datetime([1600000000123456789, 1600000000123456788])
    frame = pd.DataFrame({"user_id": ["u", "u"], "item_id": ["b", "a"], "timestamp": moments})
    done = build_histories(read_events(frame))
    assert done.histories.extra["nanosecond"].tolist() == [123456788, 123456789]
    assert done.histories.items.tolist() == [1, 2]
