"""Text formats of labeled features: libsvm, libffm, Vowpal Wabbit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import unquote

import numpy as np

from leaven.exports.contract import ALL_COLUMNS, LoadedExport, TargetTraits
from leaven.exports.event_tables import compute_ratings, find_invalid_ratings
from leaven.exports.feature_rows import LABEL, WEIGHT, FeatureRows, build_features, find_label_name, restore_features
from leaven.exports.files import FolderWriter, read_parquet
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.preflight import Violation
from leaven.exports.source import PARTS, ExportSource

if TYPE_CHECKING:
    import pyarrow as pa

FEATURES_FILE = "features.parquet"
_UNSAFE = {"%": "%25", " ": "%20", ":": "%3A", "|": "%7C", "\t": "%09", "\n": "%0A", "\r": "%0D", "=": "%3D"}
"""Characters with a meaning in Vowpal Wabbit's format -> their URL codes."""


@dataclass(frozen=True)
class LibSvmExport:
    """libsvm, XGBoost, LightGBM: lines of `label index:value`, indices from 1; a category is an index with value 1.

    Weights are in `PART.libsvm.weight`, one per line, where XGBoost looks for them.

    missing_label  of events without a value in a log with values, such as synthetic ones
    """

    missing_label: float | None = None

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="scikit-learn 1.9",
        usage="""
from sklearn.datasets import load_svmlight_file
features, labels = load_svmlight_file("train.libsvm")  # names of the indices: features.parquet
""",
        rows="held_out_targets",
        columns=(ALL_COLUMNS,),
        time_unit="",
        has_items=True,
        has_users=True,
        needs_events=False,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Labels are finite numbers."""
        yield from find_invalid_labels(source, self.missing_label)

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`PART.libsvm`, `PART.libsvm.weight`, `features.parquet`."""
        return write_indexed(build_features(source, self.missing_label), out, "libsvm", has_fields=False)

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The features of every part."""
        return load_indexed(folder, manifest, "libsvm")


@dataclass(frozen=True)
class LibFfmExport:
    """libffm, xLearn: lines of `label field:index:value`; fields and indices from 0.

    missing_label  of events without a value in a log with values, such as synthetic ones
    """

    missing_label: float | None = None

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="the format of libffm 1.23",
        usage="""
ffm-train train.libffm  # names of the fields and indices: features.parquet
""",
        rows="held_out_targets",
        columns=(ALL_COLUMNS,),
        time_unit="",
        reads_weight=False,
        has_items=True,
        has_users=True,
        needs_events=False,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Labels are 0 and 1, for the logistic loss."""
        yield from find_invalid_labels(source, self.missing_label)

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`PART.libffm`, `features.parquet`."""
        return write_indexed(build_features(source, self.missing_label), out, "libffm", has_fields=True)

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The features of every part."""
        return load_indexed(folder, manifest, "libffm")


