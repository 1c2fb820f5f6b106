"""TFRecord: one `tf.train.Example` per history, for TensorFlow Recommenders and Keras; written without TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from leaven.exports.contract import LoadedExport, TargetTraits
from leaven.exports.event_tables import read_optional, set_column
from leaven.exports.files import FolderWriter
from leaven.exports.manifest import ExportFile, Loss, Manifest
from leaven.exports.preflight import Violation
from leaven.exports.protobuf import NO_INTEGER, decode_example, encode_examples
from leaven.exports.sequence_tables import write_attribute_tables
from leaven.exports.sequences import LIST_COLUMNS, flatten_histories, iterate_histories
from leaven.exports.source import PARTS, USER, ExportSource, compute_seconds
from leaven.kernels.crc32c import compute_masked_crc32c

if TYPE_CHECKING:
    import pyarrow as pa

_READER = '''"""Reads the TFRecord files of this folder as a tf.data.Dataset of ragged features."""

import tensorflow as tf

FEATURES = {{
{features}
}}


def read_histories(*paths: str) -> tf.data.Dataset:
    """One dictionary per history: `user`, and ragged features of its events."""
    return tf.data.TFRecordDataset(list(paths)).map(lambda record: tf.io.parse_single_example(record, FEATURES))
'''


@dataclass(frozen=True)
class TfRecordExport:
    """TFRecord files with one Example per history, and `read_histories.py`, a `tf.data` reader.

    An Example has no nulls: an unknown number is NaN, an unknown text is empty.
    """

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="tensorflow 2.18, tfrecord 1.14",
        usage="""
from read_histories import read_histories
train = read_histories("train.tfrecord")
""",
        rows="events",
        columns=(USER, *LIST_COLUMNS),
        has_items=True,
        has_users=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """None: bytes hold any id."""
        yield from ()

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.tfrecord` …, `read_histories.py`, `items.parquet`, `users.parquet`."""

        def convert(events: pa.Table) -> pa.Table:
            if "time" not in events.column_names:
                return events
            return set_column(events, "time", compute_seconds(events.column("time")))

        types: dict[str, str] = {}
        for part, table in source.parts.items():
            path, rows = out.add_file(f"{part}.tfrecord", 0, ()), 0
            with path.open("wb") as stream:
                for histories in iterate_histories(table, convert):
                    types |= {name: _name_type(histories.schema.field(name).type) for name in histories.column_names}
                    write_records(stream, encode_examples(histories))
                    rows += len(histories)
            out.files[-1] = ExportFile(f"{part}.tfrecord", rows, tuple(types))
        write_attribute_tables(source, out)
        out.write_document("read_histories.py", _READER.format(features="\n".join(_describe_features(types))))
        out.facts["types"] = types
        return []

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The events of every part, and the tables of items and users."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = {}
        for part in PARTS:
            path = folder / f"{part}.tfrecord"
            if not path.exists():
                continue
            rows = [decode_example(record) for record in read_records(path)]
            columns = {}
            for name, kind in manifest.facts["types"].items():
                values = [row[name] for row in rows]
                if not kind.startswith("list"):
                    values = [value[0] for value in values]
                columns[name] = pa.array([_to_text(v) for v in values] if "string" in kind else values)
            table = flatten_histories(pa.table(columns))
            for name in table.column_names:
                if pa.types.is_floating(table[name].type) and name != "weight":
                    table = set_column(table, name, pc.if_else(pc.is_nan(table[name]), None, table[name]))
            if "is_target" in table.column_names:
                table = set_column(table, "is_target", table["is_target"].cast(pa.bool_()))
            if "kind" in table.column_names:
                table = set_column(table, "kind", pc.if_else(pc.equal(table["kind"], ""), None, table["kind"]))
            if "time" in table.column_names:
                table = set_column(table, "time", pc.if_else(pc.equal(table["time"], NO_INTEGER), None, table["time"]))
            parts[part] = table
        return LoadedExport(parts, read_optional(folder / "items.parquet"), read_optional(folder / "users.parquet"))


def _to_text(value: Any) -> object:
    return [one.decode() for one in value] if isinstance(value, list) else value.decode()


def _name_type(kind: pa.DataType) -> str:
    """ "string", "float" or "int", or a list of these."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return f"list {_name_type(kind.value_type)}"
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return "string"
    return "float" if pa.types.is_floating(kind) else "int"


def _describe_features(types: dict[str, str]) -> Iterator[str]:
    names = {"string": "tf.string", "float": "tf.float32", "int": "tf.int64"}
    for name, kind in types.items():
        dtype = names[kind.removeprefix("list ")]
        is_list = kind.startswith("list")
        feature = f"tf.io.RaggedFeature({dtype})" if is_list else f"tf.io.FixedLenFeature([], {dtype})"
        yield f'    "{name}": {feature},'


def write_records(stream: BinaryIO, records: Sequence[bytes]) -> None:
    """Write records with their lengths and masked checksums: length (uint64), crc, bytes, crc."""
    lengths = [struct.pack("<Q", len(record)) for record in records]
    length_sums, sums = compute_masked_crc32c(lengths), compute_masked_crc32c(records)
    for length, length_sum, record, total in zip(lengths, length_sums, records, sums, strict=True):
        stream.write(b"".join((length, struct.pack("<I", length_sum), record, struct.pack("<I", total))))


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file.

    Raises ValueError for a wrong checksum.
    """
    content, place = path.read_bytes(), 0
    while place < len(content):
        length = struct.unpack_from("<Q", content, place)[0]
        record = content[place + 12 : place + 12 + length]
        if compute_masked_crc32c([record])[0] != struct.unpack_from("<I", content, place + 12 + length)[0]:
            raise ValueError(f"{path}: wrong checksum at byte {place}")
        yield record
        place += length + 16
