"""Results of a run: rows by step, lineage of a row, what an erasure would remove, and exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leaven.augmentation.preview import compare_rows
from leaven.augmentation.row_previews import PreviewedRow, PreviewLine
from leaven.config import load_spec
from leaven.facts import read_run_facts
from leaven.provenance import Lineage
from leaven.provenance.row_files import RowFile, list_row_files, load_row_names, load_rows, load_run_catalog
from leaven.provenance.row_lineage import format_row_id
from leaven.run_folder import SPEC_FILE, open_run
from leaven.stats import compare_runs

_SHOWN_ROWS = 12


@dataclass(frozen=True)
class StepRows:
    """Rows that one step of a variant created. rows: (row id, its entries); count: of all of them."""

    variant: str
    step: int
    count: int
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class LinkView:
    """One step of a lineage, with its lines before and after and the decisions of its filters."""

    variant: str
    step: str
    text: str
    row_id: str
    source_row: str
    lines: tuple[PreviewLine, ...]
    filters: tuple[str, ...]


@dataclass(frozen=True)
class LineageView:
    """The way of a row back to a real one. derived: (variant, step, rows) that an erasure of it would remove."""

    lineage: Lineage
    links: tuple[LinkView, ...]
    derived: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class ComparisonView:
    """Two runs next to each other, line by line."""

    first: str
    second: str
    lines: tuple[str, ...]


def list_steps(folder: Path) -> list[StepRows]:
    """Steps with stored rows of every variant."""
    files = [file for file in list_row_files(open_run(folder)) if file.is_variant and file.step]
    counts: dict[tuple[str, int], int] = {}
    for file in files:
        counts[file.part, file.step] = counts.get((file.part, file.step), 0) + len(load_row_names(file.path).row_ids)
    return [StepRows(variant, step, count) for (variant, step), count in counts.items() if count]


def show_step_rows(folder: Path, variant: str, step: int) -> StepRows:
    """The first rows of a step, with titles."""
    run = open_run(folder)
    files = [file for file in list_row_files(run) if file.is_variant and file.part == variant and file.step == step]
    catalog = load_run_catalog(run)
    return StepRows(variant, step, len(files), tuple(_list_rows(files, catalog)))


def _list_rows(files: list[RowFile], catalog: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    shown = 0
    for file in files:
        rows = load_rows(file.path, catalog)  # type: ignore[arg-type]
        for index in range(min(len(rows), _SHOWN_ROWS - shown)):
            one = rows.slice(index, index + 1)
            yield format_row_id(int(one.row_ids[0])), tuple(compare_rows("", one.slice(0, 0), one).after)
            shown += 1
        if shown == _SHOWN_ROWS:
            return


def describe_lineage(found: Lineage) -> LineageView:
    """A lineage with aligned lines."""
    links = [
        LinkView(
            variant,
            link.step,
            link.text,
            link.row_id,
            link.source_row,
            tuple(PreviewedRow.from_facts(link.preview).lines),
            tuple(f"{one.filter}: {'accepted' if one.accepted else one.reason}" for one in link.filters),
        )
        for variant, chain in found.chains.items()
        for link in chain
    ]
    derived = [
        (variant, step, int(rows["rows"]))
        for variant, steps in found.descendants.items()
        for step, rows in steps.items()
    ]
    return LineageView(found, tuple(links), tuple(derived))


def compare_folders(first: Path, second: Path) -> ComparisonView:
    """Two runs next to each other. Raises DataError for runs that cannot be compared."""
    found = compare_runs(read_run_facts(first), read_run_facts(second))
    return ComparisonView(first.name, second.name, tuple(found.lines))


def list_variants(folder: Path) -> list[str]:
    """Names of the variants of a run, with the baseline."""
    path = folder / SPEC_FILE
    names = [variant.name for variant in load_spec(path).variants] if path.exists() else []
    return ["baseline", *names]
