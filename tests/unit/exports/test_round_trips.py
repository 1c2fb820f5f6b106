"""Every export reads back equal, as far as its manifest does not say that something is lost."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from leaven.exports import export_source, load_export
from leaven.exports.export_folder import select_rows
from leaven.exports.source import ExportSource
from leaven.registry import create_config, list_kinds, load_kind

from .sources import build_example, build_samples

KINDS = sorted(list_kinds("exports"))
MIN_USERS = 300  # Personalize wants 1,000 events


def normalize(table: pa.Table, time_unit: str) -> list[dict]:
    """Rows as plain values at the precision of the target."""
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        if name == "time" and time_unit == "s" and pa.types.is_timestamp(column.type):
            column = pc.floor_temporal(column, unit="second")
        if pa.types.is_floating(column.type):
            column = pa.array([None if v is None else float(np.float32(v)) for v in column.to_pylist()])
        columns[name] = column
    return pa.table(columns).to_pylist()


def options_of(kind: str) -> dict:
    """Synthetic rows of the example have no value: some targets have to be given one."""
    names = load_kind("exports", kind).__dataclass_fields__
    return {name: 1.0 for name in ("missing_rating", "missing_label") if name in names}


def expect_rows(source: ExportSource, loaded: ExportSource, kind: str, filled: set[str]) -> None:
    """filled: columns whose nulls the target replaces, as the manifest says."""
    traits = load_kind("exports", kind).traits
    shaped = select_rows(source, traits)
    for part, table in loaded.parts.items():
        names = [name for name in table.column_names if name != "known"]
        held = {name for name in shaped.columns if traits.holds_column(name)} - {"time", "position", "is_target"}
        if source.has_events and kind not in ("libsvm", "libffm", "vw", "fuxictr"):
            assert held <= set(names), f"{held - set(names)} is lost without a word"
        names = [name for name in names if name in shaped.columns]
        expected = normalize(shaped.parts[part].select(names), traits.time_unit)
        found = normalize(table.select(names), traits.time_unit)
        for row, other in zip(expected, found, strict=True):
            assert {k: v for k, v in row.items() if v is not None or k not in filled} == {
                k: v for k, v in other.items() if row[k] is not None or k not in filled
            }


@pytest.mark.parametrize("ids", ["own", "numbers"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if load_kind("exports", kind).traits.rows != "pairs"])
def test_events_read_back_equal(kind, ids, tmp_path) -> None:
    source = build_example(MIN_USERS)
    manifest = export_source(source, create_config("exports", kind, options_of(kind)), tmp_path / "out", ids)
    loaded = load_export(tmp_path / "out")
    assert set(loaded.parts) == {"train", "valid", "test"}
    expect_rows(source, loaded, kind, {one.column for one in manifest.lost})
    assert {"origin", "step", "parent", "weight"} <= set(loaded.columns)
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == sorted(
        [*(file.path.rpartition("/")[2] for file in manifest.files), "manifest.json"]
    )
    if load_kind("exports", kind).traits.has_items and loaded.items is not None:
        columns = loaded.items.column_names
        shared = [name for name in source.items.column_names if name in columns]
        assert normalize(loaded.items.select(shared), "") == normalize(source.items.select(shared), "")
    assert loaded.item_views.to_pylist() == source.item_views.to_pylist()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if load_kind("exports", kind).traits.rows == "pairs"])
def test_pairs_read_back_with_the_sums_of_their_weights(kind, tmp_path) -> None:
    source = build_example(30)
    export_source(source, kind, tmp_path / "out")
    loaded = load_export(tmp_path / "out")
    keys = ["user", "item", *(["kind"] if "kind" in loaded.columns else [])]
    for part, table in select_rows(source, load_kind("exports", kind).traits).parts.items():
        plain = pa.table({name: table[name].cast(pa.string()) for name in keys} | {"weight": table["weight"]})
        if "kind" in keys:
            plain = plain.set_column(2, "kind", pc.fill_null(plain["kind"], "read"))
        sums = {
            tuple(row[k] for k in keys): row["weight_sum"]
            for row in plain.group_by(keys).aggregate([("weight", "sum")]).to_pylist()
        }
        found = {tuple(row[k] for k in keys): row["weight"] for row in loaded.parts[part].to_pylist()}
        assert found == pytest.approx(sums)


@pytest.mark.parametrize("kind", ["fuxictr", "libsvm", "libffm", "vw"])
def test_samples_of_a_feature_table_read_back_equal(kind, tmp_path) -> None:
    source = build_samples()
    options = {"loss": "logistic"} if kind == "vw" else {}
    export_source(source, create_config("exports", kind, options), tmp_path / "out")
    loaded = load_export(tmp_path / "out")
    for part, table in loaded.parts.items():
        assert set(table.column_names) == set(source.columns)
        names = list(source.columns)
        assert normalize(table.select(names), "") == normalize(source.parts[part].select(names), "")


def test_lists_hold_the_events_before_each_target(tmp_path) -> None:
    source = build_example(12)
    export_source(source, create_config("exports", "recbole_sequential", {"max_length": 3}), tmp_path / "out")
    loaded = load_export(tmp_path / "out").train.to_pylist()
    events = source.train.to_pylist()
    expected = []
    for place, event in enumerate(events):
        if event["is_target"] and event["position"]:
            known = [one["item"] for one in events[:place] if one["user"] == event["user"]]
            expected.append((event["user"], known[-3:], event["item"]))
    assert [(row["user"], row["known"], row["item"]) for row in loaded] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_lists_files_rows_and_losses(kind, tmp_path) -> None:
    source = build_example(MIN_USERS)
    manifest = export_source(source, create_config("exports", kind, options_of(kind)), tmp_path / "out")
    content = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert content["target"] == kind
    assert content["usage"]
    assert content["library"]
    assert content["facts"]["log"] == "example"
    traits = load_kind("exports", kind).traits
    lost = {one.column for one in manifest.lost}
    for name in ("quantity", "kind", "value", "time"):
        assert traits.holds_column(name) or name in lost
    if traits.time_unit == "s" and traits.holds_column("time"):
        assert "time" in lost
