"""The modality of tables: labeled samples, and tables of any columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.log_names import find_user
from leaven.datasets.samples import METADATA_KEY, Samples
from leaven.errors import DataError
from leaven.metrics.synthetic import FeaturizedRows, membership_inference
from leaven.metrics.synthetic.featurizers import Column, TabularEncoder
from leaven.metrics.synthetic.indd import LinearDenoiser
from leaven.modalities.featurization import (
    MAX_ENCODER_ROWS,
    FeatureInfo,
    Featurizer,
    Points,
    choose_rows,
    compare_points,
)
from leaven.modalities.histograms import Distribution, bin_values, count_categories
from leaven.modalities.modality import (
    ROLES,
    ROWS_WITHOUT_COPIES,
    ComparedSides,
    EvaluationContext,
    Family,
    Modality,
    Notes,
    OperatorFamilies,
    PlanRows,
    QualityInputs,
    RowComparison,
    RowQuality,
)
from leaven.modalities.source_files import find_marked_files
from leaven.protocols import TabularFilter, TabularGenerator, TabularStrategy, TabularTransform

_MAX_COLUMNS = 6  # maximum columns with a histogram
_MAX_CELLS = 24  # maximum cells shown of a row
_MAX_PREVIEWED_COLUMNS = 12  # of a previewed sample, including the label


@dataclass(frozen=True, eq=False)
class TabularRows:
    """columns: name -> float64 (rows,), NaN where missing, or str (rows,), "" where missing."""

    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def take(self, index: npt.NDArray[np.int64]) -> TabularRows:
        """Return these rows, int64 indices, in that order."""
        return TabularRows({name: column[index] for name, column in self.columns.items()})

    def match_columns(self, real: TabularRows, role: str) -> TabularRows:
        """Return the columns in the order and with the types of a real table.

        Raises DataError for a value that is no number in a numeric column.
        """
        return TabularRows(
            {name: _convert_column(self.columns[name], column, name, role) for name, column in real.columns.items()}
        )

    def hash_rows(self) -> npt.NDArray[np.uint64]:
        """Return a hash of all values of each row, uint64 (rows,)."""
        total = np.zeros(len(self), np.uint64)
        for column in self.columns.values():
            values, index = np.unique(column, return_inverse=True)
            hashes = rng.derive_user_ids([str(value) for value in values])
            total = rng.mix_bits(total * np.uint64(3) + hashes[index.ravel()])
        return total


def _convert_column(column: Column, real: Column, name: str, role: str) -> Column:
    """Return a column with the type of the real one."""
    if column.dtype.kind == real.dtype.kind:
        return column
    if real.dtype.kind != "f":
        return np.array([("" if np.isnan(v) else f"{v:g}") for v in column])
    numbers = np.full(len(column), np.nan)
    invalid = []
    for index, text in enumerate(column):
        try:
            numbers[index] = float(text) if text else np.nan
        except ValueError:
            invalid.append(str(text))
    if invalid:
        got = f"{len(invalid):,} values that are no numbers, such as {invalid[0]!r}"
        raise DataError(f"{role}, column {name!r}", "numbers, as in the real table", got, "give numbers or leave empty")
    return numbers


def read_table(source: Any, role: str) -> TabularRows:
    """Return a table from `Samples` or Parquet of them (without their lineage), a CSV or Parquet file, a frame (pandas,
    Polars, Arrow) or a mapping of columns.

    Raises DataError if it cannot be read, has no rows, or holds infinite numbers.
    """
    import pyarrow as pa

    if isinstance(source, TabularRows):
        table = source
    elif isinstance(rows := load_stored_samples(source), Samples):
        table = build_table_from_samples(rows)
    else:
        arrow = source if isinstance(source, pa.Table) else _load_arrow(source, role)
        table = TabularRows({name: _extract_column(arrow.column(name)) for name in arrow.column_names})
    if not len(table):
        raise DataError(f"{role} table", "at least one row", "none", "check the file")
    for name, column in table.columns.items():
        if column.dtype.kind == "f" and np.isinf(column.astype(np.float64)).any():
            got = f"{int(np.isinf(column.astype(np.float64)).sum()):,} infinite ones"
            raise DataError(f"{role}, column {name!r}", "numbers", got, "leave the cells empty")
    return table


def build_table_from_samples(rows: Samples) -> TabularRows:
    """Return the cells and labels of labeled rows as a table."""
    columns: dict[str, Column] = {name: rows.numeric_column(name) for name in rows.numeric}
    columns |= {
        name: np.array([text or "" for text in rows.categorical_column(name)], np.str_) for name in rows.categorical
    }
    return TabularRows(columns | {"label": rows.label.astype(np.float64)})


def find_owner_columns(real: TabularRows, held: TabularRows) -> list[str]:
    """Return text columns that identify the owner of a row: no held-out value occurs in the real table.

    Such columns carry no information about quality and are left out.
    """
    texts = [name for name, column in real.columns.items() if column.dtype.kind != "f"]
    values = {name: held.columns[name][held.columns[name] != ""] for name in texts}
    return [name for name, cells in values.items() if len(cells) and not np.isin(cells, real.columns[name]).any()]


def load_stored_samples(source: Any) -> Any:
    """Return the labeled rows of the Parquet files of a path, folder or glob; any other source unchanged."""
    names = find_marked_files(source, METADATA_KEY)
    return Samples.from_parquet(*names) if names else source


def _load_arrow(source: Any, role: str) -> Any:
    """Return an Arrow table from a mapping, a frame or a file."""
    import pyarrow as pa

    if isinstance(source, Mapping):
        return pa.table({name: np.asarray(values) for name, values in source.items()})
    if hasattr(source, "to_arrow"):
        return source.to_arrow()
    if not isinstance(source, str | Path):
        return pa.Table.from_pandas(source, preserve_index=False)
    return _load_file(str(source), role)


def _load_file(name: str, role: str) -> Any:
    """Return the Arrow table of a file, by the reader of logs. Raises DataError if it cannot be read."""
    from leaven.ingest.table_reader import read_table as read_file

    try:
        return read_file(name, parse_numbers=True)
    except DataError as error:
        raise DataError(f"{role} table {error.where}", error.expected, error.got, error.fix) from error


def _extract_column(values: Any) -> Column:
    """Return float64 for numeric columns, str for all others (booleans and times too)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        cast = pc.cast(values, pa.float64())
        return np.asarray(cast.to_numpy(zero_copy_only=False), np.float64)
    texts = ["" if value is None else str(value) for value in values.to_pylist()]
    return np.array(texts, dtype=np.str_)


