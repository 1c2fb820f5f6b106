"""Lineage of a row: the steps that lead from a real row to it, and the rows derived from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from leaven import rng
from leaven.augmentation.lineage import SourceRow, find_source_row, list_input_steps
from leaven.augmentation.plan import Plan, Step, describe_config
from leaven.augmentation.preview import compare_rows
from leaven.augmentation.step_fitting import fit_filters, get_filter_configs
from leaven.config import load_spec
from leaven.config.build import to_table
from leaven.config.experiment_spec import CONTROL, build_repeat
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import NO_PARENT, Histories
from leaven.errors import DataError
from leaven.facts import JsonObject, Preview
from leaven.protocols import FilterStatistics, Rows
from leaven.provenance.row_files import RowFile, list_row_files, load_row_names, load_rows, load_run_catalog
from leaven.run_folder import SPEC_FILE, RunFolder, open_run, slugify

MAX_ROW_IDS = 20
"""Maximum ids of derived rows that are listed per step."""


@dataclass(frozen=True)
class FilterVerdict:
    """The decision of one filter on a row. reason: of a rejection; statistics: the statistics that the filter uses."""

    filter: str
    accepted: bool
    reason: str
    statistics: dict[str, float]


@dataclass(frozen=True)
class LineageLink:
    """One step of a lineage.

    row_id, source_row  row ids of 16 hexadecimal digits; source_row is "" where the source row no longer exists
    parent              the real row at the end of the lineage; "" for a row without one
    copy, part          index of the copy, and of the part that the step split it into, from 0
    parameters          every field of the step and its operator
    preview             before and after, as item names or cells
    filters             decisions of the step's filters on this row
    """

    step: str
    text: str
    mode: str
    row_id: str
    source_row: str
    parent: str
    copy: int
    part: int
    weight: float
    parameters: JsonObject
    preview: Preview
    filters: tuple[FilterVerdict, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """All that a run's files hold about one row.

    user         the id that was asked for, "" where it was a row id
    parts        parts of the split that contain the row, or a user's rows: name -> rows
    chains       variant -> its links, the last step first, back to the real row
    descendants  variant -> step -> number and ids (at most MAX_ROW_IDS) of the rows derived from this real row
    """

    row_id: str
    user: str
    parts: dict[str, int]
    chains: dict[str, tuple[LineageLink, ...]]
    descendants: dict[str, JsonObject] = field(default_factory=dict)

    def as_dict(self) -> JsonObject:
        """All fields, for JSON."""
        return asdict(self)


def format_row_id(key: int) -> str:
    """A row id as text; "" for none.

    >>> format_row_id(255)
    '00000000000000ff'
    """
    return f"{int(key):016x}" if key else ""


def trace_lineage(folder: str | Path, row: str | int) -> Lineage:
    """Trace a row of a run back to the real row it derives from.

    row: a user's id as in the log, or a row id, as 16 hexadecimal digits or as the number in `row_ids`. Rows of
    steps that run in each epoch are in no file. The step's filters are fitted again on their original rows to show
    their decisions on this row.

    Raises DataError where no file of the run has such a row.
    """
    run = open_run(Path(folder))
    key, user = _resolve_row(run, str(row))
    variants, parts = _load_variants(run), dict[str, int]()
    for file, rows in _load_family(run, key, load_run_catalog(run)):
        if file.is_variant and file.part in variants:
            variants[file.part].rows.setdefault(file.step, []).append(rows)
        elif count := int((rows.row_ids == key).sum()):
            parts[file.part] = count
    chains = {variant.name: tuple(variant.trace_links(int(key))) for variant in variants.values()}
    derived = {variant.name: variant.list_derived(int(key)) for variant in variants.values()}
    return Lineage(
        format_row_id(int(key)),
        user,
        parts,
        {name: links for name, links in chains.items() if links},
        {name: steps for name, steps in derived.items() if steps},
    )


def _load_variants(run: RunFolder) -> dict[str, _VariantRows]:
    """Folder name of a variant -> the variant, without rows yet."""
    config = load_spec(run.path / SPEC_FILE)
    plans = {variant.name: variant.plan for variant in config.variants} | {CONTROL: Plan([Step(build_repeat(config))])}
    return {slugify(name): _VariantRows(run, name, plan, config.seed) for name, plan in plans.items()}


def _resolve_row(run: RunFolder, row: str) -> tuple[np.uint64, str]:
    """(id of the row, the user's id where it is one): the first reading of `row` that an existing row has."""
    readings: list[tuple[int, str]] = [(int(rng.derive_user_ids([row])[0]), row)]
    digits = row.lower().removeprefix("0x")
    if len(digits) == 16 and all(letter in "0123456789abcdef" for letter in digits):
        readings.append((int(digits, 16), ""))
    if row.isdecimal() and 0 < int(row) < 2**64:
        readings.append((int(row), ""))
    wanted = np.array([key for key, _ in readings], np.uint64)
    known: set[int] = set()
    for file in list_row_files(run):
        names = load_row_names(file.path)
        known |= set(wanted[np.isin(wanted, names.row_ids) | np.isin(wanted, names.users)].tolist())
    for key, user in readings:
        if key in known:
            return np.uint64(key), user
    fix = "give a user's id as in the log, or the id of a row of variants/*/expanded"
    raise DataError(str(run.path), "a row of this run", repr(row), fix)


def _load_family(run: RunFolder, key: np.uint64, catalog: Catalog | None) -> Iterator[tuple[RowFile, Rows]]:
    """File -> its rows that have this id, or derive from the same real row."""
    files = list(list_row_files(run))
    parents = {int(key)}
    for file in files:
        names = load_row_names(file.path)
        parents |= set(names.parents[names.row_ids == key].tolist())
    family = np.array(sorted({*parents, int(key)} - {NO_PARENT}), np.uint64)
    for file in files:
        is_member = load_row_names(file.path).match(family)
        if is_member.any():
            yield file, load_rows(file.path, catalog).take(is_member)


@dataclass(frozen=True)
class _SourceRow:
    """The row that a step read. row: None where it no longer exists; step: number of the step that created it."""

    row: Rows | None
    source: SourceRow
    step: int


@dataclass(frozen=True, eq=False)
class _VariantRows:
    """Rows of one family in one variant. rows: number of a step -> its rows, by file; 0: the real rows."""

    run: RunFolder
    name: str
    plan: Plan
    seed: int
    rows: dict[int, list[Rows]] = field(default_factory=dict)

    def trace_links(self, key: int) -> Iterator[LineageLink]:
        """Links from a row back to the real one."""
        number = max((number for number in self.rows if self._find_row(number, key) is not None), default=0)
        while number and (row := self._find_row(number, key)) is not None:
            before = self._find_source(number, row)
            if int(row.origin[0]) == number:  # else the step left the row unchanged
                yield self._build_link(number, row, before)
            if before is None or before.row is None:
                return
            key, number = before.source.row_id, before.step

    def list_derived(self, key: int) -> JsonObject:
        """Step -> {rows, keys} of the rows derived from a real row."""
        found: JsonObject = {}
        for number in sorted(self.rows):
            for rows in self.rows[number]:
                derived = rows.row_ids[(rows.parents == np.uint64(key)) & (rows.origin == number) & (rows.origin > 0)]
                if len(derived):
                    entry = found.setdefault(self.plan.named_steps[number - 1].display_name, {"rows": 0, "keys": []})
                    entry["rows"] += len(derived)
                    entry["keys"] = (entry["keys"] + [format_row_id(one) for one in derived.tolist()])[:MAX_ROW_IDS]
        return found

    def _find_row(self, number: int, key: int) -> Rows | None:
        """The row of this id among those of a step, or None."""
        for rows in self.rows.get(number, []):
            found = np.flatnonzero(rows.row_ids == np.uint64(key))
            if len(found):
                return rows.take(found[:1])
        return None

    def _find_source(self, number: int, row: Rows) -> _SourceRow | None:
        """The row that a step read; None for a row without a source."""
        step, key = self.plan.named_steps[number - 1], int(row.row_ids[0])
        if int(row.parents[0]) == NO_PARENT:
            return None
        for earlier in reversed(list_input_steps(self.plan, number)):
            if step.mode == "in_place" and (same := self._find_row(earlier, key)) is not None:
                return _SourceRow(same, SourceRow(key), earlier)
            keys = [np.zeros(0, np.uint64), *(rows.row_ids for rows in self.rows.get(earlier, []))]
            source = find_source_row(step, self.seed, key, np.concatenate(keys))
            if source is not None:
                return _SourceRow(self._find_row(earlier, source.row_id), source, earlier)
        return None

    def _build_link(self, number: int, row: Rows, before: _SourceRow | None) -> LineageLink:
        step = self.plan.named_steps[number - 1]
        shown = row.slice(0, 0) if before is None or before.row is None else before.row
        return LineageLink(
            step=step.display_name,
            text=step.description,
            mode=step.mode,
            row_id=format_row_id(int(row.row_ids[0])),
            source_row=format_row_id(before.source.row_id) if before else "",
            parent=format_row_id(int(row.parents[0])),
            copy=before.source.copy if before else 0,
            part=before.source.part if before else 0,
            weight=float(row.weight[0]),
            parameters=to_table(step),
            preview=compare_rows(step.display_name, shown, row).to_facts(),
            filters=tuple(self._apply_filters(step, row)),
        )

    def _apply_filters(self, step: Step, row: Rows) -> Iterator[FilterVerdict]:
        """The decision of each filter of a step on a row, in order, after fitting it again."""
        train = self.run.data_folder / "train.parquet"
        if not get_filter_configs(step) or not train.exists():
            return
        fitted = fit_filters(step, load_rows(train, load_run_catalog(self.run)), self.seed)
        for config, accepts in zip(get_filter_configs(step), fitted, strict=True):
            kept = accepts(row)
            figures = (
                accepts.row_statistics(row)
                if isinstance(accepts, FilterStatistics) and isinstance(row, Histories)
                else {}
            )
            measured = {name: round(float(values[0]), 4) for name, values in figures.items()}
            yield FilterVerdict(
                describe_config(config), bool(kept.accepted[0]), next(iter(kept.rejected), ""), measured
            )
