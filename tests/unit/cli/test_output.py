"""Results on stdout: whole cells on a pipe, strict JSON."""

import json
from pathlib import Path

import numpy as np
import pytest

from leaven.cli import output
from leaven.simulator import Corruption


def test_piped_tables_keep_whole_cells_and_no_trailing_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    output.print_results(
        output.build_table(["name", ">figure"], [("a [b] c", 7), (long, 8)]), output.build_pairs({"key": long})
    )
    out = capsys.readouterr().out
    assert "a [b] c" in out
    assert out.count("x") == 600
    assert all(line == line.rstrip() for line in out.split("\n"))


def test_json_holds_plain_values_only(capsys: pytest.CaptureFixture[str]) -> None:
    value = {
        1: np.int64(3),
        "path": Path("a"),
        "nan": float("nan"),
        "dirt": Corruption(bots=0.5),
        "all": (np.arange(2),),
    }
    output.print_json(value)
    found = json.loads(capsys.readouterr().out)
    assert found["1"] == 3
    assert found["nan"] is None
    assert found["dirt"]["bots"] == 0.5
    assert found["all"] == [[0, 1]]


def test_hints_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_hint("leaven run [data]")
    assert capsys.readouterr() == ("", "→ leaven run [data]\n")
