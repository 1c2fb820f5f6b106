"""Decisions are charted, counted, flagged and listed; a recommender that knows no epochs says so."""

import copy

import pytest

from leaven.report import controller_section
from leaven.report.html import render
from leaven.report.sections import made, present
from unit.report.sample_facts import FLAG, full
from unit.report.test_terminal import printed


def test_every_decision_is_a_row_with_its_reason_and_the_page_draws_strength_and_gap() -> None:
    shown = controller_section.section(present(full()))
    (arm,) = shown["arms"]
    assert [row["step"] for row in arm["seeds"][0]["rows"]] == ["200", "400", "600"]
    assert [row["strength"] for row in arm["seeds"][0]["rows"]] == ["0.00", "0.25", "0.00"]
    assert arm["seeds"][0]["rows"][1]["why"].startswith("up: overfits")
    assert [plot["title"].split()[0] for plot in arm["plots"]] == ["Strength", "Gap"]
    page = render(full())
    assert "What was decided while training" in page
    assert page.count(FLAG) >= 2  # above the chart and in its row


def test_page_and_terminal_count_what_was_done_and_what_pilots_cost() -> None:
    counted = controller_section.counted(full())
    assert counted[0] == "crop and substitute: 3 decisions in 1 training: 1 up, 1 down, 1 held"
    assert counted[1] == "pilots took 1,200 optimiser steps"
    assert "3 decisions" in printed(full())


def test_strength_is_drawn_as_stairs() -> None:
    assert controller_section._stairs([(1.0, 0.0), (2.0, 0.5), (3.0, 0.5)]) == [
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
def test_moves_are_told_from_the_level_before(levels, wanted) -> None:
    rows = [{"decision": {"strength": [level], "share": [1.0 if level else 0.0]}} for level in levels]
    assert controller_section.moved(rows) == wanted


def test_without_decisions_there_is_no_section_and_nothing_is_counted() -> None:
    facts = full() | {"decisions": []}
    assert controller_section.section(facts) is None
    assert controller_section.counted(facts) == []
    assert "decided while training" not in render(facts)


def test_a_constant_strength_is_said_as_such() -> None:
    facts = copy.deepcopy(full())
    row = {"arm": "steered", "seed": 1, "step": 0, "progress": 0.0, "signals": {}, "why": "constant strength"}
    facts["decisions"] = [row | {"decision": {"strength": [1.0], "share": [1.0], "why": "constant strength"}}]
    assert controller_section.counted(present(facts))[0] == "steered: constant strength"
    assert "constant strength" in render(facts)


def test_a_step_says_in_which_share_of_training_it_acts_and_what_each_round_made() -> None:
    facts = full()
    step = {
        "index": 1,
        "use": "markov",
        "mode": "add",
        "when": "each_round",
        "during": [0.0, 0.66],
        "rounds": [802, 790],
    }
    facts["arms"] = [{"name": "dynamic", "steps": [step]}]
    (arm,) = made(facts)["arms"]
    assert arm["steps"][0]["how"] == "add · each round · from 0 % to 66 % · 802 + 790 rows"
