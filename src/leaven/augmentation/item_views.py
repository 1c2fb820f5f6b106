"""How are the items described in this epoch? What a plan's steps on words and pictures make of the catalogue.

A view is linked to its item by the item's id, and its chance follows from (step, column, item, copy, epoch): the same
bytes whatever else is made, as with rows. Rows, words and pictures are changed by the steps of one plan, each knowing
its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.apply_step import check_gate
from leaven.augmentation.expansion import step_facts
from leaven.augmentation.item_modalities import PICTURE, Ints, Modality, Pictures, Values, Words
from leaven.augmentation.plan import Plan, Step
from leaven.datasets.catalog import Catalog
from leaven.errors import DataError
from leaven.transforms.text.text_views import item_keys

Columns = dict[str, Values]
"""column -> one value an item"""
PICTURE_SIZE = 64
"""Pixels along each side of the pictures that steps work on, unless a recommender reads larger ones."""


@dataclass(frozen=True, eq=False)
class ViewStep:
    """A step on items at work. place: its number in the plan, from 1; columns: what it changes; of: what that is."""

    step: Step
    place: int
    key: int
    fitted: Any
    columns: tuple[str, ...]
    of: Modality

    @property
    def copies(self) -> int:
        """Views of an item, in mode "add"."""
        return round(getattr(self.step.copies, "factor", 1))


@dataclass(frozen=True, eq=False)
class _Moment:
    """When items are looked at. base: all values of the changed columns then, before views stand beside them."""

    epoch: int
    progress: float
    base: Columns


@dataclass(frozen=True, eq=False)
class CatalogViews:
    """`(epoch, progress) -> catalogue`: each item as it is, or as one of its views, drawn evenly.

    Steps of mode "replace" change items in place, each with chance p, one after the other; those of mode "add"
    make `copies` views beside what the item is. Steps that run once make the same views in every epoch, though an item
    is shown by one view here and by another there. With `reads = "previous"` a step is given a view of
    those before it. A controller moves steps on rows alone.

    draw  what the chance of fresh views and of showing follows from, beside the plan's seed
    """

    catalog: Catalog
    plan: Plan
    seed: int
    draw: int
    steps: tuple[ViewStep, ...]

    def __call__(self, epoch: int, progress: float) -> Catalog:
        """The items as this epoch describes them."""
        items = np.arange(len(self.catalog))
        moment = self._moment(epoch, progress)
        shown = self._shown(items, len(self.adding), self._lots("shown", epoch), moment)
        pictures = shown.pop(PICTURE, None)
        seen = replace(self.catalog, words={**self.catalog.words, **shown})
        return seen if pictures is None else _with_pictures(seen, pictures)

    @property
    def adding(self) -> tuple[ViewStep, ...]:
        """Steps that make views beside what the item is."""
        return tuple(one for one in self.steps if one.step.mode == "add")

    def _lots(self, label: str, epoch: int, copy: int = 0) -> npt.NDArray[np.float64]:
        """float64 (items,) in [0, 1): which view of each is shown."""
        key = rng.key(self.seed, "words", label, self.draw)
        return rng.uniform(rng.row_keys(key, item_keys(self.catalog), copy, epoch), 0)

    def _shown(self, items: Ints, upto: int, lots: npt.NDArray[np.float64], moment: _Moment) -> Columns:
        """Values of some items: as they are, or by a view of the first `upto` adding steps; lots (all items,)."""
        shown = {column: _picked(values, items) for column, values in moment.base.items()}
        copies = [one.copies if one.step.acts(moment.progress) else 0 for one in self.adding[:upto]]
        choice = (lots[items] * (1 + sum(copies))).astype(np.int64)
        first = 1
        for number, count in enumerate(copies):
            for copy in range(count):
                picked = np.flatnonzero(choice == first + copy)
                if len(picked):
                    _, after = self._made(number, copy, items[picked], moment)
                    for column, values in after.items():
                        for place, value in zip(picked.tolist(), values, strict=True):
                            shown[column][place] = value
            first += count
        return shown

    def _made(self, number: int, copy: int, items: Ints, moment: _Moment) -> tuple[Columns, Columns]:
        """(values that adding step `number` reads of some items, what it makes of all their columns)."""
        one = self.adding[number]
        upto = number if self.plan.reads(one.step) == "previous" else 0
        when = moment.epoch if one.step.when == "each_epoch" else 0
        read = self._shown(items, upto, self._lots(f"read by {one.step.called}", when, copy), moment)
        return read, {**read, **self._changed(one, read, items, copy, moment)}

    def _changed(self, one: ViewStep, read: Columns, items: Ints, copy: int, moment: _Moment) -> Columns:
        """The step's columns, changed."""
        fresh = one.step.when == "each_epoch"
        names, strength = item_keys(self.catalog)[items], float(one.step.strength(moment.progress))
        made = {}
        for column in one.columns:
            place = rng.key(one.key, column, self.draw) if fresh else rng.key(one.key, column)
            keys = rng.row_keys(place, names, copy, moment.epoch if fresh else 0)
            made[column] = one.of.changed(one.fitted, read[column], items, keys, strength)
        return made

    def _moment(self, epoch: int, progress: float) -> _Moment:
        """With all values of the columns that any step changes, after the steps that replace."""
        base: Columns = {column: one.of.values(column) for one in self.steps for column in one.columns}
        moment = _Moment(epoch, progress, base)
        for one in self.steps:
            if one.step.mode == "replace" and one.step.acts(progress):
                items = self._replaced(one, epoch)
                read = {column: _picked(base[column], items) for column in one.columns}
                for column, values in self._changed(one, read, items, 0, moment).items():
                    for item, value in zip(items.tolist(), values, strict=True):
                        base[column][item] = value
        return moment

    def _replaced(self, one: ViewStep, epoch: int) -> Ints:
        """Items that a replacing step changes."""
        fresh = one.step.when == "each_epoch"
        key = rng.key(one.key, "p", self.draw) if fresh else rng.key(one.key, "p")
        drawn = rng.uniform(rng.row_keys(key, item_keys(self.catalog), 0, epoch if fresh else 0), 0)
        return np.flatnonzero(drawn < one.step.p)

    def made(self, one: ViewStep, copy: int) -> Iterator[tuple[str, Ints, Values, Values]]:
        """(column, items that have something there, before, after) of one copy of a step, in the middle of its share of
        training."""
        middle = sum(one.step.during) / 2
        for column in one.columns:
            items = one.of.having(column)
            if one.step.mode == "add":
                read, after = self._made(self.adding.index(one), copy, items, self._moment(0, middle))
            else:
                items = items[np.isin(items, self._replaced(one, 0))]
                read = {column: _picked(one.of.values(column), items) for column in one.columns}
                after = self._changed(one, read, items, 0, _Moment(0, middle, {}))
            yield column, items, read[column], after[column]

    def facts(self) -> list[dict[str, Any]]:
        """What each step makes of the items, and why some stayed as they were, as for steps on rows.

        Raises GateError where a step leaves more as they were than it may.
        """
        told = []
        for one in self.steps:
            count, why = 0, dict[str, int]()
            for copy in range(one.copies if one.step.mode == "add" else 1):
                for _, items, before, after in self.made(one, copy):
                    count += len(items)
                    for reason, some in one.of.unchanged(one.fitted, before, after, items).items():
                        why[reason] = why.get(reason, 0) + some
            check_gate(one.step.called, one.step.fail_if_unchanged_over, count, why)
            fact = step_facts(self.plan, one.place) | {"columns": list(one.columns)} | one.of.told()
            told.append(fact | {"made": count, "tried": count, "unchanged": why, "refused": {}})
        return told

    def gallery(self, items: int = 4) -> list[dict[str, Any]]:
        """Some changed items of each step, the same ones for the same seed: step, item, before and after as its
        modality shows them; and which share of all of the step stayed as it was."""
        shown = []
        order = np.argsort(rng.bits(rng.row_keys(rng.key(self.seed, "gallery"), item_keys(self.catalog)), 0))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        for one in self.steps:
            column, rows, before, after = next(self.made(one, 0))
            stayed = sum(one.of.unchanged(one.fitted, before, after, rows).values())
            pairs = sorted(zip(rank[rows].tolist(), range(len(rows)), strict=True))
            differ = (place for _, place in pairs if not np.array_equal(before[place], after[place]))
            some = [
                {"item": self.catalog.ids[rows[place]], **one.of.shown(before[place], after[place], one.step)}
                for _, place in zip(range(items), differ, strict=False)
            ]
            share = round(stayed / max(len(rows), 1), 4)
            shown.append(
                {"step": one.step.called, "on": one.step.on, "column": column, "unchanged": share, "some": some}
            )
        return shown

    def write(self, folder: Path) -> None:
        """The views of the steps that run once, one Parquet file a step: item, column, copy, and of words before and
        after, of pictures the view as JPEG."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder.mkdir(parents=True, exist_ok=True)
        for one in (one for one in self.steps if one.step.when == "once"):
            path = folder / f"{one.place:02d}-{one.step.called.replace(' ', '-')}.parquet"
            part, writer = path.with_suffix(".part"), None
            for copy in range(one.copies if one.step.mode == "add" else 1):
                for column, items, before, after in self.made(one, copy):
                    ids = [self.catalog.ids[item] for item in items.tolist()]
                    columns: dict[str, Any] = {"item": ids, "column": [column] * len(ids)}
                    columns |= {"copy": pa.array([copy] * len(ids), pa.int32()), **one.of.kept(before, after)}
                    table = pa.table(columns)
                    writer = writer or pq.ParquetWriter(part, table.schema)
                    writer.write_table(table)
            if writer is not None:
                writer.close()
                part.replace(path)


def _picked(values: Values, items: Ints) -> Values:
    return [values[item] for item in items.tolist()]


def _with_pictures(catalog: Catalog, pictures: Values) -> Catalog:
    """The catalogue with these in the place of its files; an item whose file could not be read has none."""
    blank = np.zeros_like(next(one for one in pictures if one is not None))
    named = catalog.images or []
    images = [path if one is not None else "" for path, one in zip(named, pictures, strict=True)]
    return replace(catalog, images=images, pixels=np.stack([blank if one is None else one for one in pictures]))


def catalog_views(
    catalog: Catalog | None,
    plan: Plan,
    seed: int,
    draw: int = 0,
    size: int = PICTURE_SIZE,
    folder: Path | None = None,
) -> CatalogViews:
    """The views that a plan's steps on items give of a catalogue; what they learn follows from `seed` alone.

    size    pixels along each side of the pictures; folder: where what models learned or answered is kept

    Raises DataError where there is no catalogue, or not what a step changes.
    """
    items = catalog or Catalog(ids=[])
    of: Mapping[str, Modality] = {"words": Words(items, folder), "pictures": Pictures(items, size, folder)}
    found = []
    for place, step in enumerate(plan.all, 1):
        if step.on_items:
            if catalog is None:
                fix = "name a table of items, and its columns of texts or pictures"
                raise DataError(f"step {step.called!r}", f"items with {step.on}", "no catalogue", fix)
            columns, key = of[step.on].columns(step), rng.key(seed, "step", step.called)
            found.append(ViewStep(step, place, key, of[step.on].fit(step, key), columns, of[step.on]))
    return CatalogViews(items, plan, seed, draw, tuple(found))


def view_steps(plan: Plan) -> Sequence[Step]:
    """The steps of a plan that change what items look like."""
    return [step for step in plan.all if step.on_items]
