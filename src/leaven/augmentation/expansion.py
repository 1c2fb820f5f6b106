"""Rows that the steps of a plan make once, before training, in memory or as Parquet files.

Rows are made in blocks of source rows; the block size depends only on the number of source rows. An engine runs blocks
in shards: the numbers of shards and workers change no byte, in memory or on disk. On disk a block is read from the
files of the step that made its source rows and written to a separate file, so memory use does not grow with the log.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leaven import rng
from leaven.augmentation.apply_step import (
    StepResult,
    append_rows,
    check_any_accepted,
    check_unchanged_share,
    replace_rows,
)
from leaven.augmentation.plan import WHOLE_TRAINING, Plan, PlanLike, Step, convert_plan
from leaven.augmentation.row_files import RowFiles
from leaven.augmentation.shorthand import check_training_rows
from leaven.augmentation.step_fitting import FittedStep, fit_step
from leaven.datasets.log_names import LogNames
from leaven.errors import DataError, SpecError
from leaven.facts import StepFacts
from leaven.progress import ProgressCallback, no_progress, prefix_progress
from leaven.protocols import Engine, Rows, RowsT
from leaven.storage import replace_text

BLOCK_ROWS = 8192
"""Maximum number of source rows of a block. A block is one file, part of the layout, not of the engine."""
MIN_BLOCK_ROWS, MIN_BLOCKS = 1024, 32
"""With fewer than `MIN_BLOCKS` blocks, blocks are smaller, so that the workers of a small log share slow rows evenly;
but not smaller than `MIN_BLOCK_ROWS`, the batch that a network decodes together."""

RowSource = Rows | RowFiles
"""Rows in memory, or rows in files."""


@dataclass(frozen=True, eq=False)
class Expansion:
    """Result of expanding one plan.

    steps   facts of each step in order
    parts   the real (or in-place changed) rows, then the rows of each appending step, in one or more parts
    fitted  step number -> step that was fitted here on the training rows alone; steps whose files existed are absent
    """

    steps: Sequence[StepFacts]
    parts: Sequence[RowSource]
    fitted: Mapping[int, FittedStep]

    def rows(self) -> Rows:
        """All rows in memory, the real ones first."""
        return _load(_join(self.parts))


@dataclass(frozen=True, eq=False)
class LazyRows:
    """Expanded rows of a plan, loaded from `folder` on demand; without a folder, the real rows alone."""

    train: Rows
    plan: Plan
    folder: Path | None = None

    def load(self) -> Rows:
        """All rows in memory. Raises DataError where the files are missing."""
        return self.train if self.folder is None else load_expansion(self.folder, self.plan, self.train)


def expand(train: RowsT, plan: PlanLike, seed: int = 0, engine: Engine | None = None, shards: int = 1) -> RowsT:
    """The real rows first, then the rows of every step that runs once.

    Steps of each epoch make nothing here: see `EpochRows`.

    >>> from leaven.datasets.histories import Histories
    >>> from leaven.transforms.sequence.crop import Crop
    >>> rows = Histories.from_lists([[1, 2, 3, 4], [2, 3]], n_items=4)
    >>> expand(rows, Plan([Crop()]), seed=7).origin.tolist()
    [0, 0, 1, 1]

    plan: or the steps of one: `Crop()`, "crop", `[Step("crop", copies=2), "mask"]`.

    Raises DataError for rows that break a promise of `Histories` (unknown ids, times out of order), SpecError for a
    plan with steps on texts or images (see `build_catalog_views`), and GateError where filters reject all rows of a
    step or a step leaves too many rows unchanged.
    """
    check_training_rows(train)
    plan = convert_plan(plan)
    if other := next((step for step in plan.named_steps if step.is_on_items), None):
        call = "augmentation.build_catalog_views(catalog, plan, seed)"
        fix = f"{call} gives their views; a run passes them to its recommender"
        raise SpecError(f"step {other.display_name!r}", "steps on rows", f"a step on {other.modality}", fix)
    unnamed = replace(train.validate(), names=None)  # workers need no names
    rows = ExpansionWriter(unnamed, plan, seed, engine=engine, shards=shards).run().rows()
    return cast(RowsT, replace(rows, names=name_steps(train.names, plan)))


def name_steps(names: LogNames | None, plan: Plan) -> LogNames:
    """The names of a log with those of the steps of a plan."""
    return replace(names or LogNames(), steps=tuple(step.display_name for step in plan.named_steps))


def write_expansion(
    train: Rows,
    plan: Plan,
    folder: Path,
    seed: int = 0,
    engine: Engine | None = None,
    shards: int = 1,
    on_progress: ProgressCallback = no_progress,
) -> Expansion:
    """Write the rows of `expand` to `folder` as one Parquet file per block; existing blocks are kept.

    A file is either complete or absent, so an interrupted run can be resumed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return ExpansionWriter(replace(train, names=None), plan, seed, folder, engine, shards, on_progress).run()


