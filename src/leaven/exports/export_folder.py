"""`export`: checks a source against the rules of a target, writes its files, and reads them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import SpecError, suggest_name
from leaven.exports.contract import Exporter, TargetTraits
from leaven.exports.files import FolderWriter, read_parquet, stage_folder
from leaven.exports.lineage_file import read_lineage, write_lineage
from leaven.exports.manifest import MANIFEST_FILE, Loss, Manifest, read_manifest
from leaven.exports.numbered_ids import number_ids, restore_ids, write_id_maps
from leaven.exports.preflight import ExportError, Violation
from leaven.exports.read_data import read_source
from leaven.exports.source import LINEAGE_COLUMNS, ExportSource, build_source
from leaven.exports.windows import find_targets
from leaven.registry import create_config, find_kind, list_kinds
from leaven.run_folder import write_json

if TYPE_CHECKING:
    import pyarrow as pa

VIEWS_FILE = "item_views.parquet"
IDS = ("own", "numbers")


def export(
    data: Any,
    to: str | Exporter,
    out: str | Path,
    options: Mapping[str, Any] | None = None,
    ids: str = "own",
    variant: str = "",
) -> Manifest:
    """Write data in the form of another library, with a manifest of what it holds and what is lost.

    data: a run folder or its path, histories, samples, a split, or a table with the columns of `Histories.to_events`.
    to: a kind of `leaven.list_kinds("exports")`, with its fields in `options`, or a config. out: a new folder. ids:
    "own" or "numbers", with tables that map them back. variant: of a run folder with several.

    >>> import pyarrow as pa, tempfile
    >>> events = pa.table({"user": ["ann", "ann"], "item": ["tea", "mug"], "time": [1318896000, 1318896060]})
    >>> folder = Path(tempfile.mkdtemp()) / "out"
    >>> export(events, to="implicit", out=folder).files[0]
    ExportFile(path='train.npz', rows=2, columns=('user', 'item', 'weight'))
    >>> load_export(folder).train.column("item").to_pylist()
    ['tea', 'mug']

    Raises ExportError with every violation of the target's rules; then nothing is written. Raises SpecError for an
    unknown target, DataError for a folder that is not empty or a full disk.
    """
    exporter: Exporter = create_config("exports", to, options) if isinstance(to, str) else to
    return export_source(read_source(data, variant), exporter, Path(out), ids)


def export_source(source: ExportSource, target: str | Exporter, folder: Path, ids: str = "own") -> Manifest:
    """Write a source in the form of a target: see `export`."""
    exporter: Exporter = create_config("exports", target) if isinstance(target, str) else target
    if ids not in IDS:
        raise SpecError("ids", "'own' or 'numbers'", repr(ids), suggest_name(ids, IDS))
    kind, traits = find_kind("exports", exporter), exporter.traits
    if traits.has_numbers:
        ids = "own"  # its files hold numbers, and the tables of them, in any case
    shaped = select_rows(source, traits)
    read = source if traits.rows == "targets" else shaped  # lists need the events before the targets
    written = number_ids(read) if ids == "numbers" else read
    violations = [*_find_empty_ids(written, traits)] or [*exporter.find_violations(written)]
    if violations:
        raise ExportError(kind, violations)
    with stage_folder(folder) as part:
        out = FolderWriter(part)
        lost = [*_list_losses(source, shaped, traits), *exporter.write(written, out)]
        write_lineage(shaped, out)
        if ids == "numbers":
            write_id_maps(source, out)
        if source.item_views is not None:
            out.write_parquet(VIEWS_FILE, [source.item_views])
        rows = {name: len(table) for name, table in shaped.parts.items()}
        facts = {
            **source.facts,
            "rows": rows,
            "has_clock": source.has_clock,
            "ids": ids,
            "leaven": version("leaven"),
            **out.facts,
        }
        usage = traits.usage.strip()
        manifest = Manifest(kind, asdict(exporter), traits.library, tuple(out.files), tuple(lost), usage, facts)  # type: ignore[call-overload]
        write_json(part / MANIFEST_FILE, manifest.to_json())
    return manifest


def load_export(folder: str | Path) -> ExportSource:
    """Read the files of an export again: its columns, rows, ids and lineage as far as they are not lost.

    Raises DataError for a folder that no export wrote.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.target not in list_kinds("exports"):
        raise SpecError("manifest.json, target", "a known target", repr(manifest.target), "install its package")
    exporter: Exporter = create_config(
        "exports",
        manifest.target,
        {name: tuple(value) if isinstance(value, list) else value for name, value in manifest.options.items()},
    )
    loaded = exporter.load(folder, manifest)
    if manifest.facts["has_clock"]:
        loaded = replace(loaded, parts={name: _restore_clock(table) for name, table in loaded.parts.items()})
    if manifest.facts["ids"] == "numbers":
        loaded = restore_ids(folder, loaded)
    parts = dict(loaded.parts) if exporter.traits.rows == "pairs" else read_lineage(folder, loaded.parts)
    views = read_parquet(folder / VIEWS_FILE) if (folder / VIEWS_FILE).exists() else None
    return build_source(parts["train"], parts.get("valid"), parts.get("test"), loaded.items, loaded.users, views)


