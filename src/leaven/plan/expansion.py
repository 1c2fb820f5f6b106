"""Which rows does a plan make once, before training?

Rows are made in blocks of a fixed number of source rows. An engine runs blocks over shards: how many
shards and workers there are changes no byte, in memory or on disk.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.contracts import Engine
from leaven.data.catalog import Catalog
from leaven.data.histories import Histories, concat
from leaven.errors import DataError, SpecError
from leaven.plan.fitting import FittedStep, fit_step
from leaven.plan.rows import Made, add, check_gate, replaced
from leaven.plan.steps import Plan

BLOCK_ROWS = 8192
"""Source rows of one block, which is one file; part of the layout, not of the engine."""

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Expansion:
    """steps: what each step did, JSON-able, in order. rows(): the real rows first, then each step's."""

    steps: Sequence[dict[str, Any]]
    rows: Callable[[], Histories]


@dataclass(frozen=True, eq=False)
class _Work:
    """What every shard of one step shares. folder: where its files go; None: rows come back in memory."""

    fitted: FittedStep
    source: Histories
    copies: npt.NDArray[np.int32]
    folder: Path | None = None

    def path(self, block: int) -> Path:
        """The file of a block."""
        assert self.folder is not None
        return self.folder / f"{self.fitted.place:02d}-{_plain(self.fitted.step.called)}-{block:05d}.parquet"


@dataclass(frozen=True, eq=False)
class _Block:
    """One block. rows: None where they lie in their file. made, tried: how many rows after and before filters."""

    rows: Histories | None
    made: int
    tried: int
    unchanged: Mapping[str, int]
    refused: Mapping[str, int]


def expand(train: Histories, plan: Plan, seed: int = 0, engine: Engine | None = None, shards: int = 1) -> Histories:
    """The real rows first, then the rows of every step that runs once.

    Steps that run in each epoch make nothing here: see `EpochRows`.

    >>> from leaven.transforms.history import Crop
    >>> rows = Histories.of([[1, 2, 3, 4], [2, 3]], n_items=4)
    >>> expand(rows, Plan([Crop()]), seed=7).origin.tolist()
    [0, 0, 1, 1]

    Raises DataError for rows that break a promise of `Histories`: unknown ids, times out of order.
    """
    return _expansion(train.check(), plan, seed, _Place(None, engine, shards)).rows()


