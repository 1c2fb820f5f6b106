"""Which rows does a plan make once, before training?

Rows are made in blocks of source rows, whose size follows from how many there are. An engine runs blocks over shards:
how many shards and workers there are changes no byte, in memory or on disk. On disk a block is read from the files of
the step that made its source rows and written to a file of its own, so that memory does not grow with the log.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.apply_step import Made, add, check_gate, check_kept, replaced
from leaven.augmentation.plan import ALWAYS, Plan, Step
from leaven.augmentation.row_files import Stored
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.errors import DataError, SpecError
from leaven.progress import Tell, quiet, within
from leaven.protocols import Engine, Rows

BLOCK_ROWS = 8192
"""Source rows of one block at most; a block is one file, part of the layout, not of the engine."""
FEWEST_ROWS, BLOCKS = 1024, 32
"""Smaller blocks where there would be fewer of them than this, so that the workers of a small log share dear rows
evenly; but no smaller than a net decodes together."""

R = TypeVar("R", bound=Rows)


@dataclass(frozen=True, eq=False)
class Expansion:
    """steps: what each step did, JSON-able, in order. rows(): the real rows first, then each step's. fitted: the steps
    that learned here from the training rows alone, by their number; not those whose files were there already."""

    steps: Sequence[dict[str, Any]]
    rows: Callable[[], Any]
    fitted: Mapping[int, FittedStep]


@dataclass(frozen=True, eq=False)
class _Work:
    """What every shard of one step shares.

    source  rows, or files of them. folder: where the step's files go; None: rows come back in memory
    fitted, copies  None, and none, where every block is there already: then nothing is learned again
    """

    step: Step
    place: int
    source: Any
    folder: Path | None = None
    fitted: FittedStep | None = None
    copies: npt.NDArray[np.int32] | None = None

    def path(self, block: int) -> Path:
        """The file of a block."""
        assert self.folder is not None
        return self.folder / f"{file_name(self.place, self.step)}-{block:05d}.parquet"

    def paths(self) -> list[Path]:
        """The files of all blocks."""
        return [self.path(block) for block in range(blocks_of(len(self.source)))]

    @property
    def is_done(self) -> bool:
        """Whether every block lies in its file."""
        return self.folder is not None and all(path.exists() for path in self.paths())


@dataclass(frozen=True, eq=False)
class _Block:
    """One block. rows: None where they lie in their file. made, tried: how many rows after and before filters."""

    rows: Any
    made: int
    tried: int
    unchanged: Mapping[str, int]
    refused: Mapping[str, int]


def expand(train: R, plan: Plan, seed: int = 0, engine: Engine | None = None, shards: int = 1) -> R:
    """The real rows first, then the rows of every step that runs once.

    Steps that run in each epoch make nothing here: see `EpochRows`.

    Raises SpecError for a plan with steps on words or pictures, which make views of items: see `catalog_views`.

    >>> from leaven.datasets.histories import Histories
    >>> from leaven.transforms.sequence.crop import Crop
    >>> rows = Histories.of([[1, 2, 3, 4], [2, 3]], n_items=4)
    >>> expand(rows, Plan([Crop()]), seed=7).origin.tolist()
    [0, 0, 1, 1]

    Raises DataError for rows that break a promise of `Histories`: unknown ids, times out of order. Raises GateError
    where filters refuse all rows of a step, or more stay as they were than it allows.
    """
    if other := next((step for step in plan.all if step.on_items), None):
        fix = "plan.catalog_views(catalog, plan, seed) gives their views; a run hands them to its recommender"
        raise SpecError(f"step {other.called!r}", "steps on rows", f"a step on {other.on}", fix)
    return cast(R, _expansion(train.check(), plan, seed, _Place(None, engine, shards)).rows())


def write(
    train: Rows,
    plan: Plan,
    folder: Path,
    seed: int = 0,
    engine: Engine | None = None,
    shards: int = 1,
    tell: Tell = quiet,
) -> Expansion:
    """The same rows as Parquet files in a folder, one a block; blocks that are there already are not made again.

    Every file is whole or not there, so a killed run goes on where it stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _expansion(train, plan, seed, _Place(folder, engine, shards, tell))


