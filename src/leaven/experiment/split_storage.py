"""File format of a split and its catalog in the run folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.datasets.log_names import NAMES_FILE, load_names, save_names
from leaven.run_folder import write_json
from leaven.splits.log_splits import Split
from leaven.storage import replace_file

if TYPE_CHECKING:
    import pyarrow as pa

S = TypeVar("S", bound=np.generic)
PARTS = ("control", "valid", "test")


def save_split(split: Split, catalog: Catalog, folder: Path) -> None:
    """Write training and unseen rows, histories and targets of each held-out part, the catalog, and the facts."""
    folder.mkdir(parents=True, exist_ok=True)
    save_catalog(catalog, folder / "catalog.parquet")
    save_names(split.train.names, folder / NAMES_FILE)
    split.train.write_file(folder / "train.parquet")
    if split.control_histories is not None:
        split.control_histories.write_file(folder / "unseen.parquet")
    for name in PARTS:
        part: HeldOut | None = getattr(split, name)
        if part is not None:
            part.histories.write_file(folder / f"{name}.parquet")
            targets = Histories.from_arrays(  # as rows, so that they have their file format
                part.target_items, part.target_times, part.target_starts, part.histories.row_ids, part.histories.n_items
            )
            targets.write_file(folder / f"{name}-targets.parquet")
    write_json(folder / "split.json", dict(split.facts))


def load_split(folder: Path) -> Split:
    """The split that `save_split` wrote, every part with the catalog and the names of the log."""
    catalog, names = load_catalog(folder / "catalog.parquet"), load_names(folder / NAMES_FILE)

    def load_rows(name: str) -> Histories:
        return replace(Histories.from_parquet(folder / f"{name}.parquet"), catalog=catalog, names=names)

    train = load_rows("train")
    facts = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    parts: dict[str, Any] = {
        name: _add_targets(load_rows(name), folder / f"{name}-targets.parquet")
        for name in PARTS
        if (folder / f"{name}-targets.parquet").exists()
    }
    parts = dict.fromkeys(PARTS) | parts
    unseen = load_rows("unseen") if (folder / "unseen.parquet").exists() else None
    return Split(train=train, facts=facts, control_histories=unseen, **parts)


def _add_targets(histories: Histories, path: Path) -> HeldOut:
    targets = Histories.from_parquet(path)
    return HeldOut(histories, targets.items, targets.times, targets.starts)


def save_catalog(catalog: Catalog, path: Path) -> None:
    """Write one row per item, in the order of the dense ids; names of categories are in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"id": pa.array(list(catalog.ids), pa.string())}
    columns |= {f"words.{name}": pa.array(list(texts), pa.string()) for name, texts in catalog.texts.items()}
    for name in ("category", "price", "first_sale_times"):
        if (values := getattr(catalog, name)) is not None:
            columns[name] = pa.array(values[1:])
    if catalog.image_paths is not None:
        columns["image"] = pa.array(list(catalog.image_paths), pa.string())
    metadata = {"categories": list(catalog.categories), "folder": str(catalog.image_folder)}
    table = pa.table(columns).replace_schema_metadata({"leaven.catalog": json.dumps(metadata)})
    with replace_file(path) as part:
        pq.write_table(table, part)


def load_catalog(path: Path) -> Catalog:
    """The catalog that `save_catalog` wrote."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    metadata = json.loads((table.schema.metadata or {})[b"leaven.catalog"])

    def pad_column(name: str, missing: float, kind: type[S]) -> npt.NDArray[S] | None:
        if name not in table.column_names:
            return None
        return np.concatenate([[missing], table.column(name).to_numpy()]).astype(kind)

    words = {
        n.removeprefix("words."): table.column(n).to_pylist() for n in table.column_names if n.startswith("words.")
    }
    return Catalog(
        ids=table.column("id").to_pylist(),
        texts=words,
        category=pad_column("category", 0, np.int32),
        categories=metadata["categories"],
        price=pad_column("price", np.nan, np.float64),
        first_sale_times=_pad_born(table),
        image_paths=table.column("image").to_pylist() if "image" in table.column_names else None,
        image_folder=Path(metadata["folder"]),
    )


def _pad_born(table: pa.Table) -> npt.NDArray[np.int64] | None:
    """int64 (items + 1,) seconds, which need all 64 bits and must not pass through a float."""
    if "first_sale_times" not in table.column_names:
        return None
    born = np.zeros(table.num_rows + 1, np.int64)
    born[0] = np.iinfo(np.int64).min
    born[1:] = table.column("first_sale_times").to_numpy()
    return born
