"""What does the verdict look like on the terminal?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from leaven.report import controller_section, labels, sections

COLOURS: Mapping[str, str] = {"helped": "green", "harmed": "red", "same": "cyan", "unsure": "yellow"}


def verdict_table(facts: Mapping[str, Any]) -> Group:
    """The headline, a table of the arms, and the sentences below it; for `rich.print`."""
    shown = sections.verdict(sections.present(facts)) or {}
    parts: list[Any] = [Text(shown["headline"], style="bold")]
    if shown["table"]:
        parts += ["", _table(shown["table"])]
    parts += [
        Text(f"• {sentence}") for sentence in (*shown["words"], *controller_section.counted(sections.present(facts)))
    ]
    return Group(*parts)


def _table(found: Mapping[str, Any]) -> Table:
    seeds = "1 seed" if found["seeds"] == "1" else f"{found['seeds']} seeds"
    caption = f"{found['users']} users, {seeds}; a lift of {found['smallest']} matters"
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False, header_style="dim")
    for title in ("arm", found["metric"], "lift", "95 % interval", "p (Holm)", "verdict"):
        numeric = title not in ("arm", "verdict")
        table.add_column(
            title, justify="right" if numeric else "left", no_wrap=title != "arm", min_width=None if numeric else 14
        )
    table.add_row(Text(found["baseline"]), found["baseline_mean"], "", "", "", "")
    for row in found["rows"]:
        judged = Text(f"{labels.SIGNS[row['light']]} {row['verdict']}", style=COLOURS[row["light"]])
        table.add_row(Text(row["arm"]), row["mean"], row["lift"], row["interval"], row["p"], judged)
    if found["truth"]:
        table.add_row(Text("best reachable", style="dim"), found["truth"], "", "", "", "")
    return table
