"""Tables of rows, specs and the statistics of a log."""

import dataclasses
import inspect
from dataclasses import replace

import pytest

from leaven.augmentation.row_previews import PreviewedRow, RowPreviews
from leaven.cli import data_commands, output
from leaven.cli.profile_view import format_profile
from leaven.cli.row_tables import format_previews, format_row_counts
from leaven.cli.runs import format_dry_run
from leaven.display import draw_sparkline
from leaven.experiment.run import RunOutline
from leaven.simulator import Simulator
from unit.report.sample_facts import full, full_json

FACTS = full()


def test_rows_before_and_after_are_aligned_and_marked_without_color(capsys: pytest.CaptureFixture[str]) -> None:
    row = PreviewedRow("substitute", ["mug", "lamp, red"], ["mug", "cup"], [1], "ann")
    left, made = replace(row, after=row.before, changed=[]), replace(row, before=[], changed=[0, 1])
    output.print_results(*format_previews({"crop": RowPreviews((row, left, made)), "nothing": RowPreviews(())}))
    lines = capsys.readouterr().out.splitlines()
    assert "  substitute · ann" in lines
    assert "    before     after" in lines
    assert "    mug        mug" in lines
    assert "  ~ lamp, red  cup" in lines
    assert [line.split() for line in lines if line.startswith("  +")] == [["+", "mug"], ["+", "cup"]]
    assert any("unchanged by this step" in line for line in lines)
    assert any("no row can change" in line for line in lines)


def test_counts_of_rows_give_the_reasons_of_unchanged_and_rejected_ones(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_results(*format_row_counts(FACTS.variants[0]))
    out = " ".join(capsys.readouterr().out.split())
    assert "4,126" in out
    assert "212 shorter than 3 events" in out
    assert "31 copy of a real row" in out


def test_a_dry_run_shows_every_key_and_the_number_of_trainings(capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"seed": 7, "variant": [{"name": "crop", "step": [{"use": "crop", "keep_range": [0.6, 0.9]}]}]}
    output.print_results(*format_dry_run(RunOutline(spec, ("baseline", "crop"), 6, 2)))
    out = capsys.readouterr().out
    assert "variant.0.step.0.keep_range  0.6, 0.9" in out
    assert "6 times, and 2 short pilots: “baseline”, “crop”." in " ".join(out.split())


def test_a_profile_shows_figures_before_and_after_cleaning_curves_and_advice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = full_json()["data"]
    found = {"reading": data["reading"] | {"columns": {"user": "CustomerID"}}, "raw": {"users": 4372}}
    found |= {"health": data["statistics"], "cleaning": data["cleaning"], "split": data["split"] | {"test_unseen": 0}}
    output.print_results(*format_profile(found | {"leave_one_out_leak_share": 0.3, "advice": ["Take the time split."]}))
    out = capsys.readouterr().out
    lines = {" ".join(line.split()) for line in out.splitlines()}
    assert "Users 4,372 4,338" in lines
    assert "Columns user = CustomerID" in lines
    assert "Missing user 135,080 135,080 line 623 · item 22139 · quantity 56" in lines
    assert "• Take the time split." in lines
    assert "█" in out
    assert "unseen  0" not in out
    assert max(len(line) for line in out.splitlines()) <= 120


def test_the_simulate_command_has_the_defaults_of_the_simulator() -> None:
    typed = {name: one.default for name, one in inspect.signature(data_commands.simulate_log).parameters.items()}
    fields = {one.name: one.default for one in dataclasses.fields(Simulator) if one.name in typed}
    assert set(fields) >= {"users", "items", "days", "seed", "kind"}
    assert {name: typed[name] for name in fields} == fields


def test_a_sparkline_follows_its_values_and_has_a_maximum_width() -> None:
    assert draw_sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert draw_sparkline([0, 0.001, 100]) == " ▁█"
    assert len(draw_sparkline(list(range(1, 1001)))) <= 40
    assert draw_sparkline([]) == ""
