"""Reads what a user wants to export: rows, splits, samples, frames, and folders of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaven.augmentation.expansion import load_expansion
from leaven.augmentation.plan import Plan, Step
from leaven.config import load_spec
from leaven.config.experiment_spec import BASELINE, CONTROL, Spec, build_repeat
from leaven.ctr_features import SampleSplit
from leaven.datasets.catalog import Catalog
from leaven.datasets.event_table import MASK_NAME
from leaven.datasets.histories import HeldOut, Histories
from leaven.datasets.log_names import LogNames
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError, suggest_name
from leaven.experiment import tasks
from leaven.exports.files import read_parquet
from leaven.exports.source import ITEM, USER, ExportSource, build_source
from leaven.run_folder import SPEC_FILE, VIEWS_FOLDER, RunFolder, open_run, slugify
from leaven.splits.log_splits import Split

if TYPE_CHECKING:
    import pyarrow as pa

EXPANDED = "expanded"


@singledispatch
def read_source(data: Any, variant: str = "") -> ExportSource:
    """The tables of `data`: an `ExportSource`; a run folder or a folder of `leaven expand`, with a variant; histories,
    samples, or a split of them; a pandas, Polars or Arrow table with the columns of `Histories.to_events`.

    Raises DataError for anything else, SpecError for an unknown variant.
    """
    import pyarrow as pa

    if not hasattr(data, "__arrow_c_stream__"):
        fix = "use a run folder, a split, histories, samples, or a table of events"
        raise DataError("data", "something to export", type(data).__name__, fix)
    return build_source(pa.table(data))


@read_source.register
def _(data: ExportSource, variant: str = "") -> ExportSource:
    return data


@read_source.register
def _(data: Histories, variant: str = "") -> ExportSource:
    return build_event_source({"train": data.to_events()}, data.catalog, data.names)


@read_source.register
def _(data: Split, variant: str = "") -> ExportSource:
    return build_split_source(data, data.train)


@read_source.register
def _(data: Samples, variant: str = "") -> ExportSource:
    return build_sample_source({"train": data.to_events()}, data.names)


@read_source.register
def _(data: SampleSplit, variant: str = "") -> ExportSource:
    parts = {"train": data.train, "valid": data.valid, "test": data.test}
    return build_sample_source({name: rows.to_events() for name, rows in parts.items()}, data.train.names)


@read_source.register
def _(data: RunFolder, variant: str = "") -> ExportSource:
    return read_run(data, variant)


@read_source.register(str)
@read_source.register(Path)
def _(data: str | Path, variant: str = "") -> ExportSource:
    path = Path(data)
    if path.name == EXPANDED:  # RUN/variants/VARIANT/expanded
        return read_run(open_run(path.parents[2]), variant or path.parent.name)
    return read_run(open_run(path), variant)


def read_run(run: RunFolder, variant: str = "") -> ExportSource:
    """The rows of one variant, with the held-out parts of the run. variant: its name or its folder; may be left out
    where there is one only; "baseline": the real rows alone.
    """
    spec = load_spec(run.path / SPEC_FILE)
    name = _find_variant(spec, run, variant)
    parts, plan = tasks.of(spec.task).load_parts(run.data_folder), _get_plan(spec, name)
    folder = run.variant_folder(name)
    train = load_expansion(folder / EXPANDED, plan, parts.train) if (folder / EXPANDED).exists() else parts.train
    if spec.task == "ctr":
        tables = {"train": train.to_events(plan), "valid": parts.valid.to_events(), "test": parts.test.to_events()}
        source = build_sample_source(tables, parts.train.names)
    else:
        source = build_split_source(parts, train, plan)
    facts = {"run": spec.name, "variant": name}
    return replace(source, item_views=read_item_views(folder / VIEWS_FOLDER), facts={**source.facts, **facts})


def build_split_source(split: Split, train: Histories, plan: Plan | None = None) -> ExportSource:
    """Training rows, with the held-out parts and the catalog of a split."""
    tables = {"train": train.to_events(plan)}
    tables |= {name: join_targets(part).to_events() for name, part in (("valid", split.valid), ("test", split.test))}
    return build_event_source(tables, split.train.catalog, split.train.names)


def build_sample_source(tables: Mapping[str, pa.Table], names: LogNames | None) -> ExportSource:
    """A source of tables of samples, with the table of their users where there is one."""
    return build_source(tables["train"], tables.get("valid"), tables.get("test"), users=build_user_table(tables, names))


def build_event_source(
    tables: Mapping[str, pa.Table], catalog: Catalog | None, names: LogNames | None = None
) -> ExportSource:
    """A source of tables of events, a catalog and a table of users; masked events are left out, and counted."""
    import pyarrow.compute as pc

    kept, masked = {}, 0
    for name, table in tables.items():
        is_mask = pc.equal(table.column(ITEM), MASK_NAME)
        masked += pc.sum(is_mask).as_py() or 0
        kept[name] = table.filter(pc.invert(is_mask)) if pc.any(is_mask).as_py() else table
    items = None if catalog is None else build_item_table(catalog)
    facts = {"masked_events_left_out": masked} if masked else {}
    users = build_user_table(kept, names)
    return build_source(kept["train"], kept.get("valid"), kept.get("test"), items, users, facts=facts)


def join_targets(part: HeldOut) -> Histories:
    """Known events and the targets after them, as rows whose last events are the targets."""
    known, lengths = part.histories, np.diff(part.target_starts)
    starts = known.starts - known.starts[0] + part.target_starts - part.target_starts[0]
    is_target = np.ones(int(starts[-1]), bool)
    first = np.repeat(starts[:-1] - (known.starts[:-1] - known.starts[0]), known.lengths)
    is_target[first + np.arange(known.n_events)] = False
    source = np.full(len(is_target), -1, np.int64)
    source[~is_target] = np.arange(known.n_events)
    items, times = known.items[np.maximum(source, 0)], known.times[np.maximum(source, 0)]
    items[is_target], times[is_target] = part.target_items, part.target_times
    return replace(known.replace_events(starts, items, times, source), n_targets=lengths.astype(np.int32))


def build_item_table(catalog: Catalog) -> pa.Table:
    """One row per item: `item`, its texts, category, price, release date, and the path of its image."""
    import pyarrow as pa

    columns: dict[str, pa.Array] = {ITEM: catalog.id_array}
    for name, texts in catalog.texts.items():
        columns[name] = pa.array([text or None for text in texts], pa.string())
    if catalog.category is not None:
        names = pa.array([None, *catalog.categories], pa.string())
        columns["category"] = names.take(pa.array(catalog.category[1:]))
    if catalog.price is not None:
        columns["price"] = pa.array(catalog.price[1:], from_pandas=True)
    if catalog.image_paths is not None:
        paths = [str(catalog.image_folder / path) if path else None for path in catalog.image_paths]
        columns["image"] = pa.array(paths, pa.string())
    return pa.table(columns)


def build_user_table(tables: Mapping[str, pa.Table], names: LogNames | None) -> pa.Table | None:
    """One row per user of these tables: `user` and its attributes; a synthetic user has those of its parent.

    None without attributes, and for rows without users.
    """
    if names is None or names.users is None or not names.attributes or USER not in tables["train"].column_names:
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    pairs = []
    for table in tables.values():
        user, parent = (table.column(column).cast(pa.string()) for column in (USER, "parent"))
        pairs.append(pa.table({USER: user, "known": pc.coalesce(parent, user)}))
    distinct = pa.concat_tables(pairs).group_by([USER, "known"], use_threads=False).aggregate([])
    place = pc.index_in(distinct.column("known"), value_set=names.users)
    attributes = {name: column.take(place) for name, column in names.attributes.items()}
    return pa.table({USER: distinct.column(USER), **attributes})


def read_item_views(folder: Path) -> pa.Table | None:
    """The texts and images that the steps of a variant made of items, linked by the item's id; None without any."""
    import pyarrow as pa

    views = []
    for path in sorted(folder.glob("*.parquet")):
        table = read_parquet(path)
        step = path.stem.partition("-")[2]
        nothing = {"text": pa.nulls(len(table), pa.string()), "image": pa.nulls(len(table), pa.binary())}
        made = {"text": table["after"]} if "after" in table.column_names else {"image": table["jpeg"].cast(pa.binary())}
        common = {"item": table["item"], "step": [step] * len(table), "copy": table["copy"], "column": table["column"]}
        views.append(pa.table({**common, **nothing, **made}))
    return pa.concat_tables(views) if views else None


def _find_variant(spec: Spec, run: RunFolder, variant: str) -> str:
    """The name of a variant, from its name, the name of its folder, or nothing where there is one only."""
    named = {one.name: one.name for one in spec.variants} | {BASELINE: BASELINE, CONTROL: CONTROL}
    named |= {slugify(one.name): one.name for one in spec.variants}
    existing = [one.name for one in spec.variants if (run.variant_folder(one.name) / EXPANDED).exists()]
    if variant:
        if variant not in named:
            raise SpecError("variant", "a variant of the run", repr(variant), suggest_name(variant, named))
        return named[variant]
    if len(existing) != 1:
        fix = f"choose one with --variant: {', '.join([*existing, BASELINE])}"
        raise SpecError("variant", "the name of a variant", "none", fix)
    return existing[0]


def _get_plan(spec: Spec, name: str) -> Plan:
    if name == BASELINE:
        return Plan()
    if name == CONTROL:
        return Plan([Step(build_repeat(spec))])
    return spec.variant(name).plan
