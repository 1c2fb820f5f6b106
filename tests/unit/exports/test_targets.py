"""Rules of single targets, and what happens where they are broken."""

import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse

from leaven.errors import DataError, SpecError
from leaven.exports import ExportError, build_source, export_source
from leaven.exports import files as export_files
from leaven.kernels.crc32c import compute_crc32c, compute_masked_crc32c
from leaven.registry import create_config, list_kinds

from .sources import build_events, build_example, build_items

KINDS = sorted(list_kinds("exports"))


def build_named(users: list[str], items: list[str], **columns):
    return build_source(pa.table({"user": users, "item": items, "time": list(range(len(users))), **columns}))


def find_rules(source, kind, **fields) -> dict[str, int]:
    from leaven.exports.export_folder import select_rows

    exporter = create_config("exports", kind, fields)
    return {one.rule: one.count for one in exporter.find_violations(select_rows(source, exporter.traits))}


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_rule_writes_nothing(kind, tmp_path) -> None:
    source = build_named(["a", ""], ["x", ""])
    with pytest.raises(ExportError) as error:
        export_source(source, kind, tmp_path / "out")
    assert error.value.violations
    assert not list(tmp_path.iterdir())


def test_every_violation_is_counted_and_named() -> None:
    source = build_named(["a\tb", 'c"d', "NA", "fine"], ["x y", "x y", "z", "null"])
    rules = find_rules(source, "recbole_sequential")
    assert rules["users with a tab, a quote or a line break in their id"] == 2
    assert rules["users with an id that is read as missing"] == 1
    assert rules["items with an id that is read as missing"] == 1
    assert rules["items with a space in their id"] == 1
    error = ExportError("recbole", list(create_config("exports", "recbole").find_violations(source)))
    assert "'a\\tb'" in str(error)
    assert "--ids numbers" in str(error)


def test_numbers_are_the_way_out_for_ids_that_a_target_cannot_hold(tmp_path) -> None:
    source = build_named(["a\tb", "a\tb", "NA"], ["x y", "z", "null"])
    export_source(source, "recbole_sequential", tmp_path / "out", ids="numbers")
    assert pq.read_table(tmp_path / "out" / "user_ids.parquet").to_pylist()[0] == {"id": "a\tb", "index": 1}


def test_personalize_wants_enough_rows_users_times_and_few_kinds() -> None:
    source = build_named(["u"] * 12, [f"i{one}" for one in range(12)], kind=[f"k{one}" for one in range(12)])
    rules = find_rules(source, "personalize")
    assert rules["at least 1,000 interactions, got 12; missing"] == 988
    assert rules["at least 25 users with 2 interactions or more, got 1; missing"] == 24
    assert any(rule.startswith("at most 10 kinds of events") for rule in rules)
    assert "times before 1970, or in no unit of seconds" in rules
    assert find_rules(build_example(300), "personalize") == {}


def test_personalize_headers_are_unquoted_and_equal_the_schema(tmp_path) -> None:
    export_source(build_example(300), "personalize", tmp_path / "out")
    for name in ("interactions", "items", "users"):
        header = (tmp_path / "out" / f"{name}.csv").read_text().splitlines()[0]
        schema = json.loads((tmp_path / "out" / f"{name}.schema.json").read_text())
        assert header.split(",") == [field["name"] for field in schema["fields"]]
        assert schema["namespace"] == "com.amazonaws.personalize.schema"


def test_a_slash_in_an_id_breaks_a_rule_of_gorse() -> None:
    assert find_rules(build_named(["a/b", "c"], ["x", "y"]), "gorse") == {"users with a slash in their id": 1}


def test_ratings_that_are_not_known_are_asked_for() -> None:
    source = build_example(9)
    unknown = source.train["value"].null_count
    assert unknown
    for kind in ("spark_als", "recommenders", "libsvm", "libffm", "vw", "fuxictr"):
        assert find_rules(source, kind)["events without a value, in train"] == unknown
    assert find_rules(source, "spark_als", rating="weight") == {}


