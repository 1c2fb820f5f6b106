"""A spec drafted from files says what is in them."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from leaven.config import draft as specfile
from leaven.config import load_spec
from leaven.errors import DataError, SpecError

DATA = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))
needs_data = pytest.mark.skipif(not DATA.exists(), reason="LEAVEN_DATA names no folder with the real data")
LOG = "user_id,item_id,timestamp,price\nu1,i1,1318896000,2.5\nu2,i2,1318896001,3\n"
ITEMS = "item_id,title,category\ni1,Mug,kitchen\ni2,Lamp,light\n"


def drafted(folder: Path, *paths: str | Path, **given: str) -> dict[str, Any]:
    """The spec as its reader gets it."""
    target = specfile.write_draft(specfile.draft_log_spec([str(path) for path in paths], given), folder / "spec.toml")
    return tomllib.loads(target.read_text())


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_log_and_items_are_recognized_in_any_order(tmp_path: Path) -> None:
    log, items = written(tmp_path, "shop/log.csv", LOG), written(tmp_path, "shop/items.csv", ITEMS)
    data = drafted(tmp_path, items, log)["data"]
    assert data["interactions"] == "shop/log.csv"
    assert data["columns"] == {"user": "user_id", "item": "item_id", "time": "timestamp", "price": "price"}
    assert data["items"] == "shop/items.csv"
    assert data["item_columns"] == {"item": "item_id", "category": "category", "text": ["title"]}


def test_paths_start_from_the_folder_of_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "here/log.csv", LOG)
    monkeypatch.chdir(tmp_path / "here")
    target = specfile.write_draft(specfile.draft_log_spec(["log.csv"]), Path("../specs/spec.toml"))
    assert tomllib.loads(target.read_text())["data"]["interactions"] == "../here/log.csv"


def test_a_run_is_named_after_its_folder_where_the_file_is_called_like_any_other(tmp_path: Path) -> None:
    assert specfile.draft_log_spec([str(written(tmp_path, "books/interactions.csv", LOG))]).name == "books"
    assert specfile.draft_log_spec([str(written(tmp_path, "books/orders.csv", LOG))]).name == "orders"


def test_a_given_column_wins_over_the_guess(tmp_path: Path) -> None:
    log = written(tmp_path, "log.csv", "user_id,item_id,who,timestamp\nu1,i1,w1,1318896000\n")
    assert drafted(tmp_path, log, user="who")["data"]["columns"]["user"] == "who"
    with pytest.raises(SpecError) as caught:
        specfile.draft_log_spec([str(log)], {"user": "woh"})
    assert "'who'" in caught.value.fix


def test_a_log_without_a_user_column_asks_for_it(tmp_path: Path) -> None:
    log = written(tmp_path, "log.csv", "wer,item_id,timestamp\nu1,i1,1318896000\n")
    with pytest.raises(DataError) as caught:
        specfile.draft_log_spec([str(log)])
    assert "--user" in caught.value.fix
    assert "wer" in caught.value.fix


def test_two_logs_are_one_too_many(tmp_path: Path) -> None:
    logs = [str(written(tmp_path, name, LOG)) for name in ("a.csv", "b.csv")]
    with pytest.raises(DataError) as caught:
        specfile.draft_log_spec(logs)
    assert "a.csv" in caught.value.got


def test_items_alone_are_no_log(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        specfile.draft_log_spec([str(written(tmp_path, "items.csv", ITEMS))])
    assert "--user" in caught.value.fix


def test_a_spec_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    draft = specfile.draft_log_spec([str(written(tmp_path, "log.csv", LOG))])
    mine = written(tmp_path, "spec.toml", "# mine\n")
    with pytest.raises(SpecError):
        specfile.write_draft(draft, mine)
    assert mine.read_text() == "# mine\n"
    assert "[data]" in specfile.write_draft(draft, mine, force=True).read_text()


def test_odd_names_and_cells_stay_valid_toml(tmp_path: Path) -> None:
    log = written(tmp_path, 'odd "name".csv', 'user_id,item_id,timestamp,"pri ""ce\\"\n"a\nb",\x7fi1,1318896000,1\n')
    data = drafted(tmp_path, log)["data"]
    assert data["interactions"] == 'odd "name".csv'
    assert data["columns"]["user"] == "user_id"


def test_another_encoding_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(LOG.replace("i1", "café").encode("latin-1"))
    assert drafted(tmp_path, tmp_path / "log.csv")["data"]["encoding"]


def test_the_first_file_of_a_folder_speaks_for_all(tmp_path: Path) -> None:
    for day in ("1", "2"):
        written(tmp_path, f"days/{day}.csv", LOG)
    data = drafted(tmp_path, tmp_path / "days")["data"]
    assert data["interactions"] == "days"
    assert data["columns"]["item"] == "item_id"


def test_every_key_of_a_draft_is_a_key_of_the_spec(tmp_path: Path) -> None:
    log, items = written(tmp_path, "log.csv", LOG), written(tmp_path, "items.csv", ITEMS)
    target = specfile.write_draft(specfile.draft_log_spec([str(log), str(items)]), tmp_path / "spec.toml")
    spec = load_spec(target)
    assert [arm.name for arm in spec.variants] == ["crop a few", "markov histories"]
    assert spec.items is not None
    assert list(spec.items.text) == ["title"]


@needs_data
@pytest.mark.data
def test_the_retail_file_comes_out_right(tmp_path: Path) -> None:
    spec = drafted(tmp_path, DATA.resolve() / "online_retail.csv.gz")
    assert spec["name"] == "online_retail"
    assert spec["split"]["kind"] == "time"
    assert spec["data"]["columns"] == {
        "user": "CustomerID",
        "item": "StockCode",
        "time": "InvoiceDate",
        "quantity": "Quantity",
        "price": "UnitPrice",
        "order": "InvoiceNo",
        "text": "Description",
        "country": "Country",
    }


@needs_data
@pytest.mark.data
def test_the_beauty_files_come_out_right(tmp_path: Path) -> None:
    spec = drafted(tmp_path, *(DATA.resolve() / "beauty" / name for name in ("items.csv", "interactions.csv")))
    assert spec["name"] == "beauty"
    assert spec["data"]["columns"] == {"user": "user_id", "item": "item_id", "time": "timestamp"}
    assert spec["data"]["item_columns"] == {"item": "item_id", "attributes": "attributes", "text": ["title"]}
    assert "seconds since 1970" in (tmp_path / "spec.toml").read_text()


@needs_data
@pytest.mark.data
def test_one_user_a_line_has_no_times_to_split_by(tmp_path: Path) -> None:
    spec = drafted(tmp_path, DATA.resolve() / "sequences" / "Beauty.txt")
    assert spec["split"]["kind"] == "leave_one_out"
    assert "columns" not in spec["data"]


def test_a_draft_for_clicks_is_a_spec_that_reads(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,timestamp\na,x,1318896000\nb,y,1318899600\n")
    spec = load_spec(specfile.write_draft(specfile.draft_log_spec([str(log)]), tmp_path / "spec.toml", task="ctr"))
    assert (spec.task, spec.samples.ratio, type(spec.recommender).__name__) == ("ctr", 4, "Mlp")
    assert [arm.name for arm in spec.variants] == ["mixup", "copula, even classes"]
    with pytest.raises(SpecError, match="'clicks' is now 'ctr'"):
        specfile.write_draft(specfile.draft_log_spec([str(log)]), tmp_path / "other.toml", task="clicks")


def test_a_draft_for_a_labelled_table_names_its_columns(tmp_path: Path) -> None:
    ads = tmp_path / "ads.csv"
    ads.write_text("clicked,who,price\n1,a,3.5\n0,b,4.5\n")
    spec = load_spec(
        specfile.write_draft(
            specfile.draft_table_spec([str(ads)], "clicked", {"user": "who"}), tmp_path / "s.toml", task="ctr"
        )
    )
    assert (spec.data.label, spec.data.user, spec.data.time) == ("clicked", "who", "")
    assert type(spec.split).__name__ == "SampleUserSplit"
    with pytest.raises(SpecError, match="did you mean 'clicked'"):
        specfile.draft_table_spec([str(ads)], "clickt")
