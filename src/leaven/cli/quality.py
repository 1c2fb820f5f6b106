"""Are made rows alike, varied, consistent, not copied, private? On one screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from leaven.cli import output
from leaven.cli.info import Json
from leaven.errors import SpecError

if TYPE_CHECKING:
    from leaven.quality import Figure, Judgement

_LIGHTS = {
    "green": ("● as real", "green"),
    "yellow": ("◐ near", "yellow"),
    "red": ("○ not", "red"),
    "none": ("  check only", "dim"),
}
_BETTER = {"low": "low", "high": "high", "real": "as real"}


def judge(
    real: Annotated[str, typer.Option(help="The rows that the new ones were learned from.")],
    held_out: Annotated[str, typer.Option("--held-out", help="Real rows that no generator has seen.")],
    new: Annotated[str, typer.Option(help="The rows to judge, whoever made them.")],
    kind: Annotated[str, typer.Option(help="histories, table, text or image; guessed.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for judgement.json and report.html.")] = None,
    gate: Annotated[
        list[str] | None, typer.Option(metavar="GATE", help="min_coverage=0.8, max_frechet_ratio=3 …; may be repeated.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="One of `leaven list sample_metrics`; all by default.")
    ] = None,
    most: Annotated[int, typer.Option(help="Rows of each side at most, chosen by the seed.")] = 4000,
    halves: Annotated[int, typer.Option(min=20, help="How often real rows are dealt into halves.")] = 20,
    seed: Annotated[int, typer.Option(help="Every choice follows from it.")] = 7,
    items: Annotated[
        str, typer.Option(help="Of logs: the table of items, for their words, categories and prices.")
    ] = "",
    column: Annotated[
        str, typer.Option(help="Of texts or pictures in a table: the column that holds them, or their files.")
    ] = "",
    label: Annotated[str, typer.Option(help="Of pictures in a table: the column that says what they show.")] = "",
    words: Annotated[str, typer.Option(help="Of pictures in a table: the column of words about them.")] = "",
    encoder: Annotated[
        str, typer.Option(help="Of pictures: a file of Inception's weights, for FID, or of another network.")
    ] = "",
    drop_copies: Annotated[
        bool, typer.Option("--drop-copies", help="Write the new rows that copy no real one into --out.")
    ] = False,
    json: Json = False,
) -> None:
    """Judge made histories, tables, texts or pictures: alike, varied, consistent, not copied, private."""
    from leaven.progress import shown

    with shown() as tell:
        from leaven.quality import Beside, judge

        if drop_copies and out is None:
            raise SpecError("--drop-copies", "a folder for the rows", "none", "name one with --out")
        beside = Beside(_items(real, items), column=column, label=label, words=words, encoder=encoder or None)
        found = judge(real, held_out, new, kind, seed, most, halves, gate or [], metric or [], tell, beside)
    where = found.write(out) if out is not None else None
    if out is not None:
        from leaven.report.html import write_judgement

        page = write_judgement(found.as_dict(), out / "report.html")
    kept = found.drop_copies(out) if drop_copies and out is not None else None
    output.as_json(found.as_dict()) if json else output.show(*judged(found))
    if where is not None and not json:
        output.show(f"report: {page}")
    if kept is not None and not json:
        output.show(f"{len(found.copies):,} rows copy a real one; the others: {kept}")
    found.refuse()


def _items(log: str, items: str) -> Any:
    """Where the table of items lies and what its columns mean, as `leaven init` would guess it."""
    if not items:
        return None
    from leaven.config import draft

    return draft.wishes(draft.look([log, items]))[1]


def judged(found: Judgement) -> Iterator[object]:
    """One screen: lights of the groups, figures beside those of real rows, what was skipped, gates."""
    rows, compared = found.facts["rows"], found.facts["compared"]
    yield f"{found.kind}: {rows['new']:,} new, {rows['real']:,} training, {rows['held_out']:,} held out"
    halves = min(compared.values()) // 2
    yield f"each figure beside {found.facts['halves']} halves of {halves:,} real rows that no generator saw"
    yield ""
    lines: list[list[object]] = []
    for group, light in found.lights.items():
        figures = [figure for figure in found.figures if figure.group == group]
        if figures:
            lines.append([Text(group, style="bold"), "", "", "", "", _shown(light) if light != "none" else ""])
            lines.extend(_line(figure) for figure in figures)
    columns = ["", ">value", ">95 % interval", ">real rows", "better", "light"]
    yield output.table(columns, lines)
    yield from _said(found)


def _line(figure: Figure) -> list[object]:
    low, high = figure.reference_range
    interval = f"{_number(figure.interval[0])} – {_number(figure.interval[1])}"
    real = f"{_number(low)} – {_number(high)}"
    name = f"  {figure.kind.replace('_', ' ')}"
    return [name, _number(figure.value), interval, real, _BETTER[figure.better], _shown(figure.light)]


def _shown(light: str) -> Text:
    words, colour = _LIGHTS[light]
    return Text(words, style=colour)


def _number(value: float) -> str:
    """Three figures, no more than a person takes in."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.3f}"


def _said(found: Judgement) -> Iterator[object]:
    """What metrics say beside their figures; what was skipped and noticed; the gates."""
    for figure in found.figures:
        if "gave_away" in figure.more and figure.light != "green":
            names = ", ".join(f"{name} ({share:.2f})" for name, share in figure.more["gave_away"][:3])
            yield f"gave it away: {names}"
        if "called" in figure.more:
            yield f"frechet: {figure.more['called']}; of all rows {_number(figure.more['of_all'])}"
        if "shift" in figure.more and figure.light != "green":
            yield f"noise: {figure.more['means']}, {figure.more['shift']:+.2f} standard deviations"
    for kind, why in found.skipped.items():
        yield f"skipped {kind.replace('_', ' ')}: {why}"
    for name, value in found.facts.items():
        if name not in ("rows", "compared", "seed", "halves", "fold", "frechet_is") and value:
            yield f"{name.replace('_', ' ')}: {_told(value)}"
    for gate in found.gates:
        value = gate.why or f"{gate.value:.4g}"
        yield f"{'passed' if gate.passed else 'FAILED'}  {gate.gate}  ({value})"


def _told(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else f"{value:,}"
