"""How did this row come to be?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation.lineage import Source, places_read, source_of
from leaven.augmentation.plan import Plan, Step, described
from leaven.augmentation.preview import pair
from leaven.augmentation.step_fitting import filters_of, fit_filters
from leaven.config import load
from leaven.config.build import table_of
from leaven.config.experiment_spec import CONTROL, repeat_of
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import FROM_NOISE
from leaven.errors import DataError
from leaven.protocols import Measured
from leaven.provenance.row_files import RowFile, catalog_of, names_of, row_files, rows_of
from leaven.run_folder import SPEC, Run, opened, plain

MOST_KEYS = 20
"""Keys of made rows that are listed of one step."""


@dataclass(frozen=True)
class Verdict:
    """What one filter says of a row. why: of a refusal; measured: the figures that it judges by."""

    filter: str
    kept: bool
    why: str
    measured: dict[str, float]


@dataclass(frozen=True)
class Link:
    """One step of the way back.

    key, made_from   16 hexadecimal digits each; made_from is "" where the row that was read is no longer there
    parent           the real row at the end of the way; "" for a row from nothing
    copy, part       the how-manieth copy, and which of the rows that it became, from 0
    parameters       every field of the step and its operator
    preview          before and after, as items or cells are called
    filters          what the step's filters say of this row
    """

    step: str
    text: str
    mode: str
    key: str
    made_from: str
    parent: str
    copy: int
    part: int
    weight: float
    parameters: dict[str, Any]
    preview: dict[str, Any]
    filters: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """All that a run's files tell of one row.

    user      the id that was asked for, "" where it was a key
    parts     parts of the split in which the row stands, or a user's rows: name -> rows
    chains    arm -> its links, the last step first, back to the real row
    made      arm -> step -> keys of the rows that were made from this real row, at most MOST_KEYS, and their number
    """

    key: str
    user: str
    parts: dict[str, int]
    chains: dict[str, tuple[Link, ...]]
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def hexadecimal(key: int) -> str:
    """A key as it is printed; "" for none.

    >>> hexadecimal(255)
    '00000000000000ff'
    """
    return f"{int(key):016x}" if key else ""


def lineage(folder: str | Path, row: str | int) -> Lineage:
    """The way of a row of a run back to the real row it came from.

    row: a user's id as the log has it, or a key, as 16 hexadecimal digits or as the number that `to_pandas` shows.
    Rows of steps that run in each epoch lie in no file. The step's filters learn again, from the rows that they
    learned from, to say what they say of this row.

    Raises DataError where no file of the run has such a row.
    """
    run = opened(Path(folder))
    key, user = _asked(run, str(row))
    arms, parts = _arms(run), dict[str, int]()
    for file, rows in _family(run, key, catalog_of(run)):
        if file.of_arm and file.part in arms:
            arms[file.part].rows.setdefault(file.place, []).append(rows)
        elif count := int((rows.keys == key).sum()):
            parts[file.part] = count
    chains = {arm.name: tuple(arm.chain(int(key))) for arm in arms.values()}
    descendants = {arm.name: arm.descendants(int(key)) for arm in arms.values()}
    return Lineage(
        hexadecimal(int(key)),
        user,
        parts,
        {name: links for name, links in chains.items() if links},
        {name: found for name, found in descendants.items() if found},
    )


def _arms(run: Run) -> dict[str, _Arm]:
    """The name of an arm's folder -> the arm, still without rows."""
    wish = load(run.folder / SPEC)
    plans = {arm.name: arm.plan for arm in wish.arms} | {CONTROL: Plan([Step(repeat_of(wish))])}
    return {plain(name): _Arm(run, name, plan, wish.seed) for name, plan in plans.items()}


def _asked(run: Run, row: str) -> tuple[np.uint64, str]:
    """(key of the row, the user's id where it is one): whichever reading of `row` names a row that is there."""
    known: list[tuple[int, str]] = [(int(rng.user_keys([row])[0]), row)]
    digits = row.lower().removeprefix("0x")
    if len(digits) == 16 and all(letter in "0123456789abcdef" for letter in digits):
        known.append((int(digits, 16), ""))
    if row.isdecimal() and 0 < int(row) < 2**64:
        known.append((int(row), ""))
    wanted = np.array([key for key, _ in known], np.uint64)
    there: set[int] = set()
    for file in row_files(run):
        names = names_of(file.path)
        there |= set(wanted[np.isin(wanted, names.keys) | np.isin(wanted, names.users)].tolist())
    for key, user in known:
        if key in there:
            return np.uint64(key), user
    fix = "give a user's id as the log has it, or the key of a row of arms/*/expanded"
    raise DataError(str(run.folder), "a row of this run", repr(row), fix)


