"""The page Plan: steps of every variant as cards, with their fields, row counts and errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from leaven import registry
from leaven.augmentation import Plan, Step
from leaven.augmentation.plan import COMBINE_MODES, MODES, WHEN
from leaven.config import Spec
from leaven.config.build import find_class, list_operator_families
from leaven.config.experiment_spec import RANKING, TASKS
from leaven.errors import LeavenError, SpecError
from leaven.experiment import describe_run
from leaven.introspection import format_toml_value
from leaven.modalities import list_modalities
from leaven.report.plan_diagram import build_plan_graph, render_mermaid
from leaven.studio.controls import Control, describe_controls, show_values
from leaven.studio.loaded_data import LoadedData
from leaven.studio.pages import describe_error
from leaven.studio.workspace import Workspace

_CURVE_POINTS = 25
_PLACE = re.compile(r"variant\.(?P<variant>.+?)\.step\.(?P<step>\d+)")
_LINE = re.compile(r"line (\d+)")
_STEP_CONTROLS = (
    Control("mode", "choice", ("append",), "new rows join the real ones, or rows are changed", choices=MODES),
    Control("when", "choice", ("once",), "before training, in every epoch, or in every round", choices=WHEN),
    Control("copies", "text", ("",), "new rows per row: a number, or a strategy in TOML"),
    Control("strength", "text", ("",), "0 to 1, or a schedule in TOML"),
    Control("weight", "text", ("",), "weight of the new rows in the loss"),
    Control("filters", "text", ("",), 'such as ["validity", "copies"]'),
)
_CHANGED_SHARE = Control("p", "slider", ("1.0",), "probability that a row is changed")
_STEP_FIELDS = frozenset(Step.__dataclass_fields__)


@dataclass(frozen=True)
class CardView:
    """One step. lane: its modality; count: rows that it adds; curve: points of a schedule as SVG coordinates.

    error  what is wrong with it; None where it is valid
    """

    kind: str
    lane: str
    summary: str
    controls: tuple[Control, ...]
    own_controls: tuple[Control, ...]
    values: Mapping[str, str]
    count: str = ""
    curve: str = ""
    error: Mapping[str, str] | None = None


@dataclass(frozen=True)
class VariantView:
    """One variant: its cards, total of new rows, and its diagram in Mermaid's language."""

    name: str
    combine: str
    cards: tuple[CardView, ...]
    total: str = ""
    diagram: str = ""


@dataclass(frozen=True)
class PlanView:
    """What the page shows. line: number of the line of the error, 0 where unknown; trainings: of a run, 0: unknown."""

    text: str
    variants: tuple[VariantView, ...]
    kinds: Mapping[str, tuple[str, ...]]
    error: Mapping[str, str] | None = None
    line: int = 0
    trainings: int = 0
    train_rows: str = ""


def build_plan(space: Workspace, data: LoadedData | None) -> PlanView:
    """The plan under edit. data: for row counts; None where they are not loaded yet."""
    document = space.shown_document
    task = str(document.read_table().get("task", RANKING.name))
    task = task if task in TASKS else RANKING.name
    spec, error, trainings = None, None, 0
    try:
        spec = space.parse(document)
        trainings = describe_run(spec).trainings if spec.variants else 0
    except LeavenError as found:
        error = found
    tables = document.list_variants()
    variants = [
        VariantView(
            str(table.get("name", f"variant {number + 1}")),
            str(table.get("combine", COMBINE_MODES[0])),
            tuple(_build_card(step, task) for step in table.get("step", []) if isinstance(step, dict)),
        )
        for number, table in enumerate(tables)
    ]
    if spec is not None:
        variants = [_add_counts(view, spec, place, data) for place, view in enumerate(variants)]
    shown = None if error is None else describe_error(error)
    line = _LINE.search(f"{error.where} {error.got}") if error else None
    return PlanView(
        document.text,
        tuple(_mark_error(variants, error)),
        _list_kinds(task),
        shown,
        int(line[1]) if line else 0,
        trainings,
        "" if data is None or data.train is None else _format_count(len(data.train), data.one_in),
    )


def find_operator(use: Any, task: str) -> Any:
    """The class of a step's operator. Raises SpecError for an unknown kind, or a combination."""
    if not isinstance(use, str):
        raise SpecError("use", "one kind", format_toml_value(use), "edit the combination in the text")
    return find_class(use, list_operator_families(task), "use")


