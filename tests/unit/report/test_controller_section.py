"""Decisions of controllers on the page and the terminal: charts, counts, flags and tables."""

from dataclasses import replace

import pytest

from leaven.facts import DecisionFacts, StepFacts, VariantFacts
from leaven.report import controller_section
from leaven.report.html import render_report
from unit.report.sample_facts import FLAG, full
from unit.report.test_terminal import printed


def test_every_decision_is_a_row_with_its_reason_and_strength_and_gap_are_plotted() -> None:
    (variant,) = controller_section.build_controller_section(full()).variants
    assert [row.step for row in variant.logs[0]] == [200, 400, 600]
    assert [row.levels for row in variant.logs[0]] == [(0.0,), (0.25,), (0.0,)]
    assert [plot.title.split()[0] for plot in variant.plots] == ["Strength", "Gap"]
    page = render_report(full())
    assert "Decisions of controllers" in page
    assert "up: overfits" in page
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
    rows = [DecisionFacts("a", 1, 0, 0.0, (level,), (1.0 if level else 0.0,), "") for level in levels]
    assert controller_section.classify_moves(tuple(rows)) == wanted


def test_without_decisions_there_is_no_section() -> None:
    facts = replace(full(), decisions=())
    assert controller_section.build_controller_section(facts) is None
    assert controller_section.summarize_decisions(facts) == []
    assert "Decisions of controllers" not in render_report(facts)


def test_a_constant_strength_is_reported() -> None:
    row = DecisionFacts("steered", 1, 0, 0.0, (1.0,), (1.0,), "constant strength")
    facts = replace(full(), decisions=(row,))
    assert controller_section.summarize_decisions(facts)[0] == "steered: constant strength"
    assert "constant strength" in render_report(facts)


def test_a_step_shows_its_part_of_training_and_the_rows_of_each_round() -> None:
    step = StepFacts(1, "markov", mode="append", when="each_round", during=(0.0, 0.66), rounds=(802, 790))
    page = render_report(replace(full(), variants=(VariantFacts("dynamic", steps=(step,)),)))
    assert "append · each round · from 0 % to 66 % · 802 + 790 rows" in page
