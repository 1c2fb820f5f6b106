"""Operators on some of the user's own rows: histories, texts, images or table rows before and after."""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from leaven import registry, rng
from leaven.augmentation import Plan, PreviewedRow, Step
from leaven.augmentation.apply_step import append_rows
from leaven.augmentation.preview import compare_rows, select_preview_rows
from leaven.augmentation.step_fitting import fit_step
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import NO_PARENT, Histories
from leaven.datasets.images import encode_image, load_images
from leaven.errors import DataError
from leaven.facts import ImageExample, TextExample
from leaven.modalities import get_modality, list_modalities
from leaven.modalities.modality import Modality
from leaven.progress import format_duration
from leaven.protocols import get_traits
from leaven.studio.controls import build_kind
from leaven.studio.loaded_data import LoadedData
from leaven.studio.workspace import Workspace

_CANDIDATES = 400  # items among which those with a text or an image are chosen
_IMAGE_PIXELS = 112
_THUMBNAIL_PIXELS = 40
_FIT_ROWS = 1000  # rows that a generator is fitted on for the gallery
_MAX_CHIPS = 40  # items or cells of a row that are shown
_KEPT_FITS = 24
_KEPT_THUMBNAILS = 5000
_COPIES_ROWS = "the operator copies rows without a change"
_FIT_SEED = 0


@dataclass(frozen=True)
class GalleryRequest:
    """What the gallery shows: an operator with its fields, on which rows. reseed: of the draws, not of the rows."""

    modality: str
    family: str
    kind: str
    fields: dict[str, Any]
    rows: int = 20
    seed: int = 7
    strength: float = 1.0
    first: int = 0


@dataclass(frozen=True)
class Chip:
    """One item or cell of a row. mark: "", "removed" or "new"; image: a data URL or ""."""

    text: str
    mark: str = ""
    image: str = ""


@dataclass(frozen=True)
class GalleryRow:
    """One row before and after. reason: why it did not change, or why a filter refused it; "" where it changed.

    before, after  chips of histories and table rows; text, image: examples of item views
    """

    name: str
    before: tuple[Chip, ...] = ()
    after: tuple[Chip, ...] = ()
    text: TextExample | None = None
    image: ImageExample | None = None
    reason: str = ""

    @property
    def before_texts(self) -> list[str]:
        """Texts of the row before."""
        return [chip.text for chip in self.before]


@dataclass(frozen=True)
class KindEntry:
    """One operator in the menu. is_slow: a generator that is trained first."""

    family: str
    kind: str
    is_slow: bool = False


def list_operators(modality: Modality[Any]) -> list[KindEntry]:
    """Operators of a modality, transforms first."""
    families = modality.families
    return [
        KindEntry(family, kind, is_slow=family == families.generators.name)
        for family in families.operators
        for kind in registry.list_kinds(family)
    ]


def list_available_modalities(data: LoadedData) -> list[str]:
    """Names of the modalities that this data has rows of, of the registered ones."""
    return [modality.name for modality in list_modalities() if _has_rows(modality, data)]


def _has_rows(modality: Modality[Any], data: LoadedData) -> bool:
    catalog = data.catalog
    if modality.plan_rows is not None:
        return data.histories is not None or modality.task == "ctr"
    if catalog is None:
        return False
    return (
        any(catalog.image_paths or ()) if modality.name == "image" else any(any(one) for one in catalog.texts.values())
    )


