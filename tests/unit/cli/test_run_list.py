"""Run folders are listed with their state; plans are drawn."""

import json
from pathlib import Path

from leaven.augmentation import Plan, Step
from leaven.cli.entry import run_command
from leaven.report.plan_diagram import build_plan_graph, render_mermaid
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Mask


def test_unfinished_and_unreadable_runs_are_listed(tmp_path, capsys) -> None:
    for name, facts in (("first", None), ("second", "{}")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "lock.json").write_text("{}")
        if facts:
            (folder / "facts.json").write_text(facts)
    assert run_command(["runs", str(tmp_path / "runs"), "--json"]) == 0
    states = {Path(run["folder"]).name: run["state"] for run in json.loads(capsys.readouterr().out)}
    assert states == {"first": "unfinished", "second": "unreadable"}
    assert run_command(["runs", str(tmp_path / "runs"), "--json", "--contains", "first"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert run_command(["runs", str(tmp_path / "runs"), "--json", "--finished"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_diagram_shows_what_each_step_reads() -> None:
    plan = Plan([Step(Mask(), mode="in_place"), Step(Crop(), weight=0.5)])
    lines = [line.strip() for line in render_mermaid(build_plan_graph(plan)).splitlines()]
    assert "real --> step1" in lines
    assert "step1 --> step2" in lines
    assert "step2 -->|adds| training" in lines
    assert "step1 --> training" in lines
    assert any("weight 0.5" in line for line in lines)
