"""Which rows are to be judged, over which catalogue or columns, and is the held-out part truly held out?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.datasets.histories import REAL, Histories, concat
from leaven.datasets.images import SUFFIXES, Pictures
from leaven.datasets.samples import METADATA, Samples
from leaven.errors import DataError, SpecError, nearest
from leaven.ingest.source_config import ItemSource
from leaven.quality.context import NOTHING, Beside
from leaven.quality.featurization import Rows
from leaven.quality.image_rows import Columns, Photos, read_photos
from leaven.quality.table_rows import Table, files_with, names_of_owners, read_table, stored_samples
from leaven.quality.text_rows import Texts, read_lines, together

Kind = Literal["histories", "table", "text", "image"]
KINDS = ("histories", "table", "text", "image")
ROLES = ("real", "held-out", "new")
HISTORIES_MARK = b"leaven.n_items"

_STRANGE = 0.5  # share of the new events with unknown items above which the catalogues are different ones
_TOLERATED = 0.01  # share of held-out rows that may equal a training row beyond what training rows do by themselves
_LOOKED_AT = 20_000  # training rows among which the usual share of equal rows is counted


@dataclass(frozen=True, eq=False)
class Inputs:
    """The three sets of rows, over one catalogue or the same columns, and what is to be said about them.

    names   who the real and the new rows are, where they have names; else they are counted from 0
    is_log  whether histories came as logs, with original ids
    """

    kind: Kind
    real: Rows
    held_out: Rows
    new: Rows
    facts: dict[str, Any] = field(default_factory=dict)
    names: tuple[Sequence[str], Sequence[str]] | None = None
    is_log: bool = False


def read(real: Any, held_out: Any, new: Any, kind: str = "", key: int = 0, beside: Beside = NOTHING) -> Inputs:
    """Histories (logs in every form that leaven reads, Parquet of histories), tables (CSV, Parquet, frames), texts, or
    pictures (folders, lists and tables of files, arrays).

    Without a kind, what has columns for user, item and time is read as histories, another file as a table, a list of
    words as texts, and a folder or an array of pictures as pictures.
    Of a Parquet file that holds real and made rows, the made ones are the new ones.

    Raises DataError for different catalogues or columns, and where held-out rows are training rows; SpecError for
    knowledge that the kind has no use for.
    """
    given = (real, held_out, new)
    if kind not in ("", *KINDS):
        raise SpecError("kind", f"{', '.join(KINDS[:-1])} or {KINDS[-1]}", repr(kind), nearest(kind, KINDS))
    found = kind or _guessed(real)
    beside.refuse_useless(found)
    if found == "histories":
        inputs = _histories(given, beside.items)
    elif found == "image":
        inputs = _pictures(given, Columns(beside.column, beside.label, beside.words))
    else:
        inputs = _tables(given) if found == "table" else _texts(given, beside.column)
    _refuse_overlap(inputs, key)
    return inputs


def _guessed(source: Any) -> str:
    if isinstance(source, Histories | Events):
        return "histories"
    if isinstance(source, Mapping | Table):
        return "table"
    if isinstance(source, Texts) or (isinstance(source, list) and all(isinstance(one, str) for one in source)):
        return "text"
    if isinstance(source, Photos | Pictures | np.ndarray) or _holds_pictures(source):
        return "image"
    if files_with(source, HISTORIES_MARK):
        return "histories"
    if isinstance(source, Samples) or files_with(source, METADATA):
        return "table"
    from leaven import ingest

    try:
        ingest.read(source)
    except DataError:
        return "table"
    return "histories"


def _holds_pictures(source: Any) -> bool:
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return False
    return any(path.suffix.lower() in SUFFIXES for path in Path(source).rglob("*"))


def _histories(given: Sequence[Any], items: Catalog | ItemSource | None) -> Inputs:
    facts: dict[str, Any] = {}
    ids: dict[int, str] = {}
    catalog = items if isinstance(items, Catalog) else getattr(given[0], "catalog", None)
    stored = [source if isinstance(source, Histories) else _loaded(source) for source in given]
    if all(isinstance(one, Histories) for one in stored):
        rows = [one for one in stored if isinstance(one, Histories)]
        _refuse_catalogues(rows)
    elif not any(isinstance(one, Histories) for one in stored):
        rows, facts, ids, catalog = _ordered(given, items)
    else:
        forms = ", ".join(f"{role} {'histories' if one else 'a log'}" for role, one in zip(ROLES, stored, strict=True))
        fix = "give all three as logs with original ids, or all three as histories over one catalogue"
        raise DataError("real, held-out and new", "the same form", forms, fix)
    made = rows[2]
    if (made.origin != REAL).any() and (made.origin == REAL).any():
        facts["real_rows_left_out_of_new"] = int((made.origin == REAL).sum())
        rows[2] = made.take(made.origin != REAL)
    for role, one in zip(ROLES, rows, strict=True):
        empty = int((one.lengths == 0).sum())
        if empty:
            facts[f"empty_rows_{role}"] = empty
    if catalog is not None and len(catalog) != rows[0].n_items:
        got = f"{len(catalog):,} items beside rows over {rows[0].n_items:,}"
        raise DataError("items", "the catalogue of these rows", got, "give the one whose dense ids the rows hold")
    whole = [replace(_whole(one.take(one.lengths > 0)), catalog=catalog) for one in rows]
    names = [[ids.get(key, str(key)) for key in whole[side].keys.tolist()] for side in (0, 2)]
    return Inputs("histories", whole[0], whole[1], whole[2], facts, (names[0], names[1]), is_log=bool(ids))


def _loaded(source: Any) -> Histories | None:
    names = files_with(source, HISTORIES_MARK)
    return concat([Histories.from_parquet(name) for name in names]) if names else None


def _whole(rows: Histories) -> Histories:
    """Without columns that no metric reads, and with offsets from 0."""
    rows = replace(rows, extra={name: one for name, one in rows.extra.items() if name == "price"}, catalog=None)
    return rows.take(np.arange(len(rows))).check() if len(rows) else rows


def _refuse_catalogues(rows: Sequence[Histories]) -> None:
    if len({one.n_items for one in rows}) > 1:
        sizes = ", ".join(f"{role} {one.n_items:,}" for role, one in zip(ROLES, rows, strict=True))
        fix = "the ids must mean the same items; give logs with original ids instead"
        raise DataError("real, held-out and new", "one catalogue", f"catalogues of {sizes} items", fix)


def _ordered(
    given: Sequence[Any], items: Catalog | ItemSource | None
) -> tuple[list[Histories], dict[str, Any], dict[int, str], Catalog]:
    """(logs over the union of their catalogues, by original ids; facts; users' ids by their keys; the catalogue)."""
    from leaven import ingest

    found = [ingest.order(one if isinstance(one, Events) else ingest.read(one)) for one in given]
    union = sorted({item for one in found for item in one.item_ids})
    place = {item: index for index, item in enumerate(union, 1)}
    rows = []
    for one in found:
        dense = np.fromiter((place[item] for item in ("", *one.item_ids) if item in place), np.int32)
        dense = np.concatenate([np.zeros(1, np.int32), dense[-len(one.item_ids) :]])
        rows.append(replace(one.histories, items=dense[one.histories.items], n_items=len(union)))
    known = np.zeros(len(union) + 2, bool)
    known[rows[0].items], known[rows[1].items] = True, True
    strange = ~known[rows[2].items]
    if strange.mean() > _STRANGE:
        got = f"{strange.mean():.0%} of the new events name items that neither real nor held-out rows have"
        raise DataError("new", "items of the same catalogue", got, "write new rows with the original item ids")
    facts = {"events_of_unknown_items": int(strange.sum())} if strange.any() else {}
    ids = {int(key): name for one in found for key, name in zip(one.keys.tolist(), one.user_ids, strict=True)}
    if isinstance(items, Catalog):
        fix = "give where the table of items lies, so that its ids are joined to those of the logs"
        raise DataError("items", "an ItemSource, beside logs", "a Catalog", fix)
    return rows, facts, ids, ingest.read_catalog(items, union)


def _tables(given: Sequence[Any]) -> Inputs:
    facts: dict[str, Any] = {}
    given = [stored_samples(source) for source in given]
    if isinstance(given[2], Samples):
        made = given[2].take(~given[2].is_real)
        if 0 < len(made) < len(given[2]):
            facts["real_rows_left_out_of_new"] = len(given[2]) - len(made)
            given[2] = made
    found = [read_table(source, role) for source, role in zip(given, ROLES, strict=True)]
    real = found[0]
    for role, other in zip(ROLES[1:], found[1:], strict=True):
        if set(other.columns) != set(real.columns):
            lacks, more = set(real.columns) - set(other.columns), set(other.columns) - set(real.columns)
            got = "; ".join([*[f"none called {', '.join(sorted(lacks))}"] * bool(lacks),
                             *[f"also {', '.join(sorted(more))}"] * bool(more)])  # fmt: skip
            raise DataError(role, "the columns of the real table", got, "give the same columns on all sides")
    columns = [one.like(real, role) for role, one in zip(ROLES, found, strict=True)]
    if names := names_of_owners(columns[0], columns[1]):
        facts["left_out_columns"] = names
        columns = [Table({name: one.columns[name] for name in one.columns if name not in names}) for one in columns]
    return Inputs("table", columns[0], columns[1], columns[2], facts)


def _texts(given: Sequence[Any], column: str) -> Inputs:
    if all(isinstance(one, Texts) for one in given):
        real, held, new = given
    else:
        real, held, new = together([read_lines(one, role, column) for one, role in zip(given, ROLES, strict=True)])
    return Inputs("text", real, held, new)


def _pictures(given: Sequence[Any], columns: Columns) -> Inputs:
    found = read_photos(given, ROLES, columns)
    facts = {
        f"unread_{role.replace('-', '_')}_pictures": [f"{count:,} × {why}" for why, count in one.unread.items()]
        for role, one in zip(ROLES, found, strict=True)
        if one.unread
    }
    real, held, new = found
    names = [[one.name(place) for place in range(len(one))] for one in (real, new)]
    return Inputs("image", real, held, new, facts, (names[0], names[1]))


def _refuse_overlap(inputs: Inputs, key: int) -> None:
    """Held-out rows that stand among the training rows, beyond what unseen rows do by chance."""
    real, held = _identities(inputs.real), _identities(inputs.held_out)
    for role, rows in (("real", real), ("held-out", held), ("new", _identities(inputs.new))):
        if not len(rows):
            raise DataError(role, "at least one row", "none", "")
    shared = np.isin(held, real)
    usual = _usual_share(real, key)
    if shared.mean() > usual + _TOLERATED:
        got = f"{int(shared.sum()):,} of {len(held):,} held-out rows ({shared.mean():.0%}) that are training rows too"
        fix = "hold out rows that no generator has seen, and take them out of the training file"
        raise DataError("held-out", "rows that are not in the real (training) file", got, fix)
    inputs.facts["held_out_rows_equal_to_a_training_row"] = int(shared.sum())


def _identities(rows: Rows) -> npt.NDArray[np.uint64]:
    """uint64 (rows,): a hash of everything that a row holds; of histories its items, and its times where they are."""
    if isinstance(rows, Table | Photos):
        return rows.identities()
    from leaven.kernels.ngram_hashes import multisets

    if isinstance(rows, Texts):
        rows = rows.words

    place = np.arange(rows.events) - np.repeat(rows.starts[:-1], rows.lengths)
    both = multisets(rows.items, rows.starts, place)
    return both if not has_clock(rows) else both ^ multisets(rows.times.astype(np.int64), rows.starts, place + 1)


def _usual_share(identities: npt.NDArray[np.uint64], key: int) -> float:
    """Share of training rows that equal another training row."""
    chosen = rng.generator(rng.key(key, "overlap")).permutation(len(identities))[:_LOOKED_AT]
    _, place, counts = np.unique(identities, return_inverse=True, return_counts=True)
    return float((counts[place[chosen]] > 1).mean())


def has_clock(rows: Histories) -> bool:
    """Whether times are times, not places in a sequence."""
    from leaven.splits.log_splits import NO_CLOCK

    return bool(rows.events and int(rows.times.max()) >= NO_CLOCK)
