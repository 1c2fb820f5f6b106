"""Edits of a plan by cards and in its text are the same plan; errors stay where they are."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from leaven.errors import SpecError
from leaven.studio.loaded_data import DataCache
from leaven.studio.plan_page import build_plan
from leaven.studio.spec_document import SpecDocument
from leaven.studio.workspace import Workspace
from unit.studio.pages import open_client, write_log


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_log(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def space(log: list[str], tmp_path: Path) -> Workspace:
    return Workspace.open(log, tmp_path / "work")


@pytest.fixture
def client(space: Workspace) -> TestClient:
    return open_client(space)


def list_uses(space: Workspace, variant: int = 0) -> list[str]:
    return [step["use"] for step in space.document.list_variants()[variant].get("step", [])]


def test_steps_are_added_moved_and_removed_with_their_comments(space: Workspace, client: TestClient) -> None:
    client.post("/plan/edit", data={"edit": "add_step", "variant": "0", "kind": "mask"})
    assert list_uses(space) == ["crop", "mask"]
    client.post("/plan/edit", data={"edit": "move_step", "variant": "0", "step": "1", "place": "0"})
    assert list_uses(space) == ["mask", "crop"]
    assert "# share of changed histories" in space.document.text
    client.post("/plan/edit", data={"edit": "remove_step", "variant": "0", "step": "0"})
    assert list_uses(space) == ["crop"]


def test_a_card_changes_only_what_was_changed(space: Workspace, client: TestClient) -> None:
    before = space.document.text.splitlines()
    page = client.get("/plan").text
    assert 'name="p" id="c0-0-p"' in page
    shown = {"mode": "in_place", "when": "each_epoch", "copies": "", "strength": "", "weight": "", "filters": ""}
    client.post("/plan/step", data={"variant": "0", "step": "0", **shown, "p": "0.6", "keep_range.0": "0.6"})
    after = space.document.text.splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert changed[0][1].startswith("p = 0.6")


def test_a_schedule_is_drawn_as_a_curve(space: Workspace, client: TestClient) -> None:
    form = {"mode": "in_place", "when": "each_epoch", "strength": '{ kind = "linear" }'}
    client.post("/plan/step", data={"variant": "0", "step": "0", **form})
    curve = build_plan(space, None).variants[0].cards[0].curve
    assert curve.startswith("0.0,29.0")
    assert curve.endswith("100.0,1.0")


def test_an_invalid_edit_stays_as_a_draft_at_its_card(space: Workspace, client: TestClient) -> None:
    stored = space.document.text
    page = client.post("/plan/step", data={"variant": "0", "step": "0", "mode": "in_place", "when": "once", "p": "0.2"})
    assert page.status_code == 200
    view = build_plan(space, None)
    assert view.error is not None
    assert "during" in view.error["where"]
    assert view.variants[0].cards[0].error is not None
    assert view.variants[1].cards[0].error is None
    assert space.document.text == stored
    client.post("/plan/undo")
    assert build_plan(space, None).error is None


def test_a_text_that_is_not_toml_is_kept_and_located(space: Workspace, client: TestClient) -> None:
    text = space.document.text.replace('kind = "time" ', "kind = time ")
    client.post("/plan/text", data={"text": text, "revision": space.revision})
    view = build_plan(space, None)
    assert view.text == text
    assert view.line == 1 + text.splitlines().index(next(one for one in text.splitlines() if "kind = time" in one))


def test_text_and_cards_are_two_sides_of_one_plan(space: Workspace, client: TestClient) -> None:
    text = space.document.text + '\n[[variant]]\nname = "<b>mine</b>"\n[[variant.step]]\nuse = "reverse"\n'
    client.post("/plan/text", data={"text": text.replace("\n", "\r\n"), "revision": space.revision})
    assert space.document.text == text
    page = client.get("/plan").text
    assert "3. reverse" not in page
    assert "1. reverse" in page
    assert "<b>mine" not in page


def test_counts_are_those_of_the_strategies(space: Workspace) -> None:
    data = DataCache(space.folder).load(space.document.parse())
    assert data.train is not None
    view = build_plan(space, data)
    assert view.variants[1].total == f"+ {round(0.2 * len(data.train)):,}"
    assert view.trainings == 12


def test_the_gallery_adds_its_operator_with_its_fields(space: Workspace, client: TestClient) -> None:
    form = {"kind": "mask", "fields": '{"share_range": [0.4, 0.5]}'}
    client.post("/plan/add", data=form)
    client.post("/plan/add", data={"kind": "text.delete", "fields": "{}"})
    (variant,) = [one for one in space.document.list_variants() if one["name"] == "from the gallery"]
    assert variant["step"] == [{"use": "mask", "share_range": [0.4, 0.5]}, {"use": "text.delete"}]


def test_a_spec_of_a_run_is_edited_as_a_copy(space: Workspace, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    (run / "lock.json").write_text("{}")
    (run / "spec.toml").write_text(space.document.text)
    opened = Workspace.open([str(run)], tmp_path / "other")
    assert opened.spec == tmp_path / "other" / "first.toml"


def test_another_spec_is_loaded_from_the_folders_only(space: Workspace, client: TestClient, tmp_path: Path) -> None:
    other = space.folder / "other.toml"
    other.write_text(space.document.text.replace('name = "', 'name = "other '))
    client.post("/plan/open", data={"spec": str(other)})
    assert space.spec == other
    (tmp_path / "outside.toml").write_text(other.read_text())
    assert client.post("/plan/open", data={"spec": str(tmp_path / "outside.toml")}).status_code == 422
    assert space.spec == other


def test_an_edit_of_broken_text_says_to_correct_it_first() -> None:
    with pytest.raises(SpecError, match="correct the text first"):
        SpecDocument("a = ", Path()).set_value(["b"], 1)


def test_a_full_disk_loses_no_edit(space: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    stored, text = space.document.text, space.document.text.replace("seed = 7", "seed = 8")
    with monkeypatch.context() as patched:
        patched.setattr("leaven.studio.workspace.write_text", fail)
        answer = client.post("/plan/text", data={"text": text, "revision": space.revision})
    assert answer.status_code == 422
    assert "No space left" in answer.text
    assert space.document.text == stored
    assert build_plan(space, None).text == text
