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
    from leaven.modalities.modality import QualityInputs
    from leaven.quality import EvaluationContext, Figure, QualityFacts

_VERDICTS = {
    "as_real": Text("● as real", style="green"),
    "close": Text("◐ close", style="yellow"),
    "worse": Text("○ worse", style="red"),
    "check": Text("  check only", style="dim"),
}
_DIRECTIONS = {"low": "low", "high": "high", "real": "as real"}
_COLUMN_ROLES = {"content": "column", "label": "label", "text": "caption"}
"""Role of a column at the command line -> its field of the context."""


def evaluate_rows(
    real: Annotated[str, typer.Option(help="The rows that the generator was trained on.")],
    held_out: Annotated[str, typer.Option("--held-out", help="Real rows that no generator was trained on.")],
    synthetic: Annotated[str, typer.Option(help="The rows to evaluate, from any generator.")],
    modality: Annotated[str, typer.Option(help="sequence, tabular, text or image; inferred.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for quality.json and report.html.")] = None,
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
        from leaven.quality import QualityConfig
        from leaven.quality.evaluate import evaluate_inputs
        from leaven.quality.loading import read_inputs

        config = QualityConfig(tuple(metric or ()), tuple(gate or ()), max_rows, n_splits)
        context = _build_context(real, items, column or [], encoder)
        on_progress(0, 0, "reading")
        inputs = read_inputs(real, held_out, synthetic, modality, seed, context)
        result = evaluate_inputs(inputs, config, seed, context, on_progress)
    files = _write_files(result, inputs if drop_copies else None, out) if out is not None else []
    output.print_json(result.to_json()) if json else output.print_results(*format_quality(result), *files)
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
    source = draft.build_sources(draft.draft_log_spec([log, items])).items if items else None
    return EvaluationContext(source, encoder=encoder or None, **fields)


def _write_files(result: QualityFacts, inputs: QualityInputs[Any] | None, folder: Path) -> list[str]:
    """Write the result, its page and the rows of the inputs without copies; a line about each."""
    from leaven.quality import write_rows_without_copies
    from leaven.report.html import write_quality

    result.write(folder)
    page = write_quality(result, folder / "report.html")
    lines = [f"report: {page}"]
    if inputs is not None:
        rows = write_rows_without_copies(inputs, folder)
        lines.append(f"{result.n_copies:,} rows copy a real one; the others: {rows}")
    return lines


def format_quality(result: QualityFacts) -> Iterator[object]:
    """One screen: verdicts by group, figures next to those of real rows, skipped metrics, gates."""
    setup, rows = result.setup, result.setup.rows
    half = min(setup.compared.new, setup.compared.held_out) // 2
    yield f"{result.modality}: {rows.new:,} synthetic, {rows.real:,} training, {rows.held_out:,} held out"
    yield f"each figure next to {setup.n_splits} random splits of real held-out rows into halves of {half:,}"
    yield ""
    lines: list[list[object]] = []
    for group, verdict in result.verdicts.items():
        figures = [figure for figure in result.figures if figure.group == group]
        if figures:
            label = _VERDICTS[verdict] if verdict != "check" else ""
            lines.append([Text(group, style="bold"), "", "", "", "", label])
            lines.extend(_format_figure(figure) for figure in figures)
    yield output.build_table(["", ">value", ">95 % interval", ">real rows", "better", "verdict"], lines)
    for figure in result.figures:
        yield from _explain_figure(figure)
    yield from _list_remarks(result)


def _format_figure(figure: Figure) -> list[object]:
    interval, real = (" – ".join(map(_format_number, ends)) for ends in (figure.interval, figure.reference_range))
    name, direction = f"  {figure.kind.replace('_', ' ')}", _DIRECTIONS[figure.better]
    return [name, _format_number(figure.value), interval, real, direction, _VERDICTS[figure.verdict]]


def _format_number(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.3f}"


def _explain_figure(figure: Figure) -> Iterator[str]:
    """Details of a metric that a reader can use."""
    details, is_different = figure.details, figure.verdict != "as_real"
    if details.separating_features and is_different:
        features = ", ".join(f"{name} ({share:.2f})" for name, share in details.separating_features[:3])
        yield f"most distinctive: {features}"
    if details.frechet_name and details.value_of_all_rows is not None:
        yield f"frechet: {details.frechet_name}; of all rows {_format_number(details.value_of_all_rows)}"
    if details.shift is not None and is_different:
        yield f"noise: {details.shift_direction}, {details.shift:+.2f} standard deviations"


def _list_remarks(result: QualityFacts) -> Iterator[str]:
    """Skipped metrics, remarks on the data, gates."""
    for kind, reason in result.skipped_metrics.items():
        yield f"skipped {kind.replace('_', ' ')}: {reason}"
    if result.setup.encoder:
        yield f"encoder: {result.setup.encoder}"
    for name, value in {**result.setup.notes, "constant_columns": result.setup.constant_columns}.items():
        if value:
            yield f"{name.replace('_', ' ')}: {f'{value:,}' if isinstance(value, int) else ', '.join(value)}"
    for gate in result.gates:
        yield f"{'passed' if gate.passed else 'FAILED'}  {gate.gate}  ({gate.reason or f'{gate.value:.4g}'})"
