"""RecBole: atomic files with a given split, for general and for sequential recommenders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leaven.exports.contract import LoadedExport, TargetTraits
from leaven.exports.event_tables import find_invalid_ratings, rename_columns
from leaven.exports.files import FolderWriter, read_csv
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.preflight import Violation, find_pattern
from leaven.exports.source import ITEM, PARTS, USER, ExportSource, compute_seconds, iterate_chunks
from leaven.exports.windows import iterate_windows

if TYPE_CHECKING:
    import pyarrow as pa

_FORBIDDEN = r'[\t\r\n"]'
_MISSING_WORDS = (
    r"^(#N/A|#N/A N/A|#NA|-1\.#IND|-1\.#QNAN|-NaN|-nan|1\.#IND|1\.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null)$"
)
"""Texts that `pandas.read_csv`, which RecBole uses, turns into missing values."""
_FIELDS = {USER: "user_id:token", ITEM: "item_id:token", "value": "rating:float", "time": "timestamp:float"}
_FIELDS |= {"weight": "weight:float", "kind": "kind:token", "price": "price:float", "quantity": "quantity:float"}
_CONFIG = """
field_separator: "\\t"
seq_separator: " "
benchmark_filename: [{parts}]
load_col: {{inter: [{fields}]}}
"""
_SEQUENTIAL = """alias_of_item_id: [item_id_list]
train_neg_sample_args: ~
eval_args: {{group_by: user, order: TO, mode: full}}
MAX_ITEM_LIST_LENGTH: {max_length}
"""


@dataclass(frozen=True)
class RecBoleExport:
    """RecBole, general recommenders: one line per event, split into `NAME.train.inter`, `.valid.inter`, `.test.inter`.

    RecBole neither filters nor reorders files that are split already. Times are seconds since the first event, since
    RecBole holds them as float32, which would round seconds since 1970 to multiples of 64 or more.

    name  of the data set: its folder and files
    """

    name: str = "leaven"

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="recbole 1.2",
        usage="""
from recbole.quick_start import run_recbole
run_recbole(model="BPR", dataset="leaven", config_file_list=["config.yaml"], config_dict={"data_path": "."})
""",
        rows="held_out_targets",
        columns=tuple(_FIELDS),
        reads_weight=False,
        has_items=True,
        has_users=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Ids without separators and quotes, and none that pandas reads as missing."""
        yield from find_invalid_tokens(source)
        yield from find_invalid_ratings(source, "value", missing_rating=0.0)  # RecBole fills unknown ones with the mean

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`NAME/NAME.PART.inter`, `NAME/NAME.item`, `NAME/NAME.user`, `config.yaml`."""
        columns = [name for name in _FIELDS if name in source.columns and _has_values(source, name)]
        origin = _find_first_time(source)

        def convert(chunk: pa.Table) -> pa.Table:
            return _convert_times(chunk.select(columns), origin)

        for part, table in source.parts.items():
            path = f"{self.name}/{self.name}.{part}.inter"
            header = "\t".join(_FIELDS[name] for name in columns)
            out.write_csv(path, map(convert, iterate_chunks(table)), header, "\t", "none")
        out.facts.update({"first_time": origin, "columns": columns})
        fields = ", ".join(_FIELDS[name].partition(":")[0] for name in columns)
        out.write_document("config.yaml", _CONFIG.format(parts=", ".join(source.parts), fields=fields).lstrip())
        return [*write_attributes(source, self.name, out)]

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The events of every part, and the tables of items and users."""
        types = {name: _arrow_type(_FIELDS[name], name) for name in manifest.facts["columns"]}
        parts = {}
        for part in PARTS:
            path = folder / self.name / f"{self.name}.{part}.inter"
            if path.exists():
                parts[part] = _restore_times(read_csv(path, types, "\t", quotes=False), manifest)
        items, users = (read_attributes(folder / self.name, manifest, key) for key in (ITEM, USER))
        return LoadedExport(parts, items, users)