def _read_tables(given: Sequence[Any], context: EvaluationContext) -> QualityInputs[TabularRows]:
    """Return the inputs of three tables with the columns of the real one."""
    notes: Notes = {}
    given = [load_stored_samples(source) for source in given]
    if isinstance(given[2], Samples):
        synthetic = given[2].take(~given[2].is_real)
        if 0 < len(synthetic) < len(given[2]):
            notes["real_rows_left_out_of_new"] = len(given[2]) - len(synthetic)
            given[2] = synthetic
    tables = [read_table(source, role) for source, role in zip(given, ROLES, strict=True)]
    real = tables[0]
    for role, other in zip(ROLES[1:], tables[1:], strict=True):
        if set(other.columns) != set(real.columns):
            missing, extra = set(real.columns) - set(other.columns), set(other.columns) - set(real.columns)
            got = "; ".join([*[f"none called {', '.join(sorted(missing))}"] * bool(missing),
                             *[f"also {', '.join(sorted(extra))}"] * bool(extra)])  # fmt: skip
            raise DataError(role, "the columns of the real table", got, "give the same columns on all sides")
    columns = [one.match_columns(real, role) for role, one in zip(ROLES, tables, strict=True)]
    if names := find_owner_columns(columns[0], columns[1]):
        notes["left_out_columns"] = tuple(names)
        columns = [
            TabularRows({name: one.columns[name] for name in one.columns if name not in names}) for one in columns
        ]
    return QualityInputs("tabular", columns[0], columns[1], columns[2], notes)


@dataclass(frozen=True, eq=False)
class TableFeaturizer:
    """Tables: standardized columns, a linear denoiser for noise, nearest neighbors for the attack."""

    info: FeatureInfo
    encoder: TabularEncoder
    training: Points
    ordinary: Points
    denoiser: LinearDenoiser
    known: npt.NDArray[np.uint64]

    @classmethod
    def fit(cls, real: TabularRows, fold: TabularRows, key: int, context: EvaluationContext) -> Featurizer:
        """Return the featurizer of a training table and a fold."""
        encoder = TabularEncoder.fit(
            real.take(choose_rows(len(real), MAX_ENCODER_ROWS, rng.derive_key(key, "encoder"))).columns
        )
        ordinary = encoder.embed(fold.columns)
        info = FeatureInfo(encoder.feature_names, constant=encoder.constant_columns)
        return cls(info, encoder, encoder.embed(real.columns), ordinary, LinearDenoiser.fit(ordinary), real.hash_rows())

    def featurize(self, rows: TabularRows) -> FeaturizedRows:
        """Return the sample of these rows."""
        points = self.encoder.embed(rows.columns)
        facts = compare_points(points, self.training) | {
            "copied": np.isin(rows.hash_rows(), self.known).astype(np.float64),
            "reference": membership_inference.estimate_log_density(self.ordinary, points),
        }
        return FeaturizedRows(points, points, self.denoiser.residuals(points), facts)


