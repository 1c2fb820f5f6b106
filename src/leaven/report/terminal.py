"""The verdict of a run as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from leaven.report import controller_section, sections

COLORS: Mapping[str, str] = {"helped": "green", "harmed": "red", "same": "cyan", "unsure": "yellow"}


def build_verdict_table(facts: Mapping[str, Any]) -> Group:
    """The headline, a table of the variants, and remarks; for `rich.print`."""
    facts = sections.drop_nulls(facts)
    view = sections.build_verdict_section(facts) or {}
    parts: list[Any] = [Text(view["headline"], style="bold")]
    if view["table"]:
        parts += ["", _build_table(view["table"])]
    parts += [Text(f"• {sentence}") for sentence in (*view["words"], *controller_section.summarize_decisions(facts))]
    return Group(*parts)


def _build_table(view: Mapping[str, Any]) -> Table:
    seeds = "1 seed" if view["seeds"] == "1" else f"{view['seeds']} seeds"
    caption = f"{view['users']} users, {seeds}; minimum effect: a lift of {view['smallest']}"
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("variant")
    for title in (view["metric"], "lift", "95 % interval", "p (Holm)"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True, min_width=14)
    table.add_row(Text(view["baseline"]), view["baseline_mean"], "", "", "", "")
    for row in view["rows"]:
        verdict = Text(f"{row['sign']} {row['verdict']}", style=COLORS[row["style"]])
        table.add_row(Text(row["variant"]), row["mean"], row["lift"], row["interval"], row["p"], verdict)
    if view["truth"]:
        table.add_row(Text("best possible", style="dim"), view["truth"], "", "", "", "")
    return table
