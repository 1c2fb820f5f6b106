"""FuxiCTR: Parquet files of labeled features and `dataset_config.yaml`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leaven.exports.contract import ALL_COLUMNS, LoadedExport, TargetTraits
from leaven.exports.event_tables import read_event_files
from leaven.exports.feature_lines import describe_columns, find_invalid_labels, list_feature_losses
from leaven.exports.feature_rows import LABEL, WEIGHT, FeatureRows, build_features, restore_features
from leaven.exports.files import FolderWriter
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.preflight import Violation, find_pattern
from leaven.exports.source import ExportSource

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class FuxiCtrExport:
    """FuxiCTR: `train.parquet`, `valid.parquet`, `test.parquet` and `dataset_config.yaml`.

    FuxiCTR encodes the features itself. Its training reads no weights; they are an inactive column.

    name                 of the data set, the key of the config
    min_category_count   rarer categories become "unknown" in FuxiCTR
    missing_label        of events without a value in a log with values, such as synthetic ones
    """

    name: str = "leaven"
    min_category_count: int = 1
    missing_label: float | None = None

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="fuxictr 2.3",
        usage="""
from fuxictr.utils import load_dataset_config
params = load_dataset_config("FOLDER", "leaven")
""",
        rows="held_out_targets",
        columns=(ALL_COLUMNS,),
        reads_weight=False,
        has_items=True,
        has_users=True,
        needs_events=False,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Labels are numbers; a name of a column is a key of YAML."""
        import pyarrow as pa

        yield from find_invalid_labels(source, self.missing_label)
        yield from find_pattern(
            pa.array(source.columns), r"[\"\\\n]", "columns with a quote in their name", "rename them"
        )

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """The files of every part, and the config."""
        rows = build_features(source, self.missing_label)
        for part in source.parts:
            out.write_parquet(f"{part}.parquet", rows.iterate_chunks(part))
        out.write_document("dataset_config.yaml", self._build_config(source, rows))
        out.facts.update(describe_columns(rows))
        return [one for one in list_feature_losses(rows) if one.column != "time"]

    def _build_config(self, source: ExportSource, rows: FeatureRows) -> str:
        columns: list[dict[str, object]] = []
        for kind, names, dtype in (("categorical", rows.categorical, "str"), ("numeric", rows.numeric, "float")):
            columns += [{"name": name, "active": True, "dtype": dtype, "type": kind} for name in names]
        columns.append({"name": WEIGHT, "active": False, "dtype": "float", "type": "numeric"})
        files = {f"{part}_data": f"./{part}.parquet" for part in ("train", "valid", "test")}
        held = {name: path for name, path in files.items() if name.removesuffix("_data") in source.parts}
        settings = {"data_root": "./", "data_format": "parquet", **held, "min_categr_count": self.min_category_count}
        lines = [
            f"{self.name}:",
            *(f"    {key}: {json.dumps(value)}" for key, value in settings.items()),
            "    feature_cols:",
        ]
        lines += [f"        - {json.dumps(column, ensure_ascii=False)}" for column in columns]
        label = {"name": LABEL, "dtype": "float"}
        return "\n".join([*lines, f"    label_col: {json.dumps(label)}", ""])

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The features of every part."""
        labels = manifest.facts["labels"]
        return LoadedExport({part: restore_features(table, labels) for part, table in read_event_files(folder).items()})