def load(folder: Path, plan: Plan, train: R) -> R:
    """What `write` left of `train` in a folder: the real rows, or those of the last step that replaced them, then the
    new ones.

    Raises DataError where there is nothing.
    """
    first, added = "00", []
    for place, step in enumerate(plan.all, 1):
        if step.on_items:
            continue
        if step.when == "once" and step.mode == "replace":
            first = f"{place:02d}"
        elif step.when == "once":
            added.append(f"{place:02d}")
    files = [path for number in (first, *added) for path in sorted(folder.glob(f"{number}-*.parquet"))]
    if not files:
        raise DataError(str(folder), "files of rows", "none", "make them again: leaven run SPEC --resume")
    return train.read_back(*files)


def workers_of(engine: Engine | None) -> int:
    """How many shards an engine works on at once; without one, or where it does not say: one, one a core."""
    return 1 if engine is None else int(getattr(engine, "workers", 0)) or os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class _Place:
    """Where rows are made and kept."""

    folder: Path | None
    engine: Engine | None
    shards: int
    tell: Tell = quiet

    @contextmanager
    def written(self, train: Rows) -> Iterator[tuple[Any, Callable[[], None]]]:
        """The training rows as steps read them, and what waits until they lie in their files.

        They are in this process's memory, so that threads write them, while the first step learns.
        """
        if self.folder is None:
            yield train, lambda: None
            return
        paths = [self.folder / f"00-real-{block:05d}.parquet" for block in range(blocks_of(len(train)))]
        missing = [block for block, path in enumerate(paths) if not path.exists()]
        pool = ThreadPoolExecutor(workers_of(self.engine))
        writing = [pool.submit(lambda one: _block_of(train, one).to_parquet(paths[one]), block) for block in missing]

        def wait() -> None:
            for done, one in enumerate(writing, 1):
                one.result()
                self.tell(done, len(writing), "real rows")
            writing.clear()

        try:
            yield Stored(train.slice(0, 0), tuple(paths), train), wait
        finally:
            pool.shutdown(cancel_futures=True)

    def made(self, work: _Work) -> list[_Block]:
        """The blocks of one step, in order."""
        blocks, words = blocks_of(len(work.source)), f"rows of {work.step.called}"
        shards = _dealt(list(range(blocks)), self.shards)
        results: list[_Block] = []
        self.tell(0, blocks, words)
        here = self.engine is None or work.is_done
        plain = (_task(work, shard) for shard in shards)
        for done in plain if here else cast(Engine, self.engine).map(_task, shards, work):
            results += done
            self.tell(len(results), blocks, words)
        return results


def _expansion(train: Rows, plan: Plan, seed: int, place: _Place) -> Expansion:
    work = blocks_of(len(train)) > 1 and any(_makes_rows(step) for step in plan.all)
    with (
        nullcontext() if place.engine is None else place.engine.opened(__name__, soon=train if work else None) as engine
    ):
        here = replace(place, engine=engine)
        with here.written(train) as (current, wait):
            found = _expanded(train, current, wait, plan, seed, here)
            wait()
            return found


def _expanded(train: Rows, current: Any, wait: Callable[[], None], plan: Plan, seed: int, place: _Place) -> Expansion:
    """current: the real rows, which may be read from their files after `wait`."""
    made: dict[str, Any] = {}
    facts = []
    fitted: dict[int, FittedStep] = {}
    for number, step in enumerate(plan.all, 1):
        if not _makes_rows(step):
            facts.append(_fact(step_facts(plan, number), []))
            continue
        work = _Work(step, number, _read(plan, number, current, made), place.folder)
        if not work.is_done:
            place.tell(0, 0, f"{step.called} learns")
            work = _learned(work, plan, train, seed, within(place.tell, f"{step.called} learns"))
        if work.fitted is not None and not (step.is_generator and _others(work.source, train)):
            fitted[number] = work.fitted
        wait()
        blocks = place.made(work)
        facts.append(_fact(step_facts(plan, number), blocks))
        check_gate(step.called, step.fail_if_unchanged_over, facts[-1]["tried"], facts[-1]["unchanged"])
        check_kept(step.called, facts[-1]["made"], facts[-1]["refused"])
        rows = _all_rows(train, blocks, work)
        if step.mode == "replace":
            current = rows
        else:
            made[step.called] = rows
    return Expansion(facts, lambda: whole(current.joined(list(made.values()))), fitted)