def load_expansion(folder: Path, plan: Plan, train: RowsT) -> RowsT:
    """Rows that `write_expansion` left: the real rows, or those of the last in-place step, then the appended rows.

    Raises DataError where there are no files.
    """
    return train.read_files(*list_expansion_files(folder, plan))


def list_expansion_files(folder: Path, plan: Plan) -> list[Path]:
    """The files of the rows that `load_expansion` reads, in order.

    Raises DataError where there are no files.
    """
    first, added = "00", []
    for number, step in enumerate(plan.named_steps, 1):
        if step.is_on_items:
            continue
        if step.when == "once" and step.mode == "in_place":
            first = f"{number:02d}"
        elif step.when == "once":
            added.append(f"{number:02d}")
    files = [path for prefix in (first, *added) for path in sorted(folder.glob(f"{prefix}-*.parquet"))]
    if not files:
        raise DataError(str(folder), "files of rows", "none", "make them again: leaven run SPEC --resume")
    return files


def count_workers(engine: Engine | None) -> int:
    """Number of shards that an engine runs in parallel; 1 without an engine."""
    return 1 if engine is None else engine.n_workers


@dataclass(frozen=True, eq=False)
class ExpansionWriter:
    """Runs the steps of one plan in order.

    folder  where blocks are written; None: rows stay in memory
    shards  number of tasks that the blocks of a step are divided into
    """

    train: Rows
    plan: Plan
    seed: int
    folder: Path | None = None
    engine: Engine | None = None
    shards: int = 1
    on_progress: ProgressCallback = no_progress

    def run(self) -> Expansion:
        """Expand the plan. Raises GateError where a step leaves too many rows unchanged or none after its filters."""
        if self.engine is None:
            return self._run_steps()
        preload = count_blocks(len(self.train)) > 1 and any(_makes_rows(step) for step in self.plan.named_steps)
        with self.engine.start_workers(__name__, preload=self.train if preload else None) as engine:
            return replace(self, engine=engine)._run_steps()

    def _run_steps(self) -> Expansion:
        real = _RealRows(self.train, self.folder, count_workers(self.engine), self.on_progress)
        try:
            current, added = real.source, dict[str, Sequence[RowSource]]()
            facts, fitted = list[StepFacts](), dict[int, FittedStep]()
            for number, step in enumerate(self.plan.named_steps, 1):
                if not _makes_rows(step):
                    facts.append(_sum_blocks(describe_step(self.plan, number), []))
                    continue
                work = _StepWork(step, number, _select_source(self.plan, number, current, added), self.folder)
                if not work.is_done:
                    work = self._fit(work)
                if work.fitted is not None and not (step.is_generator and _reads_other_rows(work.source, self.train)):
                    fitted[number] = work.fitted
                real.wait()  # from here on, source rows may be read from their files
                blocks = self._run_blocks(work)
                fact = _sum_blocks(describe_step(self.plan, number), blocks)
                check_unchanged_share(step.display_name, step.fail_if_unchanged_over, fact.tried, fact.unchanged)
                check_any_accepted(step.display_name, fact.synthetic, fact.rejected)
                facts.append(fact)
                if work.folder is not None:
                    rows: Sequence[RowSource] = [RowFiles(self.train.slice(0, 0), tuple(work.list_paths()))]
                else:
                    rows = [block.rows for block in blocks if block.rows is not None]
                if step.mode == "in_place":
                    current = _join(rows)
                else:
                    added[step.display_name] = rows
            real.wait()
        finally:
            real.close()
        return Expansion(facts, [current, *chain.from_iterable(added.values())], fitted)

    def _fit(self, work: _StepWork) -> _StepWork:
        """The step with its fitted operator and counts of copies.

        Rows of files are in memory only while the step is fitted and copies are counted, and not at all where they are
        the training rows.
        """
        words = f"{work.step.display_name} learns"
        self.on_progress(0, 0, words)
        source = _load(work.source) if _reads_other_rows(work.source, self.train) else self.train
        fitted = fit_step(
            self.plan, work.number, self.train, self.seed, source, prefix_progress(self.on_progress, words)
        )
        if work.step.mode == "in_place":
            return replace(work, fitted=fitted)
        copies = work.step.count_copies(source, rng.derive_key(self.seed, "copies", work.step.display_name))
        return replace(work, fitted=fitted, copies=copies)

    def _run_blocks(self, work: _StepWork) -> list[_StepBlock]:
        """Blocks of one step, in order."""
        n_blocks, words = count_blocks(len(work.source)), f"rows of {work.step.display_name}"
        # runs of neighboring blocks of nearly equal length; no more shards than blocks
        bounds = np.linspace(0, n_blocks, min(max(self.shards, 1), n_blocks) + 1).round().astype(int)
        shards = [list(range(first, last)) for first, last in pairwise(bounds.tolist())]
        results: list[_StepBlock] = []
        self.on_progress(0, n_blocks, words)
        in_process = (_run_shard(work, shard) for shard in shards)
        done = in_process if self.engine is None or work.is_done else self.engine.map(_run_shard, shards, work)
        for blocks in done:
            results += blocks
            self.on_progress(len(results), n_blocks, words)
        return results


