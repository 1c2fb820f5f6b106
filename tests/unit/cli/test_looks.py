"""How rows, specs and the health of a log look."""

import dataclasses
import inspect

import pytest

from leaven.cli import data_commands, output
from leaven.cli.dry_run import outlined
from leaven.cli.profile_view import profiled, sparkline
from leaven.cli.row_tables import before_after, made_rows
from leaven.simulator import Shop
from unit.report.sample_facts import full

FACTS = full()


def test_new_events_of_a_row_stand_out_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"step": "substitute", "before": ["mug", "lamp [red]"], "after": ["mug", "cup"], "changed": [1]}
    left, made = row | {"after": row["before"], "changed": []}, row | {"before": [], "changed": [0, 1]}
    output.show(*before_after({"crop": [row, left, made], "nothing": []}))
    out = capsys.readouterr().out
    assert "after   the same" in out
    assert "made  *mug*, *cup*" in out
    assert "before  mug, lamp [red]" in out
    assert "after   mug, *cup*" in out
    assert "no row can change" in out


def test_a_long_row_is_shown_from_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"i{place}" for place in range(40)]
    output.show(*before_after({"a": [{"step": "s", "before": names, "after": names[:1], "changed": []}]}))
    out = capsys.readouterr().out
    assert "… 28 more, i28" in out
    assert "i39" in out


def test_made_rows_say_what_was_left_alone_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(*made_rows(FACTS["arms"][0]))
    out = " ".join(capsys.readouterr().out.split())
    assert "4,126" in out
    assert "212 shorter than 3 events" in out
    assert "31 copy of a real row" in out


def test_an_outline_shows_every_key_and_how_much_would_be_trained(capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"seed": 7, "arm": [{"name": "crop", "step": [{"use": "crop", "keep_range": [0.6, 0.9]}]}]}
    output.show(*outlined({"spec": spec, "arms": ["baseline", "crop"], "trainings": 6, "pilots": 2}))
    out = capsys.readouterr().out
    assert "arm.1.step.1.keep_range  0.6, 0.9" in out
    assert "6 times, and fly 2 short pilots: “baseline”, “crop”." in " ".join(out.split())


def test_a_profile_shows_both_sides_of_cleaning_the_curves_and_the_advice(capsys: pytest.CaptureFixture[str]) -> None:
    data = FACTS["data"]
    found = {"reading": data["reading"] | {"columns": {"user": "CustomerID"}}, "raw": {"users": 4372}}
    found |= {"health": data["health"], "cleaning": data["cleaning"], "split": data["split"] | {"test_unseen": 0}}
    output.show(*profiled(found | {"leave_one_out_leak_share": 0.3, "advice": ["Take the time split."]}))
    out = capsys.readouterr().out
    lines = {" ".join(line.split()) for line in out.splitlines()}
    assert "Users 4,372 4,338" in lines
    assert "Columns user = CustomerID" in lines
    assert "Missing user 135,080 135,080 line 623 · item 22139 · quantity 56" in lines
    assert "• Take the time split." in lines
    assert "█" in out
    assert "unseen  0" not in out
    assert max(len(line) for line in out.splitlines()) <= 120


def test_a_shop_at_the_command_line_is_a_shop_in_python() -> None:
    typed = {name: one.default for name, one in inspect.signature(data_commands.shop).parameters.items()}
    fields = {one.name: one.default for one in dataclasses.fields(Shop) if one.name in typed}
    assert set(fields) >= {"users", "items", "days", "seed", "kind"}
    assert {name: typed[name] for name in fields} == fields


def test_a_sparkline_is_as_high_as_its_values_and_never_too_wide() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0.001, 100]) == " ▁█"
    assert len(sparkline(list(range(1, 1001)))) <= 40
    assert sparkline([]) == ""