def _describe_tables(sides: ComparedSides[TabularRows]) -> list[Distribution | None]:
    """Return one histogram per column."""
    rows = sides.rows
    found: list[Distribution | None] = []
    for name in [name for name in rows[0].columns if name not in sides.info.constant][:_MAX_COLUMNS]:
        values = [one.columns[name] for one in rows]
        found.append(
            bin_values(name, name, values) if values[0].dtype.kind == "f" else count_categories(name, name, values)
        )
    return found


def _format_row(rows: TabularRows, row: int) -> list[str]:
    """Return the first cells of a row, each after its column's name."""
    cells = ((name, rows.columns[name][row]) for name in list(rows.columns)[:_MAX_CELLS])
    return [f"{name} {cell:.4g}" if isinstance(cell, float) else f"{name} {cell}" for name, cell in cells]


def _find_copies(new: TabularRows, real: TabularRows) -> npt.NDArray[np.int64]:
    """Return the training row that each new row equals, int64 (new rows,); -1 for none."""
    real_hashes, new_hashes = real.hash_rows(), new.hash_rows()
    order = np.argsort(real_hashes, kind="stable")
    index = np.minimum(np.searchsorted(real_hashes[order], new_hashes), len(real_hashes) - 1)
    return np.where(real_hashes[order][index] == new_hashes, order[index], -1)


def _write_table(rows: TabularRows, inputs: QualityInputs[TabularRows], folder: Path) -> Path:
    """Write Parquet, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = folder / f"{ROWS_WITHOUT_COPIES}.parquet"
    part = target.with_suffix(".part")
    pq.write_table(pa.table(dict(rows.columns)), part)
    part.replace(target)
    return target


def _choose_samples(train: Samples, rows: int, seed: int) -> Samples:
    """`rows` random samples, the same ones for the same seed."""
    draws = rng.draw_bits(rng.derive_row_keys(rng.derive_key(seed, "preview"), train.row_ids), 0)
    return train.take(np.argsort(draws, kind="stable")[:rows])


def _compare_cells(before: Samples, after: Samples) -> RowComparison:
    """Return the cells of one sample, changed columns first; all of them are changed where `before` is empty."""
    new = _list_cells(after)
    old = _list_cells(before) if len(before) else {}
    changed = [name for name in new if old.get(name) != new[name] and name != "label"]
    others = [name for name in new if name not in changed and name != "label"]
    names = [*[*changed, *others][: _MAX_PREVIEWED_COLUMNS - 1], "label"]
    return RowComparison(
        [f"{name} {old[name]}" for name in names if old],
        [f"{name} {new[name]}" for name in names],
        [index for index, name in enumerate(names) if old.get(name) != new[name]],
        find_user(before.names, before.user_ids),
    )


def _list_cells(row: Samples) -> dict[str, str]:
    """Column -> its cell as text."""
    cells = {name: _format_number(row.numbers[0, column]) for column, name in enumerate(row.numeric)}
    cells |= {name: str(row.categorical_column(name)[0] or "–") for name in row.categorical}
    return cells | {"label": _format_number(row.label[0])}


def _format_number(value: float) -> str:
    return "–" if np.isnan(value) else f"{float(value) + 0.0:.4g}"  # never "-0"


def _fit_sample_features(train: Samples, unseen: Samples, key: int) -> Callable[[Samples], Points]:
    """Features of all columns but those that identify the user of a row."""
    real = build_table_from_samples(train)
    owners = find_owner_columns(real, build_table_from_samples(unseen))
    encoder = TabularEncoder.fit({name: column for name, column in real.columns.items() if name not in owners})
    return lambda rows: encoder.embed(build_table_from_samples(rows).columns)


def _owns_source(source: Any) -> bool:
    """Return whether a source is a mapping of columns, samples, or Parquet of samples."""
    is_table = isinstance(source, Mapping | TabularRows | Samples)
    return is_table or bool(find_marked_files(source, METADATA_KEY))


def _resembles_table(source: Any) -> bool:
    """True: a source that no other modality recognizes is read as a table."""
    return True


TABULAR: Modality[TabularRows] = Modality(
    name="tabular",
    containers=(Samples, TabularRows),
    families=OperatorFamilies(
        Family("tabular_transforms", TabularTransform),
        Family("tabular_generators", TabularGenerator),
        Family("tabular_strategies", TabularStrategy),
        Family("tabular_filters", TabularFilter),
    ),
    task="ctr",
    quality=RowQuality(
        owns=_owns_source,
        resembles=_resembles_table,
        read=_read_tables,
        hash_rows=TabularRows.hash_rows,
        fit_featurizer=TableFeaturizer.fit,
        describe=_describe_tables,
        format_row=_format_row,
        find_copies=_find_copies,
        write_rows=_write_table,
    ),
    plan_rows=PlanRows(_choose_samples, _compare_cells, _fit_sample_features),
)
