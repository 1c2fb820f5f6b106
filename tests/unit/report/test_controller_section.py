"""Decisions of controllers on the page and the terminal: charts, counts, flags and tables."""

import copy

import pytest

from leaven.report import controller_section
from leaven.report.html import render_report
from leaven.report.sections import build_rows_section, drop_nulls
from unit.report.sample_facts import FLAG, full
from unit.report.test_terminal import printed


def test_every_decision_is_a_row_with_its_reason_and_strength_and_gap_are_plotted() -> None:
    shown = controller_section.build_controller_section(drop_nulls(full()))
    (variant,) = shown["variants"]
    assert [row["step"] for row in variant["seeds"][0]["rows"]] == ["200", "400", "600"]
    assert [row["strength"] for row in variant["seeds"][0]["rows"]] == ["0.00", "0.25", "0.00"]
    assert variant["seeds"][0]["rows"][1]["why"].startswith("up: overfits")
    assert [plot["title"].split()[0] for plot in variant["plots"]] == ["Strength", "Gap"]
    page = render_report(full())
    assert "Decisions of controllers" in page
    assert page.count(FLAG) >= 2  # above the chart and in its row


def test_page_and_terminal_count_decisions_and_the_steps_of_pilots() -> None:
    counted = controller_section.summarize_decisions(full())
    assert counted[0] == "crop and substitute: 3 decisions in 1 training: 1 up, 1 down, 1 held"
    assert counted[1] == "pilots took 1,200 optimizer steps"
    assert "3 decisions" in printed(full())


def test_strength_is_plotted_as_a_step_function() -> None:
    assert controller_section._to_stairs([(1.0, 0.0), (2.0, 0.5), (3.0, 0.5)]) == [
        (1.0, 0.0),
        (2.0, 0.0),
        (2.0, 0.5),
        (3.0, 0.5),
        (3.0, 0.5),
    ]


@pytest.mark.parametrize(
    ("levels", "wanted"),
    [([0.0, 0.25, 0.25, 0.0], ["held", "up", "held", "down"]), ([1.0], ["up"])],
)
def test_moves_compare_with_the_previous_level(levels, wanted) -> None:
    rows = [{"decision": {"strength": [level], "share": [1.0 if level else 0.0]}} for level in levels]
    assert controller_section.classify_moves(rows) == wanted


def test_without_decisions_there_is_no_section() -> None:
    facts = full() | {"decisions": []}
    assert controller_section.build_controller_section(facts) is None
    assert controller_section.summarize_decisions(facts) == []
    assert "Decisions of controllers" not in render_report(facts)


def test_a_constant_strength_is_reported() -> None:
    facts = copy.deepcopy(full())
    row = {"arm": "steered", "seed": 1, "step": 0, "progress": 0.0, "signals": {}, "why": "constant strength"}
    facts["decisions"] = [row | {"decision": {"strength": [1.0], "share": [1.0], "why": "constant strength"}}]
    assert controller_section.summarize_decisions(drop_nulls(facts))[0] == "steered: constant strength"
    assert "constant strength" in render_report(facts)


def test_a_step_shows_its_part_of_training_and_the_rows_of_each_round() -> None:
    facts = full()
    step = {
        "index": 1,
        "use": "markov",
        "mode": "append",
        "when": "each_round",
        "during": [0.0, 0.66],
        "rounds": [802, 790],
    }
    facts["arms"] = [{"name": "dynamic", "steps": [step]}]
    (variant,) = build_rows_section(facts)["variants"]
    assert variant["steps"][0]["how"] == "append · each round · from 0 % to 66 % · 802 + 790 rows"