class Gallery:
    """Applies operators; what they learned is kept for the next request."""

    def __init__(self, space: Workspace) -> None:
        self._space, self._lock = space, threading.Lock()
        self._fits: OrderedDict[str, Any] = OrderedDict()
        self._thumbnails: dict[tuple[str, str], str] = {}

    def show_rows(self, data: LoadedData, request: GalleryRequest) -> list[GalleryRow]:
        """Rows before and after an operator.

        Raises LeavenError for fields that the operator refuses, and for data that lack what it needs.
        """
        modality = get_modality(request.modality)
        self._space.check_values(request.fields)
        config = build_kind(request.family, request.kind, request.fields)
        if modality.plan_rows is not None:
            rows = data.train if modality.task == "ranking" else data.samples
            if rows is None or not len(rows):
                raise DataError("gallery", f"{modality.name} rows", "none", "open a log with times, or a labeled table")
            return list(self._show_plan_rows(data, rows, config, request))
        return list(self._show_views(data, modality, config, request))

    def _show_plan_rows(
        self, data: LoadedData, rows: Any, config: Any, request: GalleryRequest
    ) -> Iterator[GalleryRow]:
        step = Step(config)
        plan = Plan([step])
        fitted = self._fit(
            (data.key, request.family, config), lambda: fit_step(plan, 1, _limit_rows(step, rows), _FIT_SEED)
        )
        able = replace(fitted, key=rng.derive_key(request.seed, "step", step.display_name))
        chosen = self._fit((data.key, len(rows), request.rows, request.first), lambda: _choose_rows(rows, request))
        for index in range(len(chosen)):
            row = chosen.slice(index, index + 1)
            result = append_rows(able, row, np.ones(1, np.int32), 0, request.strength)
            new = result.rows.slice(0, 1) if len(result.rows) else row.slice(0, 0)
            refused = next(iter(result.rejected), "")
            has_source = not len(new) or bool(new.parents[0] != NO_PARENT)
            shown = compare_rows(step.display_name, row if has_source else row.slice(0, 0), new if len(new) else row)
            same = _COPIES_ROWS if get_traits(config).copies_rows else ""
            reason = f"refused by a filter: {refused}" if refused else next(iter(result.unchanged), same)
            yield self._build_row(data, shown, row, new if len(new) else row, reason)

    def _build_row(self, data: LoadedData, shown: PreviewedRow, row: Any, new: Any, reason: str) -> GalleryRow:
        removed = set(_find_removed(shown))
        before = [
            Chip(text, "removed" if place in removed else "", self._draw_item(data, shown.before_ids, place))
            for place, text in enumerate(shown.before)
        ]
        changed = set(shown.changed)
        after = [
            Chip(text, "new" if place in changed else "", self._draw_item(data, shown.after_ids, place))
            for place, text in enumerate(shown.after)
        ]
        if isinstance(row, Histories) and not changed and len(before) == len(after):
            after = list(_mark_times(after, row.times, new.times))
        name = shown.user or f"{int(row.row_ids[0]):016x}"
        return GalleryRow(name, tuple(before[-_MAX_CHIPS:]), tuple(after[-_MAX_CHIPS:]), reason=reason)

    def _draw_item(self, data: LoadedData, ids: Sequence[str], place: int) -> str:
        """The small image of an item as a data URL; "" where it has none that may be read."""
        catalog = data.catalog
        if catalog is None or not catalog.image_paths or place >= len(ids):
            return ""
        key = (data.key, ids[place])
        if key not in self._thumbnails:
            item = data.item_index.get(ids[place], 0)
            path = catalog.image_paths[item - 1] if item else ""
            file = catalog.image_folder / path
            image = _load_thumbnail(str(file)) if path and self._space.is_inside(file) else ""
            if len(self._thumbnails) >= _KEPT_THUMBNAILS:
                self._thumbnails.clear()
            self._thumbnails[key] = image
        return self._thumbnails.get(key, "")

    def _show_views(
        self, data: LoadedData, modality: Modality[Any], config: Any, request: GalleryRequest
    ) -> Iterator[GalleryRow]:
        step, catalog = Step(config), self._limit_images(data.catalog)
        if modality.views is None or catalog is None or not _has_rows(modality, data):
            raise DataError("gallery", f"items with a {modality.name}", "none", "name the column on the page Data")
        part = self._fit((data.key, modality.name, request.first), lambda: _choose_items(catalog, modality, request))
        build = modality.views.build
        views = self._fit((data.key, modality.name, "views", request.first), lambda: build(part, _IMAGE_PIXELS, None))
        source = views if modality.name == "image" else build(catalog, _IMAGE_PIXELS, None)
        able = self._fit((data.key, request.family, config, request.first), lambda: source.fit(step, _FIT_SEED))
        column = views.find_columns(step)[0]
        values, items = views.get_values(column), views.find_items(column)[: request.rows]
        before = [values[item] for item in items.tolist()]
        key = rng.derive_key(request.seed, "gallery", request.kind)
        keys = rng.derive_row_keys(key, rng.derive_user_ids([str(part.ids[item]) for item in items.tolist()]))
        after = views.apply(able, before, items, keys, request.strength)
        for place, item in enumerate(items.tolist()):
            one = slice(place, place + 1)
            reason = next(iter(views.count_unchanged(able, before[one], after[one], items[one])), "")
            pair = views.show_pair(str(part.ids[item]), before[place], after[place], step)
            text, image = (pair, None) if isinstance(pair, TextExample) else (None, pair)
            yield GalleryRow(str(part.ids[item]), text=text, image=image, reason=reason)

    def _limit_images(self, catalog: Catalog | None) -> Catalog | None:
        """The catalog without images outside of the folders."""
        if catalog is None or not catalog.image_paths:
            return catalog
        kept = [one if one and self._space.is_inside(catalog.image_folder / one) else "" for one in catalog.image_paths]
        return replace(catalog, image_paths=kept)

    def _fit(self, key: tuple[Any, ...], build: Callable[[], Any]) -> Any:
        name = repr(key)
        with self._lock:
            if name not in self._fits:
                self._fits[name] = build()
                while len(self._fits) > _KEPT_FITS:
                    self._fits.popitem(last=False)
            return self._fits[name]