class _RealRows:
    """The training rows as steps read them. Threads write them to files while the first step is fitted."""

    def __init__(self, train: Rows, folder: Path | None, n_threads: int, on_progress: ProgressCallback) -> None:
        self.source: RowSource = train
        self._on_progress, self._writing = on_progress, list[Future[None]]()
        self._pool: ThreadPoolExecutor | None = None
        if folder is None:
            return
        paths = [folder / f"00-real-{block:05d}.parquet" for block in range(count_blocks(len(train)))]
        missing = [block for block, path in enumerate(paths) if not _is_complete(path)]
        self._pool = ThreadPoolExecutor(n_threads)
        self._writing = [
            self._pool.submit(lambda one: _slice_block(train, one).write_file(paths[one]), block) for block in missing
        ]
        self.source = RowFiles(train.slice(0, 0), tuple(paths), train)

    def wait(self) -> None:
        """Return once all files are written."""
        for done, one in enumerate(self._writing, 1):
            one.result()
            self._on_progress(done, len(self._writing), "real rows")
        self._writing.clear()

    def close(self) -> None:
        """Cancel files that are not begun."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, eq=False)
class _StepWork:
    """What all shards of one step share.

    folder           where the step's files go; None: rows come back in memory
    fitted, copies   None where every block exists already; copies is None for in-place steps too
    """

    step: Step
    number: int
    source: RowSource
    folder: Path | None = None
    fitted: FittedStep | None = None
    copies: npt.NDArray[np.int32] | None = None

    def build_path(self, block: int) -> Path:
        """File of a block."""
        assert self.folder is not None
        return self.folder / f"{build_file_prefix(self.number, self.step)}-{block:05d}.parquet"

    def list_paths(self) -> list[Path]:
        """Files of all blocks."""
        return [self.build_path(block) for block in range(count_blocks(len(self.source)))]

    @property
    def is_done(self) -> bool:
        """Whether the file of every block is complete."""
        return self.folder is not None and all(map(_is_complete, self.list_paths()))

    def make_rows(self, block: int) -> StepResult:
        """Rows of one block."""
        assert self.fitted is not None
        rows = _slice_block(self.source, block)
        strength = float(self.step.strength(1.0))
        if self.copies is None:
            return replace_rows(self.fitted, rows, 0, strength)
        return append_rows(self.fitted, rows, self.copies[_block_range(block, len(self.source))], 0, strength)


@dataclass(frozen=True, eq=False)
class _StepBlock:
    """Counts of one block. rows: None where they are in their file; synthetic, tried: number of rows after, before
    filters.
    """

    rows: Rows | None
    synthetic: int
    tried: int
    unchanged: Mapping[str, int]
    rejected: Mapping[str, int]


def _run_shard(work: _StepWork, shard: list[int]) -> list[_StepBlock]:
    """Make the blocks of one shard; blocks whose files exist are only counted."""
    return [_make_block(work, block) if work.folder is None else _write_block(work, block) for block in shard]


def _make_block(work: _StepWork, block: int) -> _StepBlock:
    made = work.make_rows(block)
    return _StepBlock(made.rows, len(made.rows), made.n_tried, made.unchanged, made.rejected)


def _write_block(work: _StepWork, block: int) -> _StepBlock:
    """Counts are written first and rows last: where the rows exist, the counts exist too."""
    path = work.build_path(block)
    counts_path = path.with_suffix(".json")
    if not _is_complete(path):
        made = work.make_rows(block)
        counts = {"synthetic": len(made.rows), "tried": made.n_tried}
        reasons = {"unchanged": dict(made.unchanged), "rejected": dict(made.rejected)}
        replace_text(counts_path, json.dumps(counts | reasons, sort_keys=True))
        made.rows.write_file(path)
    return _StepBlock(None, **json.loads(counts_path.read_text(encoding="utf-8")))


def _is_complete(path: Path) -> bool:
    """Whether the file exists with its footer, which is written last; a file that lost its end is made again."""
    try:
        pq.read_metadata(path)
    except FileNotFoundError:
        return False
    except (OSError, pa.ArrowInvalid):
        logging.getLogger("leaven").warning("%s: damaged; its rows are created again", path)
        return False
    return True


def _makes_rows(step: Step) -> bool:
    """Whether a step runs once, on rows."""
    return step.when == "once" and not step.is_on_items


def _join(parts: Sequence[RowSource]) -> RowSource:
    files = [part for part in parts if isinstance(part, RowFiles)]
    if files:  # then all parts are files
        return files[0].concat_with(files[1:])
    rows = cast(Sequence[Rows], parts)
    return rows[0].concat_with(rows[1:])


def _load(source: RowSource) -> Rows:
    return source.load() if isinstance(source, RowFiles) else source


def _reads_other_rows(source: RowSource, train: Rows) -> bool:
    """Whether a step reads other rows than the training rows."""
    return source.in_memory is None if isinstance(source, RowFiles) else source is not train


def _select_source(plan: Plan, number: int, current: RowSource, added: Mapping[str, Sequence[RowSource]]) -> RowSource:
    """The rows that a step reads; an in-place step always reads the current ones."""
    step = plan.named_steps[number - 1]
    reads = "real" if step.mode == "in_place" else plan.get_input(step)
    if reads == "real":
        return current
    if reads == "previous":
        return _join([current, *chain.from_iterable(added.values())])
    if reads not in added:
        fix = "run that step once in mode add, or read the real rows"
        raise SpecError(f"step {step.display_name!r}, input", "a step that adds rows once", repr(reads), fix)
    return _join(added[reads])


def count_blocks(n_rows: int) -> int:
    """Number of blocks of `n_rows` source rows; at least one, which is empty without rows."""
    return max(1, -(-n_rows // _block_size(n_rows)))


def _block_size(n_rows: int) -> int:
    """Source rows of a block, except the last one."""
    return min(BLOCK_ROWS, max(MIN_BLOCK_ROWS, -(-n_rows // MIN_BLOCKS)))


def _block_range(block: int, n_rows: int) -> slice:
    """Source rows of a block."""
    first = block * _block_size(n_rows)
    return slice(first, min(first + _block_size(n_rows), n_rows))


def _slice_block(source: RowSource, block: int) -> Rows:
    part = _block_range(block, len(source))
    return source.slice(part.start, part.stop)


def build_file_prefix(number: int, step: Step) -> str:
    """Prefix of the files of a step: its number and name.

    >>> from leaven.transforms.sequence.crop import Crop
    >>> build_file_prefix(1, Step(Crop(), name="crop and mask/2"))
    '01-crop-and-mask-2'
    """
    return f"{number:02d}-{''.join(letter if letter.isalnum() else '-' for letter in step.display_name)}"


def describe_step(plan: Plan, number: int) -> StepFacts:
    """Facts of a step that do not depend on its rows."""
    step = plan.named_steps[number - 1]
    return StepFacts(
        index=number,
        name=step.display_name,
        mode=step.mode,
        when=step.when,
        input=plan.get_input(step),
        description=step.description,
        weight=None if step.is_on_items else step.row_weight,
        modality=step.modality if step.is_on_items else "",
        during=None if step.during == WHOLE_TRAINING else step.during,
    )


def _sum_blocks(fact: StepFacts, blocks: Sequence[_StepBlock]) -> StepFacts:
    """The facts of a step with the sums over its blocks."""
    unchanged, rejected = Counter[str](), Counter[str]()
    for block in blocks:
        unchanged.update(block.unchanged)
        rejected.update(block.rejected)
    synthetic, tried = sum(block.synthetic for block in blocks), sum(block.tried for block in blocks)
    return replace(fact, synthetic=synthetic, tried=tried, unchanged=dict(unchanged), rejected=dict(rejected))