@dataclass(frozen=True)
class VowpalWabbitExport:
    """Vowpal Wabbit: lines of `label weight |c column=text … |n column:number …`.

    Characters with a meaning in the format are written as URL codes.

    loss           "logistic": labels 0 and 1 become -1 and 1; "squared": labels are written as they are
    missing_label  of events without a value in a log with values, such as synthetic ones
    """

    loss: Literal["logistic", "squared"] = "squared"
    missing_label: float | None = None

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="vowpalwabbit 9.11",
        usage="""
vw --loss_function squared -q cc train.vw
""",
        rows="held_out_targets",
        columns=(ALL_COLUMNS,),
        time_unit="",
        has_items=True,
        has_users=True,
        needs_events=False,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Labels are finite numbers; 0 and 1 for the logistic loss."""
        yield from find_invalid_labels(source, self.missing_label)
        if self.loss == "logistic":
            for part, table in source.parts.items():
                labels = compute_ratings(table, find_label_name(source), 1.0).to_numpy()
                if count := int(((labels != 0) & (labels != 1)).sum()):
                    yield Violation(f"labels other than 0 and 1, in {part}", count, (), "--set loss=squared")

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.vw`, `valid.vw`, `test.vw`."""
        rows = build_features(source, self.missing_label)
        for part in source.parts:
            lines = (line for chunk in rows.iterate_chunks(part) for line in self._build_lines(rows, chunk))
            out.write_lines(f"{part}.vw", lines, (LABEL, WEIGHT, *rows.categorical, *rows.numeric))
        out.facts.update(describe_columns(rows))
        return list_feature_losses(rows)

    def _build_lines(self, rows: FeatureRows, chunk: pa.Table) -> list[str]:
        import pyarrow as pa
        import pyarrow.compute as pc

        labels = chunk.column(LABEL).to_numpy()
        labels = labels * 2 - 1 if self.loss == "logistic" else labels
        parts = [pa.array(labels).cast(pa.string()), chunk.column(WEIGHT).cast(pa.string()), pa.scalar("|c")]
        for name in rows.categorical:
            texts = chunk.column(name)
            for letter, code in _UNSAFE.items():
                texts = pc.replace_substring(texts, letter, code)
            parts.append(pc.binary_join_element_wise(_escape(name), texts, "="))
        parts.append(pa.scalar("|n"))
        parts += [
            pc.binary_join_element_wise(_escape(name), chunk.column(name).cast(pa.string()), ":")
            for name in rows.numeric
        ]
        return list(pc.binary_join_element_wise(*parts, " ", null_handling="skip").to_pylist())

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The features of every part."""
        import pyarrow as pa

        parts, facts = {}, manifest.facts
        for part in PARTS:
            if not (path := folder / f"{part}.vw").exists():
                continue
            rows = []
            for line in path.read_text(encoding="utf-8").splitlines():
                head, texts, numbers = line.split("|")
                label, weight = map(float, head.split())
                row: dict[str, float | str] = {
                    LABEL: (label + 1) / 2 if self.loss == "logistic" else label,
                    WEIGHT: weight,
                }
                row |= {
                    unquote(name): unquote(text) for name, _, text in (one.partition("=") for one in texts.split()[1:])
                }
                row |= {
                    unquote(name): float(text) for name, _, text in (one.rpartition(":") for one in numbers.split()[1:])
                }
                rows.append(row)
            parts[part] = restore_features(pa.Table.from_pylist(rows, _build_schema(facts)), facts["labels"])
        return LoadedExport(parts)


def _escape(text: str) -> str:
    for letter, code in _UNSAFE.items():
        text = text.replace(letter, code)
    return text


def find_invalid_labels(source: ExportSource, missing_label: float | None) -> Iterator[Violation]:
    """Violations where labels are unknown, NaN or infinite."""
    for violation in find_invalid_ratings(source, find_label_name(source), missing_label):
        yield replace(violation, fix="--set missing_label=0 gives them one" if violation.fix else "")


def list_feature_losses(rows: FeatureRows) -> list[Loss]:
    """Columns that are no features: times, texts that hardly repeat; and labels that were not known."""
    losses, source = [], rows.source
    if rows.label and (count := sum(table.column(rows.label).null_count for table in source.parts.values())):
        losses.append(Loss(rows.label, count, f"unknown ones are {rows.missing_label}"))
    if "time" in source.columns:
        losses.append(Loss("time", len(source.train), "time is no feature"))
    for key, table in (("item", source.items), ("user", source.users)):
        if table is None:
            continue
        for name in table.column_names:
            if name != key and f"{key}_{name}" not in (*rows.numeric, *rows.categorical):
                losses.append(Loss(f"{key}s.{name}", len(table), "a text that hardly repeats is no feature"))
    return losses


def describe_columns(rows: FeatureRows) -> dict[str, object]:
    """Facts that `load` needs."""
    return {"numeric": rows.numeric, "categorical": rows.categorical, "labels": rows.label}


def _build_schema(facts: Any) -> pa.Schema:
    import pyarrow as pa

    texts = [(name, pa.string()) for name in facts["categorical"]]
    numbers = [(name, pa.float64()) for name in facts["numeric"]]
    return pa.schema([(LABEL, pa.float64()), (WEIGHT, pa.float32()), *texts, *numbers])


def write_indexed(rows: FeatureRows, out: FolderWriter, suffix: str, has_fields: bool) -> list[Loss]:
    """Lines of indexed features, and the table of their names. Indices are from 1; with fields, from 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = 0 if has_fields else 1
    names, tokens, index = [], dict[str, Any](), first
    for field, name in enumerate((*rows.numeric, *rows.categorical)):
        levels = rows.list_levels(name) if name in rows.categorical else pa.array([None], pa.string())
        indices = pa.array(np.arange(index, index + len(levels)))
        index += len(levels)
        parts = [pa.scalar(str(field)), indices.cast(pa.string())][0 if has_fields else 1 :]
        prefix = pc.binary_join_element_wise(*parts, ":")
        tokens[name] = (
            levels,
            pc.binary_join_element_wise(prefix, "1", ":") if name in rows.categorical else prefix[0],
        )
        columns = {"index": indices, "field": pa.array([field] * len(levels)), "column": pa.array([name] * len(levels))}
        names.append(pa.table({**columns, "level": levels}))
    out.write_parquet(FEATURES_FILE, [pa.concat_tables(names)])

    def build_lines(chunk: pa.Table) -> list[str]:
        texts = [chunk.column(LABEL).cast(pa.string())]
        for name, (levels, token) in tokens.items():
            if name in rows.categorical:
                texts.append(token.take(pc.index_in(chunk.column(name).combine_chunks(), value_set=levels)))
            else:
                texts.append(pc.binary_join_element_wise(token, chunk.column(name).cast(pa.string()), ":"))
        return list(pc.binary_join_element_wise(*texts, " ", null_handling="skip").to_pylist())

    for part in rows.source.parts:
        lines = (line for chunk in rows.iterate_chunks(part) for line in build_lines(chunk))
        out.write_lines(f"{part}.{suffix}", lines, (LABEL, *tokens))
        if not has_fields:
            weights = (str(one) for chunk in rows.iterate_chunks(part) for one in chunk.column(WEIGHT).to_pylist())
            out.write_lines(f"{part}.{suffix}.weight", weights, (WEIGHT,))
    out.facts.update(describe_columns(rows))
    return list_feature_losses(rows)


def load_indexed(folder: Path, manifest: Manifest, suffix: str) -> LoadedExport:
    """The features of every part, with the names of `features.parquet`."""
    import pyarrow as pa

    meanings = {row["index"]: (row["column"], row["level"]) for row in read_parquet(folder / FEATURES_FILE).to_pylist()}
    parts = {}
    for part in PARTS:
        if not (path := folder / f"{part}.{suffix}").exists():
            continue
        rows = []
        for line in path.read_text(encoding="utf-8").splitlines():
            label, *cells = line.split(" ")
            row: dict[str, object] = {LABEL: float(label)}
            for cell in cells:
                *_, index, value = cell.split(":")
                column, level = meanings[int(index)]
                row[column] = float(value) if level is None else level
            rows.append(row)
        table = pa.Table.from_pylist(rows, _build_schema(manifest.facts)).drop_columns(WEIGHT)
        weights = path.with_name(path.name + ".weight")
        if weights.exists():
            values = np.array(weights.read_text().split(), np.float32)
            table = table.append_column(WEIGHT, pa.array(values))
        parts[part] = restore_features(table, manifest.facts["labels"])
    return LoadedExport(parts)