def _limit_rows(step: Step, rows: Any) -> Any:
    """Rows that the operator is fitted on: a sample for generators, which are trained."""
    return rows.slice(0, _FIT_ROWS) if step.is_generator and len(rows) > _FIT_ROWS else rows


def _choose_rows(rows: Any, request: GalleryRequest) -> Any:
    return select_preview_rows(1, rows, request.rows, request.first)


def _choose_items(catalog: Catalog, modality: Modality[Any], request: GalleryRequest) -> Catalog:
    """A catalog of some items with an image, or with texts; they are the same for every operator."""
    has_value = catalog.image_paths or [] if modality.name == "image" else next(iter(catalog.texts.values()), [])
    able = np.flatnonzero([bool(one) for one in has_value])
    order = rng.make_generator(rng.derive_key(request.first, "gallery items")).permutation(len(able))
    rows = np.sort(able[order[: request.rows]])
    codes = np.concatenate([[0], rows + 1])
    return replace(
        catalog,
        ids=[catalog.ids[row] for row in rows],
        texts={name: [texts[row] for row in rows] for name, texts in catalog.texts.items()},
        category=None if catalog.category is None else catalog.category[codes],
        price=None if catalog.price is None else catalog.price[codes],
        first_sale_times=None if catalog.first_sale_times is None else catalog.first_sale_times[codes],
        image_paths=None if catalog.image_paths is None else [catalog.image_paths[row] for row in rows],
    )


def _mark_times(chips: Sequence[Chip], before: Any, after: Any) -> Iterator[Chip]:
    """Items whose time changed, with by how much."""
    for chip, seconds in zip(chips, (after - before).tolist(), strict=True):
        sign = "+" if seconds > 0 else "−"
        yield replace(chip, text=f"{chip.text} {sign}{format_duration(abs(seconds))}", mark="new") if seconds else chip


def _find_removed(row: PreviewedRow) -> Iterator[int]:
    """Indices into `before` of entries that are not in `after`."""
    for kind, low, high, _, _ in SequenceMatcher(None, list(row.before), list(row.after), autojunk=False).get_opcodes():
        if kind != "equal":
            yield from range(low, high)


def _load_thumbnail(path: str) -> str:
    found = load_images([path], (_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS)).images.pixels
    if not len(found):
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(encode_image(found[0], '.jpg', 75)).decode()}"
