"""The command `leaven quality`: evaluates synthetic rows against real ones, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from leaven.cli import output
from leaven.cli.info import Json
from leaven.errors import SpecError, suggest_name

if TYPE_CHECKING:
    from leaven.quality import EvaluationContext, Figure, Judgement

_VERDICTS = {
    "green": Text("● as real", style="green"),
    "yellow": Text("◐ close", style="yellow"),
    "red": Text("○ worse", style="red"),
    "none": Text("  check only", style="dim"),
}
_DIRECTIONS = {"low": "low", "high": "high", "real": "as real"}
_COLUMN_ROLES = {"content": "column", "label": "label", "text": "caption"}
"""Role of a column at the command line -> its field of the context."""
_SHOWN_ELSEWHERE = ("rows", "compared", "seed", "halves", "fold", "frechet_is")


def evaluate_rows(
    real: Annotated[str, typer.Option(help="The rows that the generator was trained on.")],
    held_out: Annotated[str, typer.Option("--held-out", help="Real rows that no generator was trained on.")],
    synthetic: Annotated[str, typer.Option(help="The rows to evaluate, from any generator.")],
    kind: Annotated[str, typer.Option(help="histories, table, text or image; inferred.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for judgement.json and report.html.")] = None,
    gate: Annotated[
        list[str] | None, typer.Option(metavar="GATE", help="min_coverage=0.8, max_frechet_ratio=3 …; repeatable.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="One of `leaven list synthetic_metrics`; all by default.")
    ] = None,
    max_rows: Annotated[int, typer.Option(help="Maximum rows of each side, chosen by the seed.")] = 4000,
    n_splits: Annotated[int, typer.Option(min=20, help="Random splits of the real rows into halves.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of all random draws.")] = 7,
    items: Annotated[str, typer.Option(help="For logs: the table of items, with texts, categories, prices.")] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ROLE=]NAME", help="For texts or images in a table: the column of content, label= or text=."
        ),
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="For images: a file of Inception weights, for FID, or of another network.")
    ] = "",
    drop_copies: Annotated[
        bool, typer.Option("--drop-copies", help="Write the synthetic rows that copy no real row into --out.")
    ] = False,
    json: Json = False,
) -> None:
    """Evaluate synthetic data: fidelity, diversity, consistency, memorization, privacy."""
    from leaven.progress import show_progress

    if drop_copies and out is None:
        raise SpecError("--drop-copies", "a folder for the rows", "none", "add --out FOLDER")
    with show_progress() as on_progress:
        from leaven.quality import evaluate_quality

        context = _build_context(real, items, column or [], encoder)
        result = evaluate_quality(
            real,
            held_out,
            synthetic,
            kind,
            seed,
            max_rows,
            n_splits,
            gate or [],
            metric or [],
            on_progress,
            context,
        )
    files = _write_files(result, out, drop_copies) if out is not None else []
    output.print_json(result.as_dict()) if json else output.print_results(*format_quality(result), *files)
    result.raise_for_gates()


def _build_context(log: str, items: str, columns: list[str], encoder: str) -> EvaluationContext:
    """What is known next to the rows: items with inferred columns, columns by role, an encoder.

    Raises SpecError for an unknown role of a column.
    """
    from leaven.config import draft
    from leaven.quality import EvaluationContext

    fields: dict[str, Any] = {}
    for text in columns:
        role, _, name = text.rpartition("=")
        role = role or "content"
        if role not in _COLUMN_ROLES:
            fix = suggest_name(role, _COLUMN_ROLES)
            raise SpecError(f"--column {text}", f"one of {', '.join(_COLUMN_ROLES)}", repr(role), fix)
        fields[_COLUMN_ROLES[role]] = name
    source = draft.build_sources(draft.draft_log_spec([log, items]))[1] if items else None
    return EvaluationContext(source, encoder=encoder or None, **fields)


def _write_files(result: Judgement, folder: Path, drop_copies: bool) -> list[str]:
    """Write the result, its page and, on request, the rows without copies; a line about each."""
    from leaven.report.html import write_quality

    result.write(folder)
    page = write_quality(result.as_dict(), folder / "report.html")
    lines = [f"report: {page}"]
    if drop_copies:
        rows = result.write_rows_without_copies(folder)
        lines.append(f"{len(result.copies):,} rows copy a real one; the others: {rows}")
    return lines


def format_quality(result: Judgement) -> Iterator[object]:
    """One screen: verdicts by group, figures next to those of real rows, skipped metrics, gates."""
    rows, compared = result.facts["rows"], result.facts["compared"]
    half = min(compared.values()) // 2
    yield f"{result.kind}: {rows['new']:,} synthetic, {rows['real']:,} training, {rows['held_out']:,} held out"
    yield f"each figure next to {result.facts['halves']} random splits of real held-out rows into halves of {half:,}"
    yield ""
    lines: list[list[object]] = []
    for group, verdict in result.lights.items():
        figures = [figure for figure in result.figures if figure.group == group]
        if figures:
            label = _VERDICTS[verdict] if verdict != "none" else ""
            lines.append([Text(group, style="bold"), "", "", "", "", label])
            lines.extend(_format_figure(figure) for figure in figures)
    yield output.build_table(["", ">value", ">95 % interval", ">real rows", "better", "verdict"], lines)
    for figure in result.figures:
        yield from _explain_figure(figure)
    yield from _list_remarks(result)


def _format_figure(figure: Figure) -> list[object]:
    interval, real = (" – ".join(map(_format_number, ends)) for ends in (figure.interval, figure.reference_range))
    name, direction = f"  {figure.kind.replace('_', ' ')}", _DIRECTIONS[figure.better]
    return [name, _format_number(figure.value), interval, real, direction, _VERDICTS[figure.light]]


def _format_number(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.3f}"


def _explain_figure(figure: Figure) -> Iterator[str]:
    """Details of a metric that a reader can use."""
    details = figure.more
    if "gave_away" in details and figure.light != "green":
        features = ", ".join(f"{name} ({share:.2f})" for name, share in details["gave_away"][:3])
        yield f"most distinctive: {features}"
    if "called" in details:
        yield f"frechet: {details['called']}; of all rows {_format_number(details['of_all'])}"
    if "shift" in details and figure.light != "green":
        yield f"noise: {details['means']}, {details['shift']:+.2f} standard deviations"


def _list_remarks(result: Judgement) -> Iterator[str]:
    """Skipped metrics, remarks on the data, gates."""
    for kind, reason in result.skipped.items():
        yield f"skipped {kind.replace('_', ' ')}: {reason}"
    for name, value in result.facts.items():
        if name not in _SHOWN_ELSEWHERE and value:
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{name.replace('_', ' ')}: {text if isinstance(text, str) else f'{text:,}'}"
    for gate in result.gates:
        yield f"{'passed' if gate.passed else 'FAILED'}  {gate.gate}  ({gate.why or f'{gate.value:.4g}'})"