def test_torch_rechub_refuses_numbers_that_float32_confuses(monkeypatch) -> None:
    from leaven.exports import sequence_tables

    monkeypatch.setattr(sequence_tables, "MAX_EXACT_FLOAT32", 3)
    rules = find_rules(build_named(["a", "b", "c"], ["x", "x", "x"]), "torch_rechub")
    assert [rule.partition(",")[0] for rule in rules] == ["at most 2 users"]


def test_recbole_times_begin_with_the_first_event(tmp_path) -> None:
    export_source(build_example(9), "recbole", tmp_path / "out")
    text = (tmp_path / "out/leaven/leaven.train.inter").read_text().splitlines()
    place = text[0].split("\t").index("timestamp:float")
    times = [float(line.split("\t")[place]) for line in text[1:]]
    assert min(times) >= 0
    assert max(times) < 1e8


def test_matrices_and_weights_have_one_order(tmp_path) -> None:
    export_source(build_example(30), "lightfm", tmp_path / "out")
    ones, weights = (scipy.sparse.load_npz(tmp_path / "out" / f"train{end}.npz") for end in ("", "_weights"))
    assert (ones.row == weights.row).all()
    assert (ones.col == weights.col).all()
    assert set(ones.data.tolist()) == {1.0}
    features = scipy.sparse.load_npz(tmp_path / "out/item_features.npz")
    assert (features[:, :9].toarray() == np.eye(9)).all()  # eight items of events, one that has none
    names = pq.read_table(tmp_path / "out/item_feature_names.parquet")["name"].to_pylist()
    assert "category=fashion" in names
    assert not any(name.startswith("title=") for name in names)


def test_prompts_name_items_by_their_titles(tmp_path) -> None:
    source = build_source(
        build_events(3, 1, "train"), items=pa.table({"item": build_items()["item"], "title": build_items()["title"]})
    )
    export_source(source, "huggingface", tmp_path / "out")
    lines = pq.read_table(tmp_path / "out/prompts/train.parquet").to_pylist()
    last = source.train.to_pylist()[-1]
    assert lines[-1]["completion"] == f"A {last['item']}, fine: «{last['item']}» | x=1"
    assert len(lines) == 4  # three users, one synthetic history
    assert lines[-1]["prompt"].startswith("A user chose, in this order: A ")
    assert {line["weight"] for line in lines} == {0.5, 1.0}


def test_checksums_equal_published_values() -> None:
    assert compute_crc32c([b"123456789", b"", b"\0" * 32]).tolist() == [0xE3069283, 0, 0x8A9136AA]
    assert compute_masked_crc32c([struct.pack("<Q", 0)]) == [0x07980329]  # the length field of an empty TFRecord


def test_an_unknown_target_names_the_nearest(tmp_path) -> None:
    with pytest.raises(SpecError, match="did you mean 'recbole'"):
        export_source(build_example(3), "rec_bole", tmp_path / "out")


def test_a_folder_with_files_is_left_alone(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="choose another folder"):
        export_source(build_example(3), "implicit", tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch) -> None:
    def fail(*arguments, **options) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_files.FolderWriter, "write_parquet", fail)
    with pytest.raises(DataError, match="No space left on device"):
        export_source(build_example(3), "merlin", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_log_without_times_exports_where_times_are_not_needed(tmp_path) -> None:
    events = build_events(9, 1, "train").drop_columns("time")
    events = events.append_column("time", pa.nulls(len(events), pa.timestamp("us", "UTC")))
    source = build_source(events)
    for kind in sorted({*KINDS} - {"personalize", "rectools"}):
        fields = {"missing_rating", "missing_label"} & set(type(create_config("exports", kind)).__dataclass_fields__)
        export_source(source, create_config("exports", kind, dict.fromkeys(fields, 1.0)), tmp_path / kind)
    assert find_rules(source, "rectools") == {"column 'time' without a value": len(events)}


def test_clashing_column_names_are_one_error() -> None:
    table = pa.table([["u"], ["i"], ["j"]], names=["user", "item", "item"])
    with pytest.raises(DataError, match="twice"):
        build_source(table)
