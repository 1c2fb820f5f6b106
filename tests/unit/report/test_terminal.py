"""The verdict on the terminal agrees with the page."""

import io

from rich.console import Console

from leaven.facts import RunFacts
from leaven.report.terminal import build_verdict_table
from unit.report.sample_facts import full, full_json


def printed(facts: RunFacts, width: int = 110) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(build_verdict_table(facts))
    return console.file.getvalue()


def test_the_table_has_every_variant_with_its_verdict() -> None:
    facts = full()
    text = printed(facts)
    assert facts.verdict.headline[:40] in text
    for effect in facts.comparison.effects:
        row = next(line for line in text.splitlines() if line.startswith(effect.variant))
        assert effect.verdict in row
        assert f"{effect.mean:.4f}" in row


def test_brackets_in_the_name_of_a_variant_are_text() -> None:
    facts = full_json()
    facts["comparison"]["effects"][1]["variant"] = "[red]crop[/red]"
    assert "[red]crop[/red]" in printed(RunFacts.from_json(facts))


def test_a_narrow_terminal_shows_every_verdict() -> None:
    text = printed(full(), width=80)
    assert text.count("helped") >= 2
    assert "not enough data" in text


def test_a_run_without_a_comparison_is_reported() -> None:
    assert printed(RunFacts()).strip() == "This run has no comparison yet."
