"""Item views of each epoch: the catalog as changed by a plan's steps on texts and images.

A view is linked to its item by the item's id, and its draws depend only on (step, column, item, copy, epoch), as with
rows. The steps of one plan may change rows, texts and images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.apply_step import check_unchanged_share
from leaven.augmentation.expansion import describe_step
from leaven.augmentation.plan import Plan, Step
from leaven.datasets.catalog import Catalog
from leaven.errors import DataError
from leaven.facts import GalleryFacts, Preview, StepFacts
from leaven.modalities import find_item_modality
from leaven.modalities.modality import Ints, ItemValues, ItemViews
from leaven.strategies.copy_counts import Uniform
from leaven.transforms.text.text_views import derive_item_ids

Columns = dict[str, ItemValues]
"""Column -> one value per item."""
IMAGE_SIZE = 64
"""Default side length in pixels of the images that steps work on."""


@dataclass(frozen=True, eq=False)
class ViewStep:
    """A fitted step on items. place: its number in the plan, from 1; columns: those that it changes; views: how views
    of their modality are made and shown.
    """

    step: Step
    place: int
    key: int
    fitted: Any
    columns: tuple[str, ...]
    views: ItemViews

    @property
    def copies(self) -> int:
        """Number of views per item, in mode "append"."""
        assert isinstance(self.step.copies, Uniform)  # checked by Step
        return round(self.step.copies.factor)


@dataclass(frozen=True, eq=False)
class _Moment:
    """A time of training. base: values of the changed columns at that time, after in-place steps, before appended
    views.
    """

    epoch: int
    progress: float
    base: Columns


@dataclass(frozen=True, eq=False)
class _SampledViews:
    """Some views of a step. pairs: (id of the item, value before, value after)."""

    view_step: ViewStep
    column: str
    unchanged_share: float
    pairs: Sequence[tuple[str, object, object]]


@dataclass(frozen=True, eq=False)
class CatalogViews:
    """`(epoch, progress) -> catalog`: each item unchanged, or as one of its views, drawn uniformly.

    Steps of mode "in_place" change items in place, each with probability p, one after the other; those of mode "append"
    make `copies` views of each item. Steps that run once make the same views in every epoch, but the shown view may
    differ. With `input = "previous"` a step reads the views of the steps before it. A controller adapts only steps on
    rows.

    draw  varies the draws of fresh views and of shown views, in addition to the plan's seed
    """

    catalog: Catalog
    plan: Plan
    seed: int
    draw: int
    steps: tuple[ViewStep, ...]

    def __call__(self, epoch: int, progress: float) -> Catalog:
        """The catalog of one epoch."""
        items = np.arange(len(self.catalog))
        moment = self._build_moment(epoch, progress)
        shown = self._choose_views(items, len(self.appending), self._draw_choices("shown", epoch), moment)
        catalog = self.catalog
        for views in {id(one.views): one.views for one in self.steps}.values():
            columns = dict.fromkeys(column for one in self.steps if one.views is views for column in one.columns)
            catalog = views.replace_values(catalog, {column: shown[column] for column in columns})
        return catalog

    @property
    def appending(self) -> tuple[ViewStep, ...]:
        """Steps of mode "append"."""
        return tuple(one for one in self.steps if one.step.mode == "append")

    def _draw_choices(self, label: str, epoch: int, copy: int = 0) -> npt.NDArray[np.float64]:
        """float64 (items,) in [0, 1): the draw that selects the shown view of each item."""
        key = rng.derive_key(self.seed, "words", label, self.draw)
        return rng.draw_uniform(rng.derive_row_keys(key, derive_item_ids(self.catalog), copy, epoch), 0)

    def _choose_views(self, items: Ints, upto: int, draws: npt.NDArray[np.float64], moment: _Moment) -> Columns:
        """Values of some items: unchanged, or a view of the first `upto` appending steps. draws: (all items,)."""
        shown = {column: _take_values(values, items) for column, values in moment.base.items()}
        copies = [one.copies if one.step.is_active(moment.progress) else 0 for one in self.appending[:upto]]
        choice = (draws[items] * (1 + sum(copies))).astype(np.int64)
        first = 1
        for number, count in enumerate(copies):
            for copy in range(count):
                chosen = np.flatnonzero(choice == first + copy)
                if len(chosen):
                    _, after = self._make_view(number, copy, items[chosen], moment)
                    for column, values in after.items():
                        for index, value in zip(chosen.tolist(), values, strict=True):
                            shown[column][index] = value
            first += count
        return shown

    def _make_view(self, number: int, copy: int, items: Ints, moment: _Moment) -> tuple[Columns, Columns]:
        """(values of some items that appending step `number` reads, all their columns after the step)."""
        one = self.appending[number]
        upto = number if self.plan.get_input(one.step) == "previous" else 0
        when = moment.epoch if one.step.when == "each_epoch" else 0
        read = self._choose_views(
            items, upto, self._draw_choices(f"read by {one.step.display_name}", when, copy), moment
        )
        return read, {**read, **self._change_columns(one, read, items, copy, moment)}

    def _change_columns(self, one: ViewStep, read: Columns, items: Ints, copy: int, moment: _Moment) -> Columns:
        """The step's columns of some items, changed."""
        fresh = one.step.when == "each_epoch"
        names, strength = derive_item_ids(self.catalog)[items], float(one.step.strength(moment.progress))
        changed = {}
        for column in one.columns:
            key = rng.derive_key(one.key, column, self.draw) if fresh else rng.derive_key(one.key, column)
            keys = rng.derive_row_keys(key, names, copy, moment.epoch if fresh else 0)
            changed[column] = one.views.apply(one.fitted, read[column], items, keys, strength)
        return changed

    def _build_moment(self, epoch: int, progress: float) -> _Moment:
        """The values of all changed columns, after the in-place steps."""
        base: Columns = {column: one.views.get_values(column) for one in self.steps for column in one.columns}
        moment = _Moment(epoch, progress, base)
        for one in self.steps:
            if one.step.mode == "in_place" and one.step.is_active(progress):
                items = self._draw_items(one, epoch)
                read = {column: _take_values(base[column], items) for column in one.columns}
                for column, values in self._change_columns(one, read, items, 0, moment).items():
                    for item, value in zip(items.tolist(), values, strict=True):
                        base[column][item] = value
        return moment

    def _draw_items(self, one: ViewStep, epoch: int) -> Ints:
        """Items that an in-place step changes."""
        fresh = one.step.when == "each_epoch"
        key = rng.derive_key(one.key, "p", self.draw) if fresh else rng.derive_key(one.key, "p")
        draws = rng.draw_uniform(rng.derive_row_keys(key, derive_item_ids(self.catalog), 0, epoch if fresh else 0), 0)
        return np.flatnonzero(draws < one.step.p)

    def iterate_views(self, one: ViewStep, copy: int) -> Iterator[tuple[str, Ints, ItemValues, ItemValues]]:
        """(column, items with a value, before, after) of one copy of a step, in the middle of its active range."""
        middle = sum(one.step.during) / 2
        for column in one.columns:
            items = one.views.find_items(column)
            if one.step.mode == "append":
                read, after = self._make_view(self.appending.index(one), copy, items, self._build_moment(0, middle))
            else:
                items = items[np.isin(items, self._draw_items(one, 0))]
                read = {column: _take_values(one.views.get_values(column), items) for column in one.columns}
                after = self._change_columns(one, read, items, 0, _Moment(0, middle, {}))
            yield column, items, read[column], after[column]

    def describe_steps(self) -> list[StepFacts]:
        """Facts of each step, as for steps on rows.

        Raises GateError where a step leaves too many values unchanged.
        """
        facts = []
        for one in self.steps:
            count, why = 0, dict[str, int]()
            for copy in range(one.copies if one.step.mode == "append" else 1):
                for _, items, before, after in self.iterate_views(one, copy):
                    count += len(items)
                    for reason, some in one.views.count_unchanged(one.fitted, before, after, items).items():
                        why[reason] = why.get(reason, 0) + some
            check_unchanged_share(one.step.display_name, one.step.fail_if_unchanged_over, count, why)
            fact = replace(describe_step(self.plan, one.place), synthetic=count, tried=count, unchanged=why)
            facts.append(replace(fact, columns=tuple(one.columns), unreadable=one.views.count_unreadable()))
        return facts

    def _sample_pairs(self, items: int) -> Iterator[_SampledViews]:
        """Some changed items of each step, the same ones for the same seed."""
        order = np.argsort(
            rng.draw_bits(rng.derive_row_keys(rng.derive_key(self.seed, "gallery"), derive_item_ids(self.catalog)), 0)
        )
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        for one in self.steps:
            column, rows, before, after = next(self.iterate_views(one, 0))
            n_unchanged = sum(one.views.count_unchanged(one.fitted, before, after, rows).values())
            by_rank = (index for _, index in sorted(zip(rank[rows].tolist(), range(len(rows)), strict=True)))
            changed = islice((index for index in by_rank if not np.array_equal(before[index], after[index])), items)
            pairs = [(self.catalog.ids[rows[index]], before[index], after[index]) for index in changed]
            yield _SampledViews(one, column, round(n_unchanged / max(len(rows), 1), 4), pairs)

    def sample_views(self, items: int = 4) -> list[GalleryFacts]:
        """Some changed items of each step, the same ones for the same seed, and its share of unchanged values."""
        return [
            GalleryFacts(
                step=one.view_step.step.display_name,
                modality=one.view_step.step.modality,
                column=one.column,
                unchanged=one.unchanged_share,
                examples=tuple(
                    one.view_step.views.show_pair(str(item), before, after, one.view_step.step)
                    for item, before, after in one.pairs
                ),
            )
            for one in self._sample_pairs(items)
        ]

    def preview_views(self, items: int) -> list[Preview]:
        """Some changed items of each step as text."""
        previews = []
        for one in self._sample_pairs(items):
            for item, before, after in one.pairs:
                text = one.view_step.views.summarize_pair(item, before, after)
                previews.append(Preview(one.view_step.step.display_name, text.before, text.after, text.changed))
        return previews

    def write_files(self, folder: Path) -> None:
        """Write the views of the steps that run once, one Parquet file per step: item, column, copy, and for texts
        before and after, for images the view as JPEG.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder.mkdir(parents=True, exist_ok=True)
        for one in (one for one in self.steps if one.step.when == "once"):
            path = folder / f"{one.place:02d}-{one.step.display_name.replace(' ', '-')}.parquet"
            part, writer = path.with_suffix(".part"), None
            for copy in range(one.copies if one.step.mode == "append" else 1):
                for column, items, before, after in self.iterate_views(one, copy):
                    ids = [self.catalog.ids[item] for item in items.tolist()]
                    columns = {"item": ids, "column": [column] * len(ids)}
                    columns |= {"copy": pa.array([copy] * len(ids), pa.int32()), **one.views.to_columns(before, after)}
                    table = pa.table(columns)
                    writer = writer or pq.ParquetWriter(part, table.schema)
                    writer.write_table(table)
            if writer is not None:
                writer.close()
                part.replace(path)


def _take_values(values: ItemValues, items: Ints) -> ItemValues:
    return [values[item] for item in items.tolist()]


def build_catalog_views(
    catalog: Catalog | None,
    plan: Plan,
    seed: int,
    draw: int = 0,
    image_size: int = IMAGE_SIZE,
    folder: Path | None = None,
) -> CatalogViews:
    """Item views of a plan's steps on texts and images; fits depend on `seed` alone.

    image_size  side length of the images in pixels
    folder      folder of fitted models and their answers

    Raises DataError without a catalog, or without the columns that a step changes.
    """
    items = catalog or Catalog(ids=[])
    views: dict[str, ItemViews] = {}
    steps = []
    for place, step in enumerate(plan.named_steps, 1):
        modality = find_item_modality(step.use)
        if modality is None or modality.views is None:
            continue
        source = modality.views
        if catalog is None:
            fix = "name a table of items, and its columns of texts or images"
            raise DataError(f"step {step.display_name!r}", f"items with {source.name}", "no catalog", fix)
        own = views.setdefault(source.name, source.build(items, image_size, folder))
        columns, key = own.find_columns(step), rng.derive_key(seed, "step", step.display_name)
        steps.append(ViewStep(step, place, key, own.fit(step, key), columns, own))
    return CatalogViews(items, plan, seed, draw, tuple(steps))


def list_item_steps(plan: Plan) -> Sequence[Step]:
    """The steps of a plan on texts or images."""
    return [step for step in plan.named_steps if step.is_on_items]
