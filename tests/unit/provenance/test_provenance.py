"""Lineage leads every synthetic row back to a real one; an erased user is in no file, even after interruptions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from leaven import rng
from leaven.augmentation import Plan, Step
from leaven.config import load_spec
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.experiment import run
from leaven.experiment.split_storage import load_split
from leaven.provenance import erase_users, erasure, trace_lineage
from leaven.provenance.mixed_rows import list_mixed_steps
from leaven.run_folder import RunFolder, create_run
from leaven.simulator import Corruption, Simulator
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.mixup import Mixup
from leaven.transforms.sequence.random_choice import OneOf

SPEC = """
name = "kept"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp", price = "price" }
items = "shop/items.csv"
item_columns = { item = "item_id", text = ["title"] }
[recommender]
kind = "popularity"
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
[[variant]]
name = "layers"
combine = "layered"
[[variant.step]]
use = "crop"
copies = { kind = "uniform", factor = 2.0 }
[[variant.step]]
use = "windows"
[[variant]]
name = "in place"
[[variant.step]]
use = "drop"
mode = "in_place"
[[variant.step]]
use = "markov"
where = "after"
filters = ["validity", "copies", "surprisal", "rank_fidelity", "quota"]
[[variant]]
name = "mixed"
[[variant.step]]
use = "mixup"
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """The folder of a finished run."""
    where = tmp_path_factory.mktemp("kept")
    Simulator(users=120, items=60, days=120, seed=4).build_world().write_files(
        where / "shop", Corruption.typical(), images=False
    )
    (where / "spec.toml").write_text(SPEC)
    return run(load_spec(where / "spec.toml"), where / "run").path


@pytest.fixture
def copy(kept, tmp_path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "run"))


def rows(folder: Path, name: str) -> Histories:
    return Histories.from_parquet(*sorted(folder.glob(f"variants/*/expanded/{name}-*.parquet")))


def of_arm(folder: Path, arm: str, place: str) -> Histories:
    return Histories.from_parquet(*sorted((folder / "variants" / arm / "expanded").glob(f"{place}-*.parquet")))


def users(folder: Path) -> dict[int, str]:
    """key -> user of the log."""
    names = [f"u{number:06d}" for number in range(1000)]
    return dict(zip(rng.derive_user_ids(names).tolist(), names, strict=True))


def a_test_user(folder: Path) -> str:
    """A user of the test and of the training part."""
    split = load_split(folder / "data")
    both = split.test.histories.row_ids[np.isin(split.test.histories.row_ids, split.train.row_ids)]
    return users(folder)[int(both[0])]