def _makes_rows(step: Step) -> bool:
    """Whether a step makes rows here: once, and of rows."""
    return step.when == "once" and not step.on_items


def whole(rows: Any) -> Any:
    """The rows themselves, of files or of memory."""
    return rows.whole() if isinstance(rows, Stored) else rows


def _others(source: Any, train: Rows) -> bool:
    """Whether a step reads other rows than those of training."""
    return source.held is None if isinstance(source, Stored) else source is not train


def _learned(work: _Work, plan: Plan, train: Rows, seed: int, tell: Tell) -> _Work:
    """A step that can make its rows. Where it reads files, all their rows are in memory only while it learns from them
    and counts copies, and not at all where these are the training rows."""
    source: Any = whole(work.source) if _others(work.source, train) else train
    fitted = fit_step(plan, work.place, train, seed, source, tell)
    if work.step.mode == "replace":
        return replace(work, fitted=fitted)
    copies = work.step.copies(source, rng.key(seed, "copies", work.step.called))
    return replace(work, fitted=fitted, copies=np.asarray(copies, np.int32))


def _all_rows(train: Any, blocks: Sequence[_Block], work: _Work) -> Any:
    """The rows of all blocks of a step, in memory or in their files."""
    if work.folder is not None:
        return Stored(train.slice(0, 0), tuple(work.paths()))
    return blocks[0].rows.joined([one.rows for one in blocks[1:]])


def _read(plan: Plan, number: int, current: Any, made: Mapping[str, Any]) -> Any:
    """The rows that a step reads; what replaces rows reads the current ones, whatever the plan says."""
    step = plan.all[number - 1]
    reads = "real" if step.mode == "replace" else plan.reads(step)
    if reads == "real":
        return current
    if reads == "previous":
        return current.joined(list(made.values()))
    if reads not in made:
        fix = "let it run once in mode add, or read the real rows"
        raise SpecError(f"step {step.called!r}, reads", "a step that adds rows once", repr(reads), fix)
    return made[reads]


def blocks_of(rows: int) -> int:
    """How many blocks so many source rows have; one, without rows, where there are none."""
    return max(1, -(-rows // _block_rows(rows)))


def _block_rows(rows: int) -> int:
    """How many of so many source rows a block has; the last one what is left."""
    return min(BLOCK_ROWS, max(FEWEST_ROWS, -(-rows // BLOCKS)))


def _of_block(block: int, rows: int) -> slice:
    """Which of so many source rows belong to a block."""
    first = block * _block_rows(rows)
    return slice(first, min(first + _block_rows(rows), rows))


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
    assert work.fitted is not None
    rows = _block_of(work.source, block)
    strength = float(work.step.strength(1.0))
    if work.copies is None:
        return replaced(work.fitted, rows, 0, strength)
    return add(work.fitted, rows, work.copies[_of_block(block, len(work.source))], 0, strength)


def _block_of(source: Any, block: int) -> Any:
    """The rows of a block."""
    part = _of_block(block, len(source))
    return source.slice(part.start, part.stop)


def file_name(place: int, step: Step) -> str:
    """How the files of a step begin."""
    return f"{place:02d}-{_plain(step.called)}"


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
        **({"on": step.on} if step.on_items else {"weight": step.row_weight}),
        **({} if step.during == ALWAYS else {"during": list(step.during)}),
    }


def _fact(fact: dict[str, Any], blocks: Sequence[_Block]) -> dict[str, Any]:
    unchanged: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for one in blocks:
        unchanged.update(one.unchanged)
        refused.update(one.refused)
    made, tried = sum(one.made for one in blocks), sum(one.tried for one in blocks)
    return fact | {"made": made, "tried": tried, "unchanged": dict(unchanged), "refused": dict(refused)}
