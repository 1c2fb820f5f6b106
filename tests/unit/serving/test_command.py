"""`leaven export RUN --to onnx` and `leaven serve` on the command line."""

import json
from pathlib import Path

import pytest

from leaven.cli.entry import run_command
from leaven.errors import EXIT_DATA, EXIT_SPEC
from leaven.recommenders import ItemKnn
from leaven.serving import Query
from leaven.serving import Scorer as LoadedScorer
from leaven.serving.standalone_scorer import Scorer
from unit.serving.runs import build_catalog, write_run


def test_a_trained_model_is_exported_with_its_license(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = write_run(tmp_path / "run", ItemKnn()), tmp_path / "out"
    options = ["export", str(run), "--to", "onnx", "--out", str(out), "--set", "license=CC0-1.0", "--json"]
    assert run_command(options) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["license"] == "CC0-1.0"
    assert printed["exact"]["same_items"] == 1.0
    assert set(printed["files"]) == {"arrays.npz", "items.json", "model_card.md", "scorer.py"}
    assert len(Scorer(out).recommend(["i03"], 5)) == 5


def test_errors_of_exports_and_of_the_server_have_their_exit_codes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ItemKnn())
    assert run_command(["export", str(run), "--to", "onnx", "--out", str(run)]) == EXIT_DATA
    wrong = ["export", str(run), "--to", "onnx", "--out", str(tmp_path / "new"), "--set", "width=3"]
    assert run_command(wrong) == EXIT_SPEC
    assert not (tmp_path / "new").exists()
    assert run_command(["serve", str(tmp_path / "nothing")]) == EXIT_DATA
    assert run_command(["serve", str(run), "--variant", "basline"]) == EXIT_DATA


def test_a_list_for_a_user_has_own_ids_and_titles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", ItemKnn())
    expected = LoadedScorer.load(run).answer([Query(user="user-7", k=4)])[0]
    assert run_command(["recommend", str(run), "--user", "user-7", "-k", "4", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    titles = dict(zip(build_catalog().ids, build_catalog().texts["title"], strict=True))
    assert [one["item"] for one in printed["items"]] == list(expected.items)
    assert [one["title"] for one in printed["items"]] == [titles[item] for item in expected.items]
    assert run_command(["recommend", str(run), "--items", "i03, i04"]) == 0
    out = capsys.readouterr().out
    assert f"2 events, the last: {titles['i03']} | {titles['i04']}" in out


def test_unknown_users_and_items_of_a_list_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", ItemKnn())
    assert run_command(["recommend", str(run)]) == EXIT_SPEC
    assert run_command(["recommend", str(run), "--user", "nobody"]) == EXIT_DATA
    assert "nobody" in capsys.readouterr().err
    assert run_command(["recommend", str(run), "--items", "i03,i4"]) == EXIT_DATA
    assert "did you mean" in capsys.readouterr().err