def _family(run: Run, key: np.uint64, catalog: Catalog | None) -> Iterator[tuple[RowFile, Any]]:
    """File -> its rows that have this key, or share the real row of the one that has."""
    files = list(row_files(run))
    parents = {int(key)}
    for file in files:
        names = names_of(file.path)
        parents |= set(names.parents[names.keys == key].tolist())
    family = np.array(sorted({*parents, int(key)} - {FROM_NOISE}), np.uint64)
    for file in files:
        mine = names_of(file.path).of(family)
        if mine.any():
            yield file, rows_of(file.path, catalog).take(mine)


@dataclass(frozen=True, eq=False)
class _Arm:
    """One arm's rows of one family. rows: place of a step -> what its files hold of them; 0: the real rows."""

    run: Run
    name: str
    plan: Plan
    seed: int
    rows: dict[int, list[Any]] = field(default_factory=dict)

    def chain(self, key: int) -> Iterator[Link]:
        """Links from the row of a key back to the real one."""
        place = max((place for place in self.rows if self._row(place, key) is not None), default=0)
        while place:
            row = self._row(place, key)
            before, source, earlier = self._before(place, row)
            if int(row.origin[0]) == place:  # else the step left the row as it was
                yield self._link(place, row, before, source)
            if source is None or before is None:
                return
            key, place = source.key, earlier

    def descendants(self, key: int) -> dict[str, Any]:
        """step -> {rows, keys} of what was made from a real row."""
        found: dict[str, Any] = {}
        for place in sorted(self.rows):
            for rows in self.rows[place]:
                mine = rows.keys[(rows.parents == np.uint64(key)) & (rows.origin == place) & (rows.origin > 0)]
                if len(mine):
                    told = found.setdefault(self.plan.all[place - 1].called, {"rows": 0, "keys": []})
                    told["rows"] += len(mine)
                    told["keys"] = (told["keys"] + [hexadecimal(one) for one in mine.tolist()])[:MOST_KEYS]
        return found

    def _row(self, place: int, key: int) -> Any:
        """The row of this key among those of a step, or None."""
        for rows in self.rows.get(place, []):
            found = np.flatnonzero(rows.keys == np.uint64(key))
            if len(found):
                return rows.take(found[:1])
        return None

    def _before(self, place: int, row: Any) -> tuple[Any, Source | None, int]:
        """(the row that was read, how, the place of the step that had made it); nothing for a row from nothing."""
        step, key = self.plan.all[place - 1], int(row.keys[0])
        if int(row.parents[0]) == FROM_NOISE:
            return None, None, 0
        for earlier in reversed(places_read(self.plan, place)):
            if step.mode == "replace" and (same := self._row(earlier, key)) is not None:
                return same, Source(key), earlier
            read = [np.zeros(0, np.uint64), *(rows.keys for rows in self.rows.get(earlier, []))]
            source = source_of(step, self.seed, key, np.concatenate(read))
            if source is not None:
                return self._row(earlier, source.key), source, earlier
        return None, None, 0

    def _link(self, place: int, row: Any, before: Any, source: Source | None) -> Link:
        step = self.plan.all[place - 1]
        return Link(
            step=step.called,
            text=step.text,
            mode=step.mode,
            key=hexadecimal(int(row.keys[0])),
            made_from=hexadecimal(source.key) if source else "",
            parent=hexadecimal(int(row.parents[0])),
            copy=source.copy if source else 0,
            part=source.part if source else 0,
            weight=float(row.weight[0]),
            parameters=table_of(step),
            preview=pair(step.called, row.slice(0, 0) if before is None else before, row).as_dict(),
            filters=tuple(self._verdicts(step, row)),
        )

    def _verdicts(self, step: Step, row: Any) -> Iterator[Verdict]:
        """What each filter of a step says of a row, in order, once it has learned again what it knew."""
        train = self.run.data / "train.parquet"
        if not filters_of(step) or not train.exists():
            return
        fitted = fit_filters(step, rows_of(train, catalog_of(self.run)), self.seed)
        for wish, accepts in zip(filters_of(step), fitted, strict=True):
            kept = accepts(row)
            figures = accepts.measured(row) if isinstance(accepts, Measured) else {}
            measured = {words: round(float(values[0]), 4) for words, values in figures.items()}
            yield Verdict(described(wish), bool(kept.mask[0]), next(iter(kept.refused), ""), measured)