def write(
    train: Histories,
    plan: Plan,
    folder: Path,
    seed: int = 0,
    engine: Engine | None = None,
    shards: int = 1,
    tell: Tell = lambda done, total, words: None,
) -> Expansion:
    """The same rows as Parquet files in a folder, one a block; blocks that are there already are not made again.

    Every file is whole or not there, so a killed run goes on where it stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _expansion(train, plan, seed, _Place(folder, engine, shards, tell))


def load(folder: Path, plan: Plan, catalog: Catalog | None) -> Histories:
    """What `write` left in a folder: the real rows, or those of the last step that replaced them, then the new ones.

    Raises DataError where there is nothing.
    """
    first, added = "00", []
    for place, step in enumerate(plan.all, 1):
        if step.when == "once" and step.mode == "replace":
            first = f"{place:02d}"
        elif step.when == "once":
            added.append(f"{place:02d}")
    files = [path for number in (first, *added) for path in sorted(folder.glob(f"{number}-*.parquet"))]
    if not files:
        raise DataError(str(folder), "files of rows", "none", "make them again: leaven run SPEC --resume")
    return replace(Histories.from_parquet(*files), catalog=catalog)


@dataclass(frozen=True, eq=False)
class _Place:
    """Where rows are made and kept."""

    folder: Path | None
    engine: Engine | None
    shards: int
    tell: Tell = lambda done, total, words: None

    def run(self, work: _Work, words: str) -> list[_Block]:
        """The blocks of one step, in order."""
        blocks = _blocks(len(work.source))
        shards = _dealt(list(range(len(blocks))), self.shards)
        results: list[_Block] = []
        self.tell(0, len(blocks), words)
        plain = (_task(work, shard) for shard in shards)
        found: Iterator[list[_Block]] = plain if self.engine is None else self.engine.map(_task, shards, work)
        for done in found:
            results += done
            self.tell(len(results), len(blocks), words)
        return results


def _expansion(train: Histories, plan: Plan, seed: int, place: _Place) -> Expansion:
    if place.folder is not None:
        _write_real(train, place.folder)
    current: Callable[[], Histories] = partial(_itself, train)
    made: dict[str, Callable[[], Histories]] = {}
    facts = []
    for number, step in enumerate(plan.all, 1):
        if step.when != "once":
            facts.append(_fact(step_facts(plan, number), []))
            continue
        source = _read(plan, number, current, made)
        fitted = fit_step(plan, number, train, seed, source)
        work = _Work(fitted, source, _copies(fitted, source, seed), place.folder)
        blocks = place.run(work, f"rows of {step.called}")
        facts.append(_fact(step_facts(plan, number), blocks))
        check_gate(step.called, step.fail_if_unchanged_over, facts[-1]["tried"], facts[-1]["unchanged"])
        rows = partial(_all_rows, blocks, work)
        if step.mode == "replace":
            current = rows
        else:
            made[step.called] = rows
    return Expansion(facts, lambda: concat([current(), *(rows() for rows in made.values())]))


def _itself(rows: Histories) -> Histories:
    return rows


def _all_rows(blocks: Sequence[_Block], work: _Work) -> Histories:
    """The rows of all blocks of a step, from memory or from their files."""
    parts = [one.rows if one.rows is not None else _load(work, block) for block, one in enumerate(blocks)]
    return concat(parts)


def _load(work: _Work, block: int) -> Histories:
    return replace(Histories.from_parquet(work.path(block)), catalog=work.source.catalog)


def _read(
    plan: Plan, number: int, current: Callable[[], Histories], made: Mapping[str, Callable[[], Histories]]
) -> Histories:
    """The rows that a step reads; what replaces rows reads the current ones, whatever the plan says."""
    step = plan.all[number - 1]
    reads = "real" if step.mode == "replace" else plan.reads(step)
    if reads == "real":
        return current()
    if reads == "previous":
        return concat([current(), *(rows() for rows in made.values())])
    if reads not in made:
        fix = "let it run once in mode add, or read the real rows"
        raise SpecError(f"step {step.called!r}, reads", "a step that adds rows once", repr(reads), fix)
    return made[reads]()


def _copies(fitted: FittedStep, source: Histories, seed: int) -> npt.NDArray[np.int32]:
    if fitted.step.mode == "replace":
        return np.zeros(0, np.int32)
    return fitted.step.copies(source, seeds.key(seed, "copies", fitted.step.called))


def _blocks(rows: int) -> list[tuple[int, int]]:
    """(first, last) row of each block; one empty block where there are no rows."""
    return [(first, min(first + BLOCK_ROWS, rows)) for first in range(0, max(rows, 1), BLOCK_ROWS)]


def _dealt(blocks: list[int], shards: int) -> list[list[int]]:
    """Runs of neighbouring blocks, as even as can be; no more shards than blocks."""
    bounds = np.linspace(0, len(blocks), min(max(shards, 1), len(blocks)) + 1).round().astype(int)
    return [blocks[first:last] for first, last in pairwise(bounds.tolist())]


def _task(work: _Work, shard: list[int]) -> list[_Block]:
    """The blocks of one shard: made, or left alone where their files are there already."""
    return [_in_memory(work, block) if work.folder is None else _on_disk(work, block) for block in shard]


def _in_memory(work: _Work, block: int) -> _Block:
    made = _make(work, block)
    return _Block(made.rows, len(made.rows), made.tried, made.unchanged, made.refused)


def _on_disk(work: _Work, block: int) -> _Block:
    """Counts are written first and rows last: where the rows are, the counts are too."""
    path = work.path(block)
    note = path.with_suffix(".json")
    if not path.exists():
        made = _make(work, block)
        counts = {"made": len(made.rows), "tried": made.tried, "unchanged": made.unchanged, "refused": made.refused}
        part = note.with_name(note.name + ".part")
        part.write_text(json.dumps(counts, sort_keys=True), encoding="utf-8")
        part.replace(note)
        made.rows.to_parquet(path)
    return _Block(None, **json.loads(note.read_text(encoding="utf-8")))


def _make(work: _Work, block: int) -> Made:
    first, last = _blocks(len(work.source))[block]
    rows = work.source.slice(first, last)
    strength = float(work.fitted.step.strength(1.0))
    if work.fitted.step.mode == "replace":
        return replaced(work.fitted, rows, 0, strength)
    return add(work.fitted, rows, work.copies[first:last], 0, strength)


def _write_real(train: Histories, folder: Path) -> None:
    for block, (first, last) in enumerate(_blocks(len(train))):
        path = folder / f"00-real-{block:05d}.parquet"
        if not path.exists():
            train.slice(first, last).to_parquet(path)


def _plain(name: str) -> str:
    """A step's name as part of a file's name.

    >>> _plain("crop and mask/2")
    'crop-and-mask-2'
    """
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def step_facts(plan: Plan, number: int) -> dict[str, Any]:
    """What the report says of a step before it made anything."""
    step = plan.all[number - 1]
    return {
        "index": number,
        "use": step.called,
        "mode": step.mode,
        "when": step.when,
        "reads": plan.reads(step),
        "text": step.text,
        "weight": step.row_weight,
    }


def _fact(fact: dict[str, Any], blocks: Sequence[_Block]) -> dict[str, Any]:
    unchanged: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for one in blocks:
        unchanged.update(one.unchanged)
        refused.update(one.refused)
    made, tried = sum(one.made for one in blocks), sum(one.tried for one in blocks)
    return fact | {"made": made, "tried": tried, "unchanged": dict(unchanged), "refused": dict(refused)}
