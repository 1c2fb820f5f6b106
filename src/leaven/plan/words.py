"""How are the items described in this epoch? What a plan's steps on words make of the catalogue.

A view is linked to its item by the item's id, and its chance follows from (step, column, item, copy, epoch): the same
bytes whatever else is made, as with rows. Rows and words are changed by the steps of one plan, each knowing its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.contracts import FittedTextTransform
from leaven.data.catalog import Catalog
from leaven.errors import DataError, nearest
from leaven.plan.expansion import step_facts
from leaven.plan.rows import check_gate
from leaven.plan.steps import Plan, Step
from leaven.transforms.text.preview import marked
from leaven.transforms.text.views import changed, item_keys, unchanged

Ints = npt.NDArray[np.int64]
Texts = dict[str, list[str]]
"""column -> texts"""


@dataclass(frozen=True, eq=False)
class WordStep:
    """A step on words at work. place: its number in the plan, from 1; columns: the texts that it changes."""

    step: Step
    place: int
    key: int
    fitted: FittedTextTransform
    columns: tuple[str, ...]

    @property
    def copies(self) -> int:
        """Views of an item, in mode "add"."""
        return round(getattr(self.step.copies, "factor", 1))


@dataclass(frozen=True, eq=False)
class _Moment:
    """When items are looked at. base: all texts of the changed columns then, before views stand beside them."""

    epoch: int
    progress: float
    base: Texts


@dataclass(frozen=True, eq=False)
class CatalogViews:
    """`(epoch, progress) -> catalogue`: each item as it is, or as one of its views, drawn evenly.

    Steps of mode "replace" change texts in place, each item's with chance p, one after the other; those of mode "add"
    make `copies` views beside the text. Steps that run once make the same views in every epoch, though an item is
    shown by one view here and by another there. With `reads = "previous"` a step is given a view of
    those before it. A controller moves steps on rows alone.

    draw  what the chance of fresh views and of showing follows from, beside the plan's seed
    """

    catalog: Catalog
    plan: Plan
    seed: int
    draw: int
    steps: tuple[WordStep, ...]

    def __call__(self, epoch: int, progress: float) -> Catalog:
        """The items as this epoch describes them."""
        items = np.arange(len(self.catalog))
        moment = self._moment(epoch, progress)
        shown = self._shown(items, len(self.adding), self._lots("shown", epoch), moment)
        return replace(self.catalog, words={**self.catalog.words, **shown})

    @property
    def adding(self) -> tuple[WordStep, ...]:
        """Steps that make views beside the text."""
        return tuple(one for one in self.steps if one.step.mode == "add")

    def _lots(self, label: str, epoch: int, copy: int = 0) -> npt.NDArray[np.float64]:
        """float64 (items,) in [0, 1): which view of each is shown."""
        key = seeds.key(self.seed, "words", label, self.draw)
        return seeds.uniform(seeds.row_keys(key, item_keys(self.catalog), copy, epoch), 0)

    def _shown(self, items: Ints, upto: int, lots: npt.NDArray[np.float64], moment: _Moment) -> Texts:
        """Texts of some items: as they are, or by a view of one of the first `upto` adding steps; lots (all items,)."""
        shown = {column: [texts[item] for item in items.tolist()] for column, texts in moment.base.items()}
        copies = [one.copies if one.step.acts(moment.progress) else 0 for one in self.adding[:upto]]
        choice = (lots[items] * (1 + sum(copies))).astype(np.int64)
        first = 1
        for number, count in enumerate(copies):
            for copy in range(count):
                picked = np.flatnonzero(choice == first + copy)
                if len(picked):
                    _, after = self._made(number, copy, items[picked], moment)
                    for column, texts in after.items():
                        for place, text in zip(picked.tolist(), texts, strict=True):
                            shown[column][place] = text
            first += count
        return shown

    def _made(self, number: int, copy: int, items: Ints, moment: _Moment) -> tuple[Texts, Texts]:
        """(texts that adding step `number` reads of some items, what it makes of all their columns)."""
        one = self.adding[number]
        upto = number if self.plan.reads(one.step) == "previous" else 0
        when = moment.epoch if one.step.when == "each_epoch" else 0
        read = self._shown(items, upto, self._lots(f"read by {one.step.called}", when, copy), moment)
        return read, {**read, **self._changed(one, read, items, copy, moment)}

    def _changed(self, one: WordStep, read: Texts, items: Ints, copy: int, moment: _Moment) -> Texts:
        """The step's columns, changed."""
        fresh = one.step.when == "each_epoch"
        names, strength = item_keys(self.catalog)[items], float(one.step.strength(moment.progress))
        made = {}
        for column in one.columns:
            place = seeds.key(one.key, column, self.draw) if fresh else seeds.key(one.key, column)
            keys = seeds.row_keys(place, names, copy, moment.epoch if fresh else 0)
            made[column] = changed(one.fitted, read[column], keys, strength)
        return made

    def _moment(self, epoch: int, progress: float) -> _Moment:
        """With all texts of the columns that any step changes, after the steps that replace."""
        columns = dict.fromkeys(column for one in self.steps for column in one.columns)
        base: Texts = {column: list(self.catalog.words[column]) for column in columns}
        moment = _Moment(epoch, progress, base)
        for one in self.steps:
            if one.step.mode == "replace" and one.step.acts(progress):
                items = self._replaced(one, epoch)
                read = {column: [base[column][item] for item in items.tolist()] for column in one.columns}
                for column, texts in self._changed(one, read, items, 0, moment).items():
                    for item, text in zip(items.tolist(), texts, strict=True):
                        base[column][item] = text
        return moment

    def _replaced(self, one: WordStep, epoch: int) -> Ints:
        """Items that a replacing step changes."""
        fresh = one.step.when == "each_epoch"
        key = seeds.key(one.key, "p", self.draw) if fresh else seeds.key(one.key, "p")
        drawn = seeds.uniform(seeds.row_keys(key, item_keys(self.catalog), 0, epoch if fresh else 0), 0)
        return np.flatnonzero(drawn < one.step.p)

    def made(self, one: WordStep, copy: int) -> Iterator[tuple[str, Ints, list[str], list[str]]]:
        """(column, items, texts before, texts after) of one copy of a step, in the middle of its share of training."""
        items, middle = np.arange(len(self.catalog)), sum(one.step.during) / 2
        if one.step.mode == "add":
            read, after = self._made(self.adding.index(one), copy, items, self._moment(0, middle))
        else:
            items = self._replaced(one, 0)
            read = {column: [self.catalog.words[column][item] for item in items.tolist()] for column in one.columns}
            after = self._changed(one, read, items, 0, _Moment(0, middle, {}))
        for column in one.columns:
            yield column, items, read[column], after[column]

    def facts(self) -> list[dict[str, Any]]:
        """What each step makes of the items' texts, and why texts stayed as they were, as for steps on rows.

        Raises GateError where a step leaves more texts as they were than it may.
        """
        told = []
        for one in self.steps:
            count, why = 0, dict[str, int]()
            for copy in range(one.copies if one.step.mode == "add" else 1):
                for _, items, before, after in self.made(one, copy):
                    count += len(items)
                    for reason, texts in unchanged(one.fitted, before, after).items():
                        why[reason] = why.get(reason, 0) + texts
            check_gate(one.step.called, one.step.fail_if_unchanged_over, count, why)
            fact = step_facts(self.plan, one.place) | {"columns": list(one.columns)}
            told.append(fact | {"made": count, "tried": count, "unchanged": why, "refused": {}})
        return told

    def gallery(self, texts: int = 4) -> list[dict[str, Any]]:
        """Some changed texts of each step, the same ones for the same seed: step, item, parts before and after, and
        whether each part is new or gone; and which share of all texts of the step stayed as it was."""
        shown = []
        order = np.argsort(seeds.bits(seeds.row_keys(seeds.key(self.seed, "gallery"), item_keys(self.catalog)), 0))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        for one in self.steps:
            column, items, before, after = next(self.made(one, 0))
            pairs = sorted(zip(rank[items].tolist(), items.tolist(), before, after, strict=True))
            differ = [pair for pair in pairs if pair[2] != pair[3]]
            texts_shown = []
            for _, item, text, new in differ[:texts]:
                gone, come = marked(text, new)
                texts_shown.append({"item": self.catalog.ids[item], "before": list(gone), "after": list(come)})
            share = 1 - len(differ) / max(len(pairs), 1)
            shown.append(
                {"step": one.step.called, "column": column, "unchanged": round(share, 4), "texts": texts_shown}
            )
        return shown

    def write(self, folder: Path) -> None:
        """The views of the steps that run once, one Parquet file a step: item, column, copy, before, after."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder.mkdir(parents=True, exist_ok=True)
        for one in (one for one in self.steps if one.step.when == "once"):
            tables = []
            for copy in range(one.copies if one.step.mode == "add" else 1):
                for column, items, before, after in self.made(one, copy):
                    ids = [self.catalog.ids[item] for item in items.tolist()]
                    columns = {
                        "item": ids,
                        "column": [column] * len(ids),
                        "copy": pa.array([copy] * len(ids), pa.int32()),
                    }
                    tables.append(pa.table(columns | {"before": before, "after": after}))
            path = folder / f"{one.place:02d}-{one.step.called.replace(' ', '-')}.parquet"
            part = path.with_suffix(".part")
            pq.write_table(pa.concat_tables(tables), part)
            part.replace(path)


def catalog_views(catalog: Catalog | None, plan: Plan, seed: int, draw: int = 0) -> CatalogViews:
    """The views that a plan's steps on words give of a catalogue; what they learn follows from `seed` alone.

    Raises DataError where there is no catalogue, or not the columns that a step names.
    """
    found = []
    for place, step in enumerate(plan.all, 1):
        if step.on_words:
            if catalog is None:
                fix = "name a table of items and its text columns"
                raise DataError(f"step {step.called!r}", "items with words", "no catalogue", fix)
            columns = _columns(step, catalog)
            use: Any = step.use
            found.append(WordStep(step, place, seeds.key(seed, "step", step.called), use.fit(catalog), columns))
    return CatalogViews(catalog or Catalog(ids=[]), plan, seed, draw, tuple(found))


def _columns(step: Step, catalog: Catalog) -> tuple[str, ...]:
    """The columns that a step names, else all that hold words but the brand."""
    for column in step.columns:
        if column not in catalog.words:
            where = f"step {step.called!r}, columns"
            raise DataError(where, "a text column", repr(column), nearest(column, catalog.words))
    found = step.columns or tuple(name for name, texts in catalog.words.items() if name != "brand" and any(texts))
    if not found:
        raise DataError(f"step {step.called!r}", "items with words", "none", "name text columns in item_columns")
    return found


def word_steps(plan: Plan) -> Sequence[Step]:
    """The steps of a plan that change words."""
    return [step for step in plan.all if step.on_words]