@dataclass(frozen=True)
class RecBoleSequentialExport:
    """RecBole, sequential recommenders: one line per target with `item_id_list`, the events before it.

    With files that are split already RecBole makes no prefixes itself, so they are written.

    name        of the data set: its folder and files
    max_length  events before a target; older ones are left out
    """

    name: str = "leaven"
    max_length: int = 50

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="recbole 1.2",
        usage="""
from recbole.quick_start import run_recbole
run_recbole(model="SASRec", dataset="leaven", config_file_list=["config.yaml"], config_dict={"data_path": "."})
""",
        rows="targets",
        columns=(USER, ITEM, "time"),
        reads_weight=False,
        has_items=True,
        has_users=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """As for general recommenders; an item id with a space would be two items of a list."""
        yield from find_invalid_tokens(source)
        yield from find_pattern(source.item_ids, " ", "items with a space in their id")

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`NAME/NAME.PART.inter`, `NAME/NAME.item`, `NAME/NAME.user`, `config.yaml`."""
        header = "user_id:token\titem_id_list:token_seq\titem_id:token\ttimestamp:float"
        origin = _find_first_time(source)
        for part, table in source.parts.items():
            lines = self._build_lines(table, origin)
            out.write_csv(f"{self.name}/{self.name}.{part}.inter", lines, header, "\t", "none")
        out.facts["first_time"] = origin
        fields = "user_id, item_id_list, item_id"
        config = _CONFIG.format(parts=", ".join(source.parts), fields=fields).lstrip()
        out.write_document("config.yaml", config + _SEQUENTIAL.format(max_length=self.max_length))
        return [*write_attributes(source, self.name, out)]

    def _build_lines(self, table: pa.Table, origin: int) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.compute as pc

        items = table.column(ITEM).cast(pa.string()).combine_chunks()
        times = table.column("time") if "time" in table.column_names else pa.nulls(len(table), pa.int64())
        for windows in iterate_windows(table, self.max_length):
            targets = pa.array(windows.targets)
            lists = pc.binary_join(windows.build_lists(items), " ")
            users, target_items = table.column(USER).take(targets), items.take(targets)
            seconds = pc.subtract(compute_seconds(times.take(targets)), origin)
            yield pa.table({USER: users, "known": lists, ITEM: target_items, "time": seconds})

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """The targets of every part, with the lists of events before them as column `known`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        types = {USER: pa.string(), "known": pa.string(), ITEM: pa.string(), "time": pa.int64()}
        parts = {}
        for part in PARTS:
            path = folder / self.name / f"{self.name}.{part}.inter"
            if path.exists():
                table = _restore_times(read_csv(path, types, "\t", quotes=False), manifest)
                known = pc.split_pattern(table.column("known"), " ")
                parts[part] = table.set_column(1, "known", known)
        items, users = (read_attributes(folder / self.name, manifest, key) for key in (ITEM, USER))
        return LoadedExport(parts, items, users)


def find_invalid_tokens(source: ExportSource) -> Iterator[Violation]:
    """Violations of ids that RecBole's reader would change."""
    for name, ids in (("users", source.user_ids), ("items", source.item_ids)):
        yield from find_pattern(ids, _FORBIDDEN, f"{name} with a tab, a quote or a line break in their id")
        yield from find_pattern(ids, _MISSING_WORDS, f"{name} with an id that is read as missing")


def write_attributes(source: ExportSource, name: str, out: FolderWriter) -> Iterator[Loss]:
    """Write `.item` and `.user`: numbers as float, categories as token, texts of several words as token_seq."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for suffix, key, table in (("item", ITEM, source.items), ("user", USER, source.users)):
        if table is None:
            continue
        header, columns = [], {}
        for column in table.column_names:
            values = table.column(column)
            if column == key:
                header.append(f"{key}_id:token")
            elif pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
                header.append(f"{column}:float")
            else:
                values = values.cast(pa.string())
                changed = pc.replace_substring_regex(values, pattern=r'[\t\r\n"]+', replacement=" ")
                if count := pc.sum(pc.not_equal(changed, values)).as_py():
                    yield Loss(column, count, "tabs, quotes and line breaks in texts are spaces")
                header.append(
                    f"{column}:token_seq" if pc.any(pc.match_substring(changed, " ")).as_py() else f"{column}:token"
                )
                values = changed
            columns[column] = values
        out.facts[f"{suffix}_fields"] = header
        out.write_csv(f"{name}/{name}.{suffix}", [pa.table(columns)], "\t".join(header), "\t", "none")


def read_attributes(folder: Path, manifest: Manifest, key: str) -> pa.Table | None:
    """The table of items or of users, None where there is none."""
    if not (path := folder / f"{folder.name}.{key}").exists():
        return None
    types = {one.partition(":")[0]: _arrow_type(one) for one in manifest.facts[f"{key}_fields"]}
    return rename_columns(read_csv(path, types, "\t", quotes=False), {f"{key}_id": key})


def _arrow_type(field: str, name: str = "") -> pa.DataType:
    import pyarrow as pa

    if name == "time":
        return pa.int64()
    return pa.float64() if field.endswith(":float") else pa.string()


def _has_values(source: ExportSource, column: str) -> bool:
    return any(table.column(column).null_count < len(table) for table in source.parts.values())


def _find_first_time(source: ExportSource) -> int:
    import pyarrow.compute as pc

    if "time" not in source.columns:
        return 0
    firsts = [pc.min(compute_seconds(table.column("time"))).as_py() for table in source.parts.values()]
    return min((first for first in firsts if first is not None), default=0)


def _convert_times(table: pa.Table, origin: int) -> pa.Table:
    import pyarrow.compute as pc

    if "time" not in table.column_names:
        return table
    seconds = pc.subtract(compute_seconds(table.column("time")), origin)
    return table.set_column(table.column_names.index("time"), "time", seconds)


def _restore_times(table: pa.Table, manifest: Manifest) -> pa.Table:
    import pyarrow.compute as pc

    if "time" not in table.column_names:
        return table
    times = pc.add(table.column("time"), manifest.facts["first_time"])
    return table.set_column(table.column_names.index("time"), "time", times)
