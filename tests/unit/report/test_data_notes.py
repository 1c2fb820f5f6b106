"""Sentences on the data of a run, on the terminal and on the page."""

import io

from rich.console import Console

from leaven.facts import (
    CleaningRuleFacts,
    ComparisonFacts,
    DataFacts,
    EffectFacts,
    PlanEdge,
    PlanGraph,
    RunFacts,
    StepFacts,
    VariantFacts,
)
from leaven.report.data_notes import list_cleaning_losses, list_reading_notes
from leaven.report.html import render_report
from leaven.report.terminal import build_verdict_table

RULES = (
    CleaningRuleFacts("duplicates", 300, 200),
    CleaningRuleFacts("rare_items", 900, 900),
    CleaningRuleFacts("bots", 10, 0),
)


def test_losses_above_one_percent_are_listed_rule_by_rule_largest_first() -> None:
    assert list_cleaning_losses(DataFacts({"lines": 10_000}, RULES)) == (
        "Cleaning dropped 1,100 of 10,000 lines (11.0 %).",
        "Rare items: 900 lines (9.0 %)",
        "Duplicates: 200 lines (2.0 %)",
    )


def test_small_losses_are_not_mentioned() -> None:
    assert list_cleaning_losses(DataFacts({"lines": 1_000_000}, RULES)) == ()
    assert list_cleaning_losses(DataFacts()) == ()


def test_notes_of_reading_and_lines_left_out_are_listed() -> None:
    reading = {"lines": 10, "notes": ["guessed, no header"], "left_out": {"below min_rating": 1234}}
    notes = list_reading_notes(DataFacts(reading))
    assert notes == ("guessed, no header", "left out while reading, below min_rating: 1,234 lines")


def test_terminal_and_page_show_the_losses() -> None:
    facts = RunFacts(data=DataFacts({"lines": 10_000}, RULES))
    console = Console(file=io.StringIO(), width=120)
    console.print(build_verdict_table(facts))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Duplicates: 200 lines" in shown
    assert "Cleaning dropped 1,100 of 10,000 lines" in render_report(facts)


def test_the_page_names_groupings_whose_groups_are_all_small() -> None:
    effects = (EffectFacts("crop", "baseline", "ndcg@10", verdict="not enough data to tell", users=40),)
    comparison = ComparisonFacts("ndcg@10", effects=effects, skipped_groupings=("zip",))
    assert "By zip: not compared" in render_report(RunFacts(comparison=comparison))


def test_the_page_draws_the_plan_of_each_variant_without_fetching_anything() -> None:
    graph = PlanGraph(
        {"real": ("real rows",), "step1": ('a "b" <c>', "append · once"), "training": ("training rows",)},
        (PlanEdge("real", "step1"), PlanEdge("step1", "training", "adds"), PlanEdge("real", "training")),
    )
    page = render_report(RunFacts(variants=(VariantFacts("mine", steps=(StepFacts(1, "a"),), plan=graph),)))
    assert '<svg class="plan"' in page
    assert "flowchart LR" in page
    assert "a &#34;b&#34; &lt;c&gt;" in page
    assert "<script" not in page