def select_rows(source: ExportSource, traits: TargetTraits) -> ExportSource:
    """The rows that a target holds: see `TargetTraits.rows`."""
    if traits.rows in ("held_out_targets", "pairs"):
        return source.drop_known_events()
    if traits.rows == "targets" and source.has_events:
        return source.replace_parts({name: table.take(find_targets(table)) for name, table in source.parts.items()})
    return source


def _restore_clock(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    if "time" not in table.column_names or pa.types.is_timestamp(table.schema.field("time").type):
        return table
    times = table.column("time").cast(pa.timestamp("s", "UTC"))
    return table.set_column(table.column_names.index("time"), "time", times)


def _find_empty_ids(source: ExportSource, traits: TargetTraits) -> Iterator[Violation]:
    import pyarrow.compute as pc

    if traits.needs_events and not source.has_events:
        fix = "export samples to fuxictr, torch_rechub, libsvm, libffm or vw"
        yield Violation("rows that name a user and an item are needed; rows without", len(source.train), (), fix)
        return
    for what, ids in (("users", source.user_ids), ("items", source.item_ids)):
        if empty := pc.sum(pc.equal(ids, "")).as_py():
            yield Violation(f"{what} with an empty id", empty, (), "name them in the log")


def _list_losses(source: ExportSource, shaped: ExportSource, traits: TargetTraits) -> Iterator[Loss]:
    """Columns, precision and tables that a target has no place for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    dropped = sum(len(source.parts[name]) - len(table) for name, table in shaped.parts.items())
    if dropped:
        reasons = {"targets": "events that are no targets are in lists only"}
        yield Loss("user", dropped, reasons.get(traits.rows, "known events of held-out users are not repeated"))
    for column in source.columns:
        if column in ("position", *LINEAGE_COLUMNS) or (column == "is_target" and traits.rows != "events"):
            continue
        if not traits.holds_column(column):
            count = sum(len(table) - table.column(column).null_count for table in shaped.parts.values())
            if count:
                yield Loss(column, count, "the target has no column for it")
    if "time" in source.columns and traits.holds_column("time") and traits.time_unit == "s":
        times = [table.column("time") for table in shaped.parts.values()]
        if pa.types.is_timestamp(times[0].type):
            count = sum(pc.sum(pc.not_equal(pc.subsecond(one), 0)).as_py() or 0 for one in times)
            if count:
                yield Loss("time", count, "times are whole seconds; rows keep their order")
    if "weight" in source.columns and not traits.reads_weight:
        count = sum(pc.sum(pc.not_equal(table.column("weight"), 1)).as_py() or 0 for table in shaped.parts.values())
        if count:
            yield Loss("weight", count, "the library does not read weights; they are in lineage.parquet")
    for name, table, has_place in (
        ("items", source.items, traits.has_items),
        ("users", source.users, traits.has_users),
    ):
        if table is not None and not has_place:
            yield Loss(name, len(table), "the target has no table for their attributes")
