"""The studio refuses other sites, wrong tokens, outside paths and oversize uploads, and escapes texts."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from leaven.errors import SpecError
from leaven.studio.application import build_app
from leaven.studio.workspace import Workspace
from unit.studio.pages import HOST, TOKEN, open_client

LOG = "user,item,time\n" + "".join(f"u{n % 7},i{n % 5},{1600000000 + 1000 * n}\n" for n in range(70))


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "log.csv").write_text(LOG)
    (tmp_path / "private.csv").write_text(LOG)
    return Workspace.open([str(tmp_path / "shop" / "log.csv")], tmp_path / "work")


def test_the_token_moves_into_a_cookie_that_scripts_cannot_read(space: Workspace) -> None:
    client = TestClient(build_app(space, TOKEN), base_url=HOST)
    answer = client.get(f"/data?token={TOKEN}&x=1", follow_redirects=False)
    assert answer.headers["location"] == "/data?x=1"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]
    assert client.get("/data").status_code == 200


@pytest.mark.parametrize("address", ["/data", "/data?token=wrong", "/static/studio.js", "/gallery?token="])
def test_a_request_without_the_token_is_refused(space: Workspace, address: str) -> None:
    assert TestClient(build_app(space, TOKEN), base_url=HOST).get(address).status_code == 401


def test_other_hosts_and_origins_are_refused(space: Workspace) -> None:
    client = open_client(space)
    assert client.get("/data", headers={"host": "evil.example"}).status_code == 421
    assert client.post("/data/clean", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/data/clean", headers={"origin": "null"}).status_code == 403
    crossing = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/data", headers=crossing).status_code == 403


def test_every_answer_allows_nothing_from_outside(space: Workspace) -> None:
    answer = open_client(space).get("/data")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert "https://" not in answer.text


@pytest.mark.parametrize("name", ["../private.csv", "{outside}", "../../etc/passwd", "~/log.csv"])
def test_a_spec_cannot_name_files_outside_of_the_folders(space: Workspace, tmp_path: Path, name: str) -> None:
    text = name.format(outside=tmp_path / "private.csv")
    before = space.document.text
    with pytest.raises(SpecError):
        space.write_spec(space.document.set_value(["data", "interactions"], text))
    assert space.document.text == before


def test_an_operator_cannot_read_outside_of_the_folders(space: Workspace, tmp_path: Path) -> None:
    address = "/gallery?modality=sequence&family=transforms&kind=substitute&neighbors={}"
    table = f'{{ vectors = "{tmp_path / "private.csv"}" }}'
    assert "expected a path below" in open_client(space).get(address.format(table)).text


def test_a_link_that_leaves_the_folder_is_not_followed(space: Workspace, tmp_path: Path) -> None:
    (tmp_path / "shop" / "link.csv").symlink_to(tmp_path / "private.csv")
    with pytest.raises(SpecError):
        space.start_spec([str(tmp_path / "shop" / "link.csv")])
    assert "link.csv" not in str(space.list_data_files())


def test_files_outside_cannot_be_opened_by_a_form(space: Workspace, tmp_path: Path) -> None:
    client = open_client(space)
    page = client.post("/data/open", data={"file": str(tmp_path / "private.csv")})
    assert "expected a path below" in page.text
    assert client.get("/static/..%2f..%2fapp.py").status_code == 404


def test_uploads_keep_within_their_folder_and_size(space: Workspace) -> None:
    client = open_client(space, max_upload_bytes=5000)
    answer = client.post("/upload?name=..%2F..%2Fnew.csv", content=LOG)
    assert answer.status_code == 200
    assert Path(answer.text).parent == space.folder / "uploads"
    assert client.post("/upload?name=big.csv", content="x" * 6000).status_code == 413
    assert client.post("/upload?name=page.html", content="x").status_code == 422
    assert not list((space.folder / "uploads").glob("*.part"))


def test_an_upload_without_a_stated_length_is_limited_too(space: Workspace) -> None:
    client = open_client(space, max_upload_bytes=5000)
    assert client.post("/upload?name=big.csv", content=iter([b"x" * 4000] * 3)).status_code == 413
    assert not list((space.folder / "uploads").iterdir())


def test_scripts_in_file_names_and_cells_are_shown_as_text(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.csv"
    (tmp_path / name).write_text(LOG.replace("i1,", "<script>alert(1)</script>,"))
    page = open_client(Workspace.open([str(tmp_path / name)], tmp_path / "work")).get("/data").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert" in page
