"""The verdict of a run as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from leaven.facts import ComparisonFacts, RunFacts
from leaven.report import controller_section, labels
from leaven.report.data_notes import list_cleaning_losses, list_reading_notes
from leaven.report.number_format import format_lift, format_mean, format_number, format_p_value
from leaven.stats.effect import format_metric_name, format_percent
from leaven.translation import Translator, get_translator

COLORS: Mapping[str, str] = {"helped": "green", "harmed": "red", "same": "cyan", "unsure": "yellow"}


def build_verdict_table(facts: RunFacts, language: str = "") -> Group:
    """The headline, a table of the variants, and remarks, for `rich.print`. language: "": that of the run."""
    translate = get_translator(language or facts.language)
    parts: list[Any] = [Text(translate(labels.get_headline(facts)), style="bold")]
    if facts.comparison is not None and facts.comparison.effects:
        parts += ["", _build_table(facts.comparison, translate)]
    sentences = facts.verdict.sentences if facts.verdict is not None else ()
    parts += [
        Text(f"• {translate(sentence)}") for sentence in (*sentences, *controller_section.summarize_decisions(facts))
    ]
    parts += [Text(translate(note)) for note in (*list_cleaning_losses(facts.data), *list_reading_notes(facts.data))]
    return Group(*parts)


def _build_table(comparison: ComparisonFacts, translate: Translator) -> Table:
    first = comparison.effects[0]
    seeds = "1 seed" if first.seeds == 1 else f"{first.seeds} seeds"
    smallest = format_percent(comparison.min_effect, signed=False)
    message, users = "{users} users, {seeds}; minimum effect: a lift of {share}", format_number(first.users)
    caption = translate(message, users=users, seeds=seeds, share=smallest)
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column(translate("variant"))
    for title in (format_metric_name(comparison.metric), "lift", "95 % interval", "p (Holm)"):
        table.add_column(translate(title), justify="right", no_wrap=True)
    table.add_column(translate("verdict"), no_wrap=True, min_width=14)
    table.add_row(Text(first.against), format_mean(first.baseline_mean), "", "", "", "")
    for effect in comparison.effects:
        style = labels.get_verdict_style(effect.verdict)
        is_bounded = effect.low is not None and effect.high is not None
        interval = (
            translate("{low} to {high}", low=format_lift(effect.low), high=format_lift(effect.high))
            if is_bounded
            else ""
        )
        table.add_row(
            Text(effect.variant),
            format_mean(effect.mean),
            format_lift(effect.lift if is_bounded else None),
            interval,
            format_p_value(effect.p_holm),
            Text(f"{labels.STYLE_SIGNS[style]} {translate(effect.verdict)}", style=COLORS[style]),
        )
    if comparison.best_possible is not None:
        table.add_row(
            Text(translate("best possible"), style="dim"), format_mean(comparison.best_possible), "", "", "", ""
        )
    return table