def list_step_controls(cls: Any, table: Mapping[str, Any]) -> tuple[Control, ...]:
    """Controls of the step itself."""
    return (*_STEP_CONTROLS, _CHANGED_SHARE) if table.get("mode") == "in_place" else _STEP_CONTROLS


def list_own_controls(cls: Any, table: Mapping[str, Any]) -> tuple[Control, ...]:
    """Controls of the operator. A name that a step has too belongs to the step, except p of a step that appends."""
    taken = _STEP_FIELDS if table.get("mode") == "in_place" else _STEP_FIELDS - {"p"}
    return tuple(one for one in describe_controls(cls) if one.name not in taken)


def _build_card(table: Mapping[str, Any], task: str) -> CardView:
    use = table.get("use", "")
    try:
        cls = find_operator(use, task)
    except (LeavenError, ImportError):
        return CardView(use if isinstance(use, str) else format_toml_value(use), "", "", (), (), {})
    family = registry.find_family(cls)
    lane = next((one.name for one in list_modalities() if family in one.families.operators), "")
    controls, own = list_step_controls(cls, table), list_own_controls(cls, table)
    summary = (cls.__doc__ or "").strip().split("\n")[0]
    return CardView(use, lane, summary, controls, own, show_values((*controls, *own), table))


def _mark_error(variants: list[VariantView], error: LeavenError | None) -> Iterator[VariantView]:
    """The variants, with the error at the card that it names."""
    place = _PLACE.search(error.where) if error else None
    for view in variants:
        if error is not None and place and place["variant"] == view.name and int(place["step"]) < len(view.cards):
            cards = list(view.cards)
            cards[int(place["step"])] = replace(cards[int(place["step"])], error=describe_error(error))
            view = replace(view, cards=tuple(cards))
        yield view


def _add_counts(view: VariantView, spec: Spec, place: int, data: LoadedData | None) -> VariantView:
    plan = spec.variants[place].plan
    cards = [
        replace(card, count=_count_step(step, data), curve=_draw_schedule(step))
        for card, step in zip(view.cards, plan.named_steps, strict=True)
    ]
    return replace(
        view,
        cards=tuple(cards),
        total=_count_plan(plan, data),
        diagram=render_mermaid(build_plan_graph(plan), view.name),
    )


def _count_step(step: Step, data: LoadedData | None) -> str:
    rows = None if data is None else data.train if data.train is not None else data.table
    if data is None or rows is None:
        return ""
    if step.is_on_items:
        n_items = 0 if data.catalog is None else len(data.catalog)
        return f"{n_items:,} items"
    if step.mode == "in_place":
        return f"~ {step.p:.0%}"
    try:
        count = int(step.count_copies(rows, 0).sum())
    except LeavenError as error:
        return error.got
    unit = {"once": "", "each_epoch": " / epoch", "each_round": " / round"}[step.when]
    return f"+ {_format_count(count, data.one_in)}{unit}"


def _count_plan(plan: Plan, data: LoadedData | None) -> str:
    rows = None if data is None else data.train if data.train is not None else data.table
    added = [one for one in plan.named_steps if one.mode == "append" and one.when == "once" and not one.is_on_items]
    if data is None or rows is None or not added:
        return ""
    try:
        total = sum(int(step.count_copies(rows, 0).sum()) for step in added)
    except LeavenError:
        return ""
    return f"+ {_format_count(total, data.one_in)}"


def _format_count(count: int, one_in: int) -> str:
    """A number of rows; an estimate where only every n-th user was read."""
    return f"{count:,}" if one_in == 1 else f"≈ {count * one_in:,}"


def _draw_schedule(step: Step) -> str:
    """Points "x,y x,y" of strength over training, in a box of 100 by 30; "" for a constant."""
    values = [float(step.strength(place / (_CURVE_POINTS - 1))) for place in range(_CURVE_POINTS)]
    if max(values) - min(values) < 1e-9:
        return ""
    return " ".join(f"{100 * x / (_CURVE_POINTS - 1):.1f},{29 - 28 * y:.1f}" for x, y in enumerate(values))


def _list_kinds(task: str) -> dict[str, tuple[str, ...]]:
    """Modality -> kinds of its operators, as steps name them."""
    found: dict[str, tuple[str, ...]] = {}
    for modality in list_modalities():
        if modality.task == task:
            prefix = f"{modality.views.name}." if modality.views else ""
            families = modality.families.operators
            found[modality.name] = tuple(f"{prefix}{kind}" for one in families for kind in registry.list_kinds(one))
    return found