def test_the_lineage_of_a_second_layer_leads_through_the_first_to_the_real_row(kept) -> None:
    layers = {place: of_arm(kept, "layers", f"0{place}") for place in (0, 1, 2)}
    real, crops, windows = (set(layers[place].row_ids.tolist()) for place in (0, 1, 2))
    through = 0
    for row in range(0, len(layers[2]), max(1, len(layers[2]) // 8)):
        key = int(layers[2].row_ids[row])
        links = trace_lineage(kept, key).chains["layers"]
        assert int(links[0].row_id, 16) == key
        assert links[0].step == "windows"
        assert int(links[-1].source_row, 16) in real
        assert links[-1].source_row == links[-1].parent
        for link in links:
            assert set(link.preview.after) <= set(link.preview.before)
        through += len(links) == 2
        assert len(links) == 1 or int(links[1].row_id, 16) in crops
    assert through
    assert not windows & crops


def test_copy_and_part_are_those_of_the_step(kept) -> None:
    crops = of_arm(kept, "layers", "01")
    user = crops.parents[0]
    copies = [trace_lineage(kept, int(key)).chains["layers"][0].copy for key in crops.row_ids[crops.parents == user]]
    assert copies == [0, 1]
    windows = of_arm(kept, "layers", "02")
    of_one = windows.row_ids[windows.parents == user]
    found = [trace_lineage(kept, int(key)).chains["layers"][0] for key in of_one[:4]]
    assert [link.part for link in found] == [0, 1, 2, 3]


def test_filters_repeat_their_decisions_with_statistics(kept) -> None:
    made = of_arm(kept, "in-place", "02")
    link, *others = trace_lineage(kept, f"{int(made.row_ids[0]):016x}").chains["in place"]
    assert [one.filter for one in link.filters] == ["validity", "copy filter", "surprisal", "rank fidelity", "quota"]
    assert all(one.accepted for one in link.filters)
    figures = link.filters[2].statistics
    assert figures["at least"] <= figures["nats per event"] <= figures["at most"]
    assert [one.mode for one in others] in (["in_place"], [])  # drop may have left the row as it was


def test_a_user_leads_to_all_derived_rows(kept) -> None:
    user = a_test_user(kept)
    key = rng.derive_user_ids([user])[0]
    found = trace_lineage(kept, user)
    assert set(found.parts) >= {"train", "test"}
    made = of_arm(kept, "layers", "02")
    assert found.descendants["layers"]["windows"]["rows"] == int((made.parents == key).sum())
    assert found.descendants["layers"]["crop"]["rows"] == 2


def test_an_unknown_row_is_an_error(kept) -> None:
    with pytest.raises(DataError, match="'nobody'"):
        trace_lineage(kept, "nobody")


def everything(folder: Path) -> dict[str, bytes]:
    """All that an erasure rewrites."""
    files = [*folder.glob("data/*.parquet"), *folder.glob("variants/*/expanded/*.parquet"), folder / "records.parquet"]
    told = [*folder.glob("stages/*.json"), folder / "facts.json", folder / "erased.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted([*files, *told])}


def test_an_erased_user_is_in_no_file_and_other_rows_are_unchanged(kept, copy) -> None:
    user = a_test_user(kept)
    key = rng.derive_user_ids([user])[0]
    found = erase_users(copy, [user])
    for path in copy.glob("**/*.parquet"):
        if path.name not in ("catalog.parquet", "names.parquet", "records.parquet"):
            left, before = (Histories.from_parquet(one) for one in (path, kept / path.relative_to(copy)))
            assert not (left.row_ids == key).any()
            assert not (left.parents == key).any()
            others = before.take(np.isin(before.row_ids, left.row_ids))
            assert others.items.tolist() == left.items.tolist()
            if "mixed" not in path.parts:
                assert len(before) - len(left) == int(((before.row_ids == key) | (before.parents == key)).sum())
    assert found.removed_rows["train"] == 1
    assert key not in pq.read_table(copy / "records.parquet")["user"].to_pylist()
    assert user in pq.read_table(kept / "data/names.parquet")["user"].to_pylist()
    assert user not in pq.read_table(copy / "data/names.parquet")["user"].to_pylist()
    assert "variants/baseline/seed-1" in found.trained_models
    assert found.trained_steps == {"in place": ["markov"]}


def test_values_of_other_test_users_keep_their_users(kept, copy) -> None:
    user = a_test_user(kept)
    place = load_split(kept / "data").test.histories.row_ids.tolist().index(int(rng.derive_user_ids([user])[0]))
    erase_users(copy, [user])
    name = "variants/baseline/seed-1/values.npz"
    with np.load(kept / name) as before, np.load(copy / name) as after:
        assert after["ndcg@5"].tolist() == np.delete(before["ndcg@5"], place).tolist()
        assert len(load_split(copy / "data").test) == len(after["ndcg@5"])


def test_no_mixed_row_holds_an_item_that_comes_from_the_erased_user(kept, copy) -> None:
    user = a_test_user(kept)
    key = rng.derive_user_ids([user])[0]
    train = load_split(kept / "data").train
    lent = set(train.row_items(int(np.flatnonzero(train.row_ids == key)[0])).tolist())
    real = dict(zip(train.row_ids.tolist(), range(len(train)), strict=True))
    assert erase_users(copy, [user]).mixed_rows["mixed"] > 0
    left = of_arm(copy, "mixed", "01")
    for row in range(len(left)):
        own = set(train.row_items(real[int(left.parents[row])]).tolist())
        assert not (set(left.row_items(row).tolist()) - own) & lent


def test_nested_steps_that_mix_users_are_detected() -> None:
    plan = Plan(
        [Crop(), OneOf((Crop(), Mixup())), Step(Crop(), input="one of", name="after"), Step(Crop(), name="own")]
    )
    assert list_mixed_steps(plan) == {2, 3}


def test_an_interrupted_erasure_is_finished_by_repeating_it(kept, tmp_path, monkeypatch) -> None:
    user = a_test_user(kept)
    whole = Path(shutil.copytree(kept, tmp_path / "whole"))
    erase_users(whole, [user])
    written = Histories.write_file
    for allowed in (0, 2, 5, 9):
        cut = Path(shutil.copytree(kept, tmp_path / str(allowed)))
        left = [allowed]

        def failing(rows: Histories, path: Path, left: list[int] = left) -> None:
            if not left[0]:
                raise OSError("killed")
            left[0] -= 1
            written(rows, path)

        monkeypatch.setattr(Histories, "write_file", failing)
        with pytest.raises(OSError, match="killed"):
            erase_users(cut, [user])
        monkeypatch.setattr(Histories, "write_file", written)
        with pytest.raises(DataError, match="incomplete erasure"):
            create_run(cut, resume=True)
        erase_users(cut, [user])
        assert everything(cut) == everything(whole)
        create_run(cut, resume=True)


def test_an_unknown_or_erased_user_is_an_error_and_changes_nothing(kept, copy) -> None:
    before = {path: path.read_bytes() for path in copy.glob("**/*.*")}
    with pytest.raises(DataError, match="nobody"):
        erase_users(copy, ["nobody"])
    assert {path: path.read_bytes() for path in copy.glob("**/*.*")} == before
    user = a_test_user(kept)
    erase_users(copy, [user])
    with pytest.raises(DataError, match="erased before"):
        erase_users(copy, [user])


def test_an_erasure_that_empties_a_part_is_an_error(copy, monkeypatch) -> None:
    everyone = load_split(copy / "data").test.histories.row_ids.tolist()
    monkeypatch.setattr(erasure, "_hash_users", lambda users, config: dict.fromkeys(everyone, "all"))
    with pytest.raises(DataError, match="other users in test"):
        erase_users(copy, ["all"])


def test_examples_and_previews_of_the_user_are_removed(kept, copy) -> None:
    facts = json.loads((copy / "facts.json").read_text())
    quoted = [e["user"] for rule in facts["data"]["cleaning"] for e in rule["examples"] if "user" in e]
    known = set(users(kept).values()) & set(quoted)
    train = load_split(kept / "data").train
    there = {users(kept).get(key) for key in train.row_ids.tolist()}
    user = sorted(known & there)[0]
    erase_users(copy, [user])
    for path in (copy / "facts.json", copy / "stages" / "data.json", copy / "report.html"):
        assert path.suffix == ".html" or user in (kept / path.relative_to(copy)).read_text()
        assert user not in path.read_text()


def test_an_erased_user_stays_out_of_a_repeated_split(kept, copy) -> None:
    user = a_test_user(kept)
    key = rng.derive_user_ids([user])[0]
    erase_users(copy, [user])
    (copy / "stages" / "data.json").unlink()
    run(load_spec(copy / "spec.toml"), copy, resume=True)
    split = load_split(copy / "data")
    assert key not in split.train.row_ids
    assert key not in split.test.histories.row_ids
    assert RunFolder(copy).read_facts().comparison
