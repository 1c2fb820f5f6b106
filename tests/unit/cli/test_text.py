"""`leaven text` previews text transforms on a user's own texts."""

import json
from pathlib import Path

import pytest

from leaven.cli.entry import run_command


@pytest.fixture
def items(tmp_path: Path) -> Path:
    file = tmp_path / "items.csv"
    file.write_text("id,name,brand\n1,Acme gentle soap 250ml,Acme\n2,Acme stylish lamp,Acme\n3,,Acme\n")
    return file


def test_changed_words_are_marked_and_unchanged_texts_counted(items: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["text", str(items), "--operator", "units", "--rows", "2"]) == 0
    told = capsys.readouterr().out
    assert "Acme gentle soap 250ml" in told
    assert "*" in told
    assert "no size with a unit" in told


def test_json_holds_pairs_and_counts(items: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["text", str(items), "--operator", "units", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["texts"] == 3
    assert found["changed"] == 1
    assert found["examples"][0]["before"] == "Acme gentle soap 250ml"
    assert found["unchanged"] == {"no size with a unit": 2}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--operator", "unit"], "units"),
        (["--column", "nam"], "name"),
        (["--operator", "synonyms", "--brand", "x"], "x"),
    ],
)
def test_invalid_names_get_a_suggestion(
    items: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["text", str(items), *more]) != 0
    assert said in capsys.readouterr().err


def test_fields_of_an_operator_can_be_set(items: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run_command(
            ["text", str(items), "--operator", "units", "--set", "rename_units=false", "--set", "p=0.0", "--json"]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["changed"] == 0
    assert run_command(["text", str(items), "--operator", "units", "--set", "rename_unts=false"]) == 2
    assert "rename_units" in capsys.readouterr().err


def test_a_dry_run_estimates_the_calls_of_a_language_model(items: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["text", str(items), "--operator", "endpoint", "--set", "url=http://127.0.0.1:9/v1", "--dry-run"]
    assert run_command([*asked, "--price", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["calls"] == "2"
    assert "price, about" in told
    assert run_command(["text", str(items), "--operator", "units", "--dry-run"]) == 2
    assert "language model" in capsys.readouterr().err
