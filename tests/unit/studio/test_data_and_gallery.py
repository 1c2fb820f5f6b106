"""The pages Data and Gallery show the user's rows, and say what is wrong where it is."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from leaven.studio.controls import list_controls, read_values
from leaven.studio.gallery import Gallery, GalleryRequest
from leaven.studio.loaded_data import DataCache
from leaven.studio.log_sample import sample_log
from leaven.studio.workspace import Workspace
from unit.studio.pages import open_client, write_log


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_log(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def client(log: list[str], tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return open_client(Workspace.open(log, tmp_path_factory.mktemp("work")))


def test_columns_are_guessed_with_cells_of_them(client: TestClient) -> None:
    page = client.get("/data").text
    chosen = re.search(r'name="column:user_id".*?</select>', page, re.S)
    assert chosen
    assert '<option value="user" selected>' in chosen[0]
    assert "images/i00001.png" in page


def test_health_counts_what_each_rule_drops(client: TestClient) -> None:
    page = client.get("/data/health").text
    assert "Duplicates" in page
    assert page.count("<svg") == 5
    assert "Valid targets" in page


def test_a_switch_of_cleaning_changes_the_spec_and_the_counts(log: list[str], tmp_path: Path) -> None:
    space = Workspace.open(log, tmp_path / "work")
    client = open_client(space)
    client.post("/data/clean", data={"duplicates": "false", "min_user_events": "2"})
    clean = space.document.parse().clean
    assert (clean.duplicates, clean.min_user_events) == (False, 2)
    rules = {rule["rule"]: rule for rule in DataCache(space.folder).load(space.document.parse()).rules}
    assert "duplicates" not in rules or not rules["duplicates"]["dropped"]


def test_a_column_can_be_corrected(log: list[str], tmp_path: Path) -> None:
    space = Workspace.open(log, tmp_path / "work")
    form = {"table": "data.columns", "column:user_id": "user", "column:item_id": "item", "column:timestamp": "time"}
    open_client(space).post("/data/columns", data=form | {"column:price": "value"})
    spec = space.document.parse()
    assert dict(spec.data.columns) == {"user": "user_id", "item": "item_id", "time": "timestamp", "value": "price"}
    assert "# " in space.document.text


def test_an_edit_of_an_older_version_is_refused(log: list[str], tmp_path: Path) -> None:
    space = Workspace.open(log, tmp_path / "work")
    client = open_client(space)
    old = space.revision
    assert client.post("/data/clean", data={"revision": old, "min_user_events": "3"}).status_code == 200
    answer = client.post("/data/clean", data={"revision": old, "min_user_events": "4"})
    assert answer.status_code == 422
    assert space.document.parse().clean.min_user_events == 3


def test_a_file_that_is_no_table_says_so_where_it_was_opened(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "noise.csv").write_bytes(bytes(range(256)) * 20)
    space = Workspace.open([], tmp_path / "work")
    space.roots = (*space.roots, tmp_path / "shop")
    page = open_client(space).post("/data/open", data={"file": str(tmp_path / "shop" / "noise.csv")})
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert "noise.csv" in page.text


@pytest.mark.parametrize("modality", ["sequence", "text", "image", "tabular"])
def test_every_modality_has_a_gallery_of_own_rows(client: TestClient, modality: str) -> None:
    page = client.get(f"/gallery?modality={modality}").text
    assert page.count('<article class="row"') == 20
    assert "data-reseed" in page


def test_a_seed_changes_the_draws_and_not_the_rows(log: list[str], tmp_path: Path) -> None:
    space = Workspace.open(log, tmp_path / "work")
    data, gallery = DataCache(space.folder).load(space.document.parse()), Gallery(space)
    shown = [
        gallery.show_rows(data, GalleryRequest("sequence", "transforms", "mask", {}, seed=seed)) for seed in (1, 2, 1)
    ]
    assert [row.before_texts for row in shown[0]] == [row.before_texts for row in shown[1]]
    assert [row.after for row in shown[0]] != [row.after for row in shown[1]]
    assert shown[0] == shown[2]


def test_strength_0_changes_nothing_and_says_why(client: TestClient) -> None:
    page = client.get("/gallery?modality=sequence&family=transforms&kind=crop&strength=0").text
    assert page.count("the draw left it as it was") + page.count("shorter than 3 events") == 20


def test_a_value_that_the_operator_refuses_is_an_error_on_the_page(client: TestClient) -> None:
    page = client.get("/gallery?modality=sequence&family=transforms&kind=crop&keep_range.0=0.5&keep_range.1=7")
    assert page.status_code == 200
    assert 'role="alert"' in page.text


def test_an_unknown_operator_is_an_error_on_the_page(client: TestClient) -> None:
    assert "crop" in client.get("/gallery?modality=sequence&family=transforms&kind=crpo").text


def test_a_saved_page_needs_nothing_else(client: TestClient) -> None:
    answer = client.get("/gallery?modality=image&family=image_transforms&kind=erase&save=1")
    assert "attachment" in answer.headers["content-disposition"]
    assert "<script" not in answer.text
    assert 'href="/static' not in answer.text
    assert "data:image/png;base64," in answer.text


def test_ranges_of_sliders_are_what_a_class_accepts() -> None:
    keep, unit, *_ = list_controls("transforms", "crop")
    assert (keep.form, keep.minimum, keep.maximum) == ("range", 0.0, 1.0)
    assert unit.choices == ("share", "events", "seconds")
    (max_events, *_) = list_controls("transforms", "truncate")
    assert (max_events.minimum, max_events.is_integer) == (2.0, True)


def test_a_form_with_the_defaults_is_an_empty_table() -> None:
    controls = list_controls("transforms", "crop")
    form = {name: value for one in controls for name, value in zip(one.inputs, one.default, strict=True)}
    assert read_values(controls, form) == {}


def test_a_large_log_is_sampled_by_user(log: list[str], tmp_path: Path) -> None:
    space = Workspace.open(log, tmp_path / "work")
    source = space.document.parse().data
    sampled = sample_log(source, tmp_path / "samples", max_bytes=Path(log[0]).stat().st_size // 3)
    lines = Path(str(sampled.source.interactions)).read_text().splitlines()
    held = {line.split(",")[0] for line in lines[1:]}
    whole = [line.replace('"', "") for line in Path(log[0]).read_text().splitlines()[1:]]
    assert sampled.one_in == 4
    assert 5 < len(held) < 100
    assert len(lines) - 1 == sum(line.split(",")[0] in held for line in whole)
    assert sample_log(source, tmp_path / "samples").one_in == 1
