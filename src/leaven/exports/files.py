"""Writers and readers of file formats, each shared by several targets."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError
from leaven.exports.manifest import ExportFile
from leaven.run_folder import write_text

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP_SIZE = 1 << 20
"""Rows per row group of Parquet files."""


@dataclass(frozen=True, eq=False)
class FolderWriter:
    """Writes the files of one export. files: those written, for the manifest; facts: for `Exporter.load`."""

    folder: Path
    files: list[ExportFile] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add_file(self, name: str, rows: int, columns: Iterable[str]) -> Path:
        """Register a file that the caller writes; returns its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files.append(ExportFile(name, rows, tuple(columns)))
        return path

    def write_parquet(self, name: str, tables: Iterable[pa.Table], row_group_size: int = ROW_GROUP_SIZE) -> None:
        """Write tables of one schema as one file, zstd-compressed; one table is in memory at a time."""
        import pyarrow.parquet as pq

        path, writer, rows, columns = self.folder / name, None, 0, list[str]()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            for table in tables:
                if writer is None:
                    columns = table.column_names
                    writer = pq.ParquetWriter(
                        path, table.schema, compression="zstd", compression_level=1, store_schema=False
                    )
                writer.write_table(table, row_group_size=row_group_size)
                rows += len(table)
        finally:
            if writer is not None:
                writer.close()
        self.add_file(name, rows, columns)

    def write_csv(
        self, name: str, tables: Iterable[pa.Table], header: str = "", delimiter: str = ",", quoting: str = "needed"
    ) -> None:
        """Write tables of one schema as one file with a header line; by default the names of the columns.

        quoting: "needed" or "none", which refuses values with a delimiter, a quote or a line break.
        """
        import pyarrow.csv as csv

        options = csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style=quoting)
        path, rows, columns = self.folder / name, 0, list[str]()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            for table in tables:
                if not columns:
                    columns = header.split(delimiter) if header else table.column_names
                    stream.write((delimiter.join(columns) + "\n").encode())
                csv.write_csv(decode_dictionaries(table), stream, options)
                rows += len(table)
        self.add_file(name, rows, columns)

    def write_lines(self, name: str, lines: Iterable[str], columns: Iterable[str]) -> None:
        """Write one record per line."""
        path, rows = self.add_file(name, 0, columns), 0
        with path.open("w", encoding="utf-8", newline="\n") as stream:
            for line in lines:
                stream.write(line + "\n")
                rows += 1
        self.files[-1] = ExportFile(name, rows, self.files[-1].columns)

    def write_json(self, name: str, content: object) -> None:
        """Write one JSON document."""
        self.write_document(name, json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    def write_document(self, name: str, text: str) -> None:
        """Write a file that holds no rows: a schema, a card, a script."""
        write_text(self.add_file(name, 0, ()), text)


def decode_dictionaries(table: pa.Table) -> pa.Table:
    """The table with plain texts instead of dictionary-encoded ones."""
    import pyarrow as pa

    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def read_parquet(path: Path) -> pa.Table:
    """All rows of a file."""
    import pyarrow.parquet as pq

    return pq.read_table(path, partitioning=None)


def read_csv(path: Path, types: Mapping[str, pa.DataType], delimiter: str = ",", quotes: bool = True) -> pa.Table:
    """All rows of a file, with these columns instead of those of its header line; an empty cell is null."""
    import pyarrow.csv as csv

    return csv.read_csv(
        path,
        csv.ReadOptions(column_names=list(types), skip_rows=1),
        csv.ParseOptions(delimiter=delimiter, quote_char='"' if quotes else False, newlines_in_values=quotes),
        csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=False
        ),
    )


@contextmanager
def stage_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder next to `folder` that takes its place when the block ends; after an error, neither is left.

    Raises DataError where `folder` exists and is not empty, and where the disk is full.
    """
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise DataError(str(folder), "a new or an empty folder", "other files", "choose another folder with --out")
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if folder.exists():
            folder.rmdir()
        part.replace(folder)
    except OSError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            str(folder), "a folder that can be written", str(error), "free disk space, or choose another folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
