"""`leaven images` previews image transforms on a user's own images."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import leaven
from leaven.cli.entry import run_command
from leaven.simulator.item_generation import draw_image, encode_png

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in range(5):
        (tmp_path / f"{place}.png").write_bytes(encode_png(draw_image(place, (40, 90, 200), place, place)))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    lines = ["id,title,brand,image", "a,red towel,,0.png", "b,lamp,,1.png", "c,cup,Acme,gone.png", "d,plate,,"]
    (tmp_path / "items.csv").write_text("\n".join(lines))
    return tmp_path


def test_the_page_of_a_folder_holds_all_images_and_no_script(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "seen" / "page.html"
    asked = ["--operator", "rotate", "--operator", "noise", "--rows", "3", "--views", "2", "--out", str(out)]
    assert run_command(["images", str(folder), *asked]) == 0
    told, page = capsys.readouterr().out, out.read_text()
    assert "not read: not an image, or a broken one" in told
    assert told.rstrip().endswith("page.html")
    assert page.count("<img") == 2 * 3 * 3
    assert page.count('src="data:image/png') == page.count("<img")
    assert "angle_range = [-30.0, 30.0]" in page
    assert "broken.jpg" in page
    assert "<script" not in page


def test_the_page_shows_the_parameters_of_a_chain(folder: Path) -> None:
    assert run_command(["images", str(folder), "--rows", "1", "--out", str(folder / "page.html")]) == 0
    assert "{ use = &#34;rotate&#34;, angle_range = [-15.0, 15.0]" in (folder / "page.html").read_text()


def test_item_texts_protect_colors_and_missing_files_are_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--operator", "hue", "--set", "angle_range=[90, 90]", "--json", "--out", str(folder / "x.html")]
    assert run_command(["images", str(folder / "items.csv"), *asked]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["pictures"], found["changed"]) == (2, 1)
    assert found["unchanged"] == {"its text names a color": 1}
    assert found["unread"] == {"no such file": [str(folder / "gone.png")], "no path": [""]}


def test_a_sheet_names_its_rows(folder: Path) -> None:
    out = folder / "sheet.png"
    assert run_command(["images", str(folder), "--rows", "2", "--views", "3", "--size", "40", "--out", str(out)]) == 0
    sheet = cv2.imread(str(out))
    assert sheet.shape == (2 * 44 + 4 + 22, 4 * 44 + 8 + 132, 3)
    assert all((sheet[22 + 44 * row : 66 + 44 * row, :132] < 128).any() for row in range(2))


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_all_operators_on_a_folder_give_one_sheet_that_fits_a_screen(
    tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in range(count):
        picture = draw_image(place % 8, (40, 90, 200), place, place)
        cv2.imwrite(str(tmp_path / f"{place}.jpg"), cv2.resize(picture, (100 + 10 * place, 180 - 9 * place)))
    out = tmp_path / "sheet.png"
    assert run_command(["images", str(tmp_path), "--operator", "all", "--json", "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["operator"] for one in found] == list(leaven.list_kinds("image_transforms"))
    assert {one["pictures"] for one in found} == {count}
    height, width, _ = cv2.imread(str(out)).shape
    assert height <= 1080
    assert width <= 1920


def test_many_large_images_are_scaled_down_to_a_screen(folder: Path) -> None:
    out = folder / "sheet.png"
    assert run_command(["images", str(folder), "--size", "400", "--views", "9", "--out", str(out)]) == 0
    height, width, _ = cv2.imread(str(out)).shape
    assert (height <= 1080, width <= 1920) == (True, True)


def test_views_are_saved_with_their_origin(folder: Path) -> None:
    asked = ["--operator", "flip", "--views", "2", "--out", str(folder / "x.html"), "--save", str(folder / "made")]
    assert run_command(["images", str(folder), *asked]) == 0
    lines = list(csv.DictReader((folder / "made" / "flip" / "views.csv").read_text().splitlines()))
    assert len(lines) == 5 * 2
    assert {Path(line["source"]).name for line in lines} == {f"{place}.png" for place in range(5)}
    for line in lines:
        made = cv2.imread(str(folder / "made" / "flip" / line["file"])).astype(float)
        before = cv2.resize(cv2.imread(line["source"]), (112, 112)).astype(float)
        assert min(np.abs(made - one).mean() for one in (before, before[:, ::-1])) < 3
    assert not list((folder / "made").rglob("*.part"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--operator", "rotat"], "rotate"),
        (["--operator", "rotate", "--set", "angle=[1, 2]"], "angle_range"),
        (["--operator", "rotate", "--set", "fill=mirror"], "reflect"),
        (["--out", "x.pdf"], ".html or .png"),
    ],
)
def test_invalid_options_get_a_suggestion(
    folder: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["images", str(folder), *more]) == 2
    assert said in capsys.readouterr().err


def test_a_table_without_images_is_an_error_with_its_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "items.csv").write_text("id,title\na,cup\n")
    assert run_command(["images", str(tmp_path / "items.csv")]) == 3
    assert "id, title" in capsys.readouterr().err


def test_images_are_previewed_from_python(folder: Path) -> None:
    seen = leaven.preview_images(folder, leaven.RotateImage((90, 90)), rows=2)
    assert seen.after.shape == (2, 5, 112, 112, 3)
    assert np.array_equal(seen.after[0, 3], np.rot90(seen.before[0]))
    assert seen.n_changed == 5
    items = leaven.Catalog(
        ["a", "b"], {"title": ["red cup", "cup"]}, image_paths=["0.png", "1.png"], image_folder=folder
    )
    assert leaven.preview_images(items, "saturation").unchanged == {"its text names a color": 1}
