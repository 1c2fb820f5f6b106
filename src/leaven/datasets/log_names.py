"""Names of a log: the users' ids and attributes, the names of event kinds and columns, and those of synthetic rows.

Histories and samples hold hashed row ids and dense codes; computations never read these names. They are read where
rows leave leaven: tables, previews, exports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.frames import write_table

if TYPE_CHECKING:
    import pyarrow as pa

RowIds = npt.NDArray[np.uint64]
Origins = npt.NDArray[np.int16]

_METADATA_KEY, _ATTRIBUTE = b"leaven.names", "attribute."
NAMES_FILE = "names.parquet"
"""File of the names in the data folder of a run."""
REAL, CHANGED, SYNTHETIC = "real", "changed", "synthetic"
"""Values of the column `origin` of a table: as in the log; a user's row that a step changed in place; a new row."""


class NamedStep(Protocol):
    """A step of a plan, by its name."""

    @property
    def display_name(self) -> str: ...


class NamedSteps(Protocol):
    """A plan, by the names of its steps."""

    @property
    def named_steps(self) -> Sequence[NamedStep]: ...


@dataclass(frozen=True, eq=False)
class LogNames:
    """The names behind the numbers of a log. None of them is unique to a part: all parts of a log share one object.

    row_ids    uint64 (users,): row id of each user, in any order
    users      Arrow strings (users,): the original id of each user; None: not known
    kinds      names of the codes in the column `kind`, from code 0; "" is a missing kind
    columns    role (user, item, time, value …) -> the log's own name of that column
    time_form  form of the times in the log: a unit of Unix time ("s", "ms", "us", "ns"), a strptime format, "ISO 8601";
               "": not known
    has_clock  whether times are times; False: they are positions in the file. None: not known
    steps      names of the steps that created the synthetic rows, by `origin` from 1
    attributes  name -> Arrow strings or float64 (users,): an attribute from a table of users; null: unknown

    >>> names = LogNames.from_users([11, 12], ["ann", "bob"])
    >>> names.find_users(np.array([12, 7], np.uint64)).to_pylist()
    ['bob', None]
    """

    row_ids: RowIds = field(default_factory=lambda: np.zeros(0, np.uint64))
    users: pa.Array | None = None
    kinds: Sequence[str] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    time_form: str = ""
    has_clock: bool | None = None
    steps: Sequence[str] = ()
    attributes: Mapping[str, pa.Array] = field(default_factory=dict)

    @classmethod
    def from_users(cls, row_ids: npt.ArrayLike, users: Sequence[str]) -> LogNames:
        """Names of these users alone."""
        import pyarrow as pa

        return cls(np.asarray(row_ids, np.uint64), pa.array(users, pa.string()))

    def find_users(self, row_ids: RowIds) -> pa.Array:
        """Arrow strings (rows,): the original user id of each row id; null where unknown."""
        import pyarrow as pa

        return pa.nulls(len(row_ids), pa.string()) if self.users is None else self._find(self.users, row_ids)

    def find_attribute(self, name: str, row_ids: RowIds) -> pa.Array:
        """Arrow strings or float64 (rows,): an attribute of the user of each row id; null where unknown."""
        return self._find(self.attributes[name], row_ids)

    def _find(self, column: pa.Array, row_ids: RowIds) -> pa.Array:
        """The cells of a column of users at these row ids."""
        import pyarrow as pa

        if not len(self.row_ids):
            return pa.nulls(len(row_ids), column.type)
        order, ascending = self._order
        place = np.minimum(np.searchsorted(ascending, row_ids), len(ascending) - 1)
        return column.take(pa.array(order[place], mask=ascending[place] != row_ids))

    def find_row_ids(self, users: Sequence[str]) -> RowIds:
        """uint64 (users,): the row id of each original user id; 0 where unknown."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.users is None:
            return np.zeros(len(users), np.uint64)
        place = pc.index_in(pa.array(users, self.users.type), value_set=self.users)
        found = self.row_ids[place.fill_null(0).to_numpy(zero_copy_only=False)] if len(self.row_ids) else 0
        return np.where(place.is_valid().to_numpy(zero_copy_only=False), found, np.uint64(0)).astype(np.uint64)

    @cached_property
    def _order(self) -> tuple[npt.NDArray[np.int64], RowIds]:
        """(index of each row id in ascending order, the ascending row ids)."""
        order = np.argsort(self.row_ids, kind="stable")
        return order, self.row_ids[order]


def find_user(names: LogNames | None, row_ids: RowIds) -> str:
    """The original id of the first of these users; "" where it is not known."""
    return "" if names is None or not len(row_ids) else names.find_users(row_ids[:1])[0].as_py() or ""


def merge_names(parts: Sequence[LogNames | None]) -> LogNames | None:
    """The names of the first part with the users of all; None where no part has users."""
    import pyarrow as pa

    known = [part for part in parts if part is not None and part.users is not None]
    if not known:
        return parts[0] if parts else None
    row_ids, first = np.unique(np.concatenate([part.row_ids for part in known]), return_index=True)
    users = pa.concat_arrays([part.users.cast(pa.string()) for part in known if part.users is not None])
    attributes = {
        name: pa.concat_arrays([part.attributes[name] for part in known]).take(pa.array(first))
        for name in known[0].attributes
    }
    return replace(known[0], row_ids=row_ids, users=users.take(pa.array(first)), attributes=attributes)


def save_names(names: LogNames | None, path: Path) -> None:
    """Write the names to a Parquet file: row_id, user and attributes, the rest as metadata. None writes nothing."""
    if names is None:
        return
    import pyarrow as pa

    users = pa.nulls(len(names.row_ids), pa.string()) if names.users is None else names.users
    rest: dict[str, object] = {"kinds": list(names.kinds), "columns": dict(names.columns), "time_form": names.time_form}
    rest |= {"has_clock": names.has_clock, "steps": list(names.steps)}
    attributes = {_ATTRIBUTE + name: column for name, column in names.attributes.items()}
    table = pa.table({"row_id": names.row_ids, "user": users, **attributes})
    write_table(table.replace_schema_metadata({_METADATA_KEY: json.dumps(rest)}), path)


def load_names(path: Path) -> LogNames | None:
    """The names that `save_names` wrote; None where there is no file."""
    if not path.exists():
        return None
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    rest = json.loads((table.schema.metadata or {})[_METADATA_KEY])
    row_ids = np.asarray(table.column("row_id"), np.uint64)
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    attributes = {name.removeprefix(_ATTRIBUTE): one for name, one in columns.items() if name.startswith(_ATTRIBUTE)}
    return LogNames(row_ids, columns["user"], **rest, attributes=attributes)


def remove_users(path: Path, row_ids: RowIds) -> None:
    """Remove the users of these row ids from the file of `save_names`, where it exists."""
    names = load_names(path)
    if names is None or names.users is None:
        return
    import pyarrow as pa

    is_left = ~np.isin(names.row_ids, row_ids)
    attributes = {name: column.filter(pa.array(is_left)) for name, column in names.attributes.items()}
    users = names.users.filter(pa.array(is_left))
    save_names(replace(names, row_ids=names.row_ids[is_left], users=users, attributes=attributes), path)


@dataclass(frozen=True, eq=False)
class RowLabels:
    """Readable lineage of rows, as Arrow dictionary arrays (rows,).

    user    the user's id of real and changed rows; a unique name of a synthetic row, such as "ann+crop.1"
    parent  id of the real user whose row it derives from; null for real rows, and for rows without a parent
    origin  "real", "changed" or "synthetic"
    step    name of the step that created or last changed the row; null for real rows
    """

    user: pa.DictionaryArray
    parent: pa.DictionaryArray
    origin: pa.DictionaryArray
    step: pa.DictionaryArray

    def slice(self, first: int, last: int) -> RowLabels:
        """The labels of rows first..last - 1."""
        size = last - first
        user, parent = self.user.slice(first, size), self.parent.slice(first, size)
        return RowLabels(user, parent, self.origin.slice(first, size), self.step.slice(first, size))


def list_step_names(plan: NamedSteps | Sequence[str] | None, names: LogNames | None) -> Sequence[str]:
    """The names of the steps: of a plan, as given, or those that the log's names hold."""
    if plan is None:
        return () if names is None else names.steps
    return list(plan) if isinstance(plan, Sequence) else [step.display_name for step in plan.named_steps]


def label_rows(
    names: LogNames | None, row_ids: RowIds, parents: RowIds, origin: Origins, steps: Sequence[str]
) -> RowLabels:
    """Readable lineage of rows.

    Synthetic rows are named "PARENT+STEP.N", counted from 1 in the order given; without a parent, "+STEP.N". The plus
    sign is doubled until no such name is a user's id. Users without a known id are named by their row id.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    # A changed row keeps its user's id as its row id; a row of a generator without a parent has parent 0.
    is_real, is_new = origin == 0, (origin != 0) & (row_ids != parents)
    own, parent = _find_ids(names, row_ids), _find_ids(names, parents)
    step_names = pa.array([None, *steps, *(f"step {n}" for n in range(len(steps) + 1, int(origin.max(initial=0)) + 1))])
    step = step_names.take(pa.array(origin))
    user = own
    if is_new.any():
        index = np.flatnonzero(is_new)
        stems = pc.if_else(pa.array(parents[index] == 0), "", parent.take(index))
        counts = pa.array(_count_within(parents[index], origin[index])).cast(pa.string())
        ends = pc.binary_join_element_wise(step.take(index), counts, ".")
        user = pc.replace_with_mask(own, pa.array(is_new), _join_uniquely(stems, ends, own.filter(pa.array(~is_new))))
    kinds = np.where(is_real, 0, np.where(is_new, 2, 1)).astype(np.int8)
    no_parent = pa.array(is_real | (parents == 0))
    return RowLabels(
        user.dictionary_encode(),
        pc.if_else(no_parent, pa.scalar(None, pa.string()), parent).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array(kinds), pa.array([REAL, CHANGED, SYNTHETIC])),
        step.cast(pa.string()).dictionary_encode(),
    )


def _find_ids(names: LogNames | None, row_ids: RowIds) -> pa.Array:
    """Arrow strings (rows,): original ids, or row ids as text where they are not known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pa.nulls(len(row_ids), pa.string()) if names is None else names.find_users(row_ids)
    return pc.coalesce(found, pa.array(row_ids).cast(pa.string())) if found.null_count else found


def _count_within(parents: RowIds, origin: Origins) -> npt.NDArray[np.int64]:
    """int64 (rows,): number of each row among those of the same parent and step, from 1."""
    order = np.lexsort((np.arange(len(parents)), origin, parents))
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(parents[order]) != 0) | (np.diff(origin[order]) != 0)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    counts = np.empty(len(order), np.int64)
    counts[order] = np.arange(len(order)) - first + 1
    return counts


def _join_uniquely(stems: pa.Array, ends: pa.Array, taken: pa.Array) -> pa.Array:
    """Stem, plus signs and end of each row, with as many plus signs as make the names unique."""
    import pyarrow.compute as pc

    mark = "+"
    while True:
        joined = pc.binary_join_element_wise(stems, ends, mark)
        if pc.count_distinct(joined).as_py() == len(joined) and not pc.any(pc.is_in(joined, value_set=taken)).as_py():
            return joined
        mark += "+"
