"""Configs of steps and plans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from leaven.augmentation.shorthand import convert_copies, convert_filters, convert_operator, convert_strength
from leaven.controllers.gap_controller import GapController
from leaven.display import Display, show_html, show_text
from leaven.errors import SpecError, suggest_name
from leaven.modalities import find_item_modality
from leaven.protocols import (
    Controller,
    Filter,
    Generator,
    ImageGenerator,
    ImageTransform,
    Rows,
    Schedule,
    Strategy,
    TabularFilter,
    TabularGenerator,
    TabularStrategy,
    TabularTransform,
    TextTransform,
    Transform,
    get_traits,
    split_words,
)
from leaven.schedules.progress_schedules import Constant
from leaven.strategies.copy_counts import Uniform

OnItems = TextTransform | ImageTransform | ImageGenerator
"""Operators that make views of items."""
OperatorLike = Transform | Generator | OnItems | TabularTransform | TabularGenerator | str
"""The config of an operator, or the name of its kind."""
GENERATED_WEIGHT = 0.5
"""Default weight in the loss of generated rows."""


@dataclass(frozen=True)
class Step:
    """One transform, repeat or generator of rows, item texts or item images.

    use                     operator config: `Crop()`, `Markov()`, or for tables `NumericNoise()`, `Copula()` …; or the
                            name of a kind with its defaults: "crop"
    mode                    "append": new rows join the real ones; "in_place": rows are changed
    when                    "once": before training; "each_epoch": fresh rows in every epoch; "each_round": at the start
                            of every round of the plan it is fitted again on all rows so far, and its rows stay to the
                            end
    during                  range of training progress in which it is active, checked at the start of an epoch: (0, 0.5)
                            is the first half
    input                   "real"; "previous": the real rows and the rows of all earlier steps; the name of an earlier
                            step: its rows alone; "": as the plan's `combine`
    p                       probability that a row is changed, in mode "in_place"
    copies                  strategy of new rows per row, in mode "append"; a number: that many of every row
    strength                schedule over training progress; constant for steps that run once; a number: constant
    filters                 filters or names of their kinds, in order; None: the defaults of the kind
    weight                  weight of the new rows in the loss; None: 1, and 0.5 for generators
    name                    name in other steps, lineage and reports; "": its kind
    columns                 text columns that a step on texts changes; none: all but the brand
    fail_if_unchanged_over  share of unchanged rows above which the run stops; 1: never

    A step on texts or images makes views of the items (`item_views.py`): in mode "append" `copies` of each, shown next
    to the original, in mode "in_place" a change in place with chance p. It has no filters and no weight, for views are
    no rows.

    Raises SpecError for values out of bounds, or a generator in mode "in_place".
    """

    use: OperatorLike
    mode: Literal["append", "in_place"] = "append"
    when: Literal["once", "each_epoch", "each_round"] = "once"
    during: tuple[float, float] = (0.0, 1.0)
    input: str = ""
    p: float = 1.0
    copies: Strategy | TabularStrategy | float = field(default_factory=Uniform)
    strength: Schedule = field(default_factory=Constant)
    filters: tuple[Filter | TabularFilter, ...] | None = None
    weight: float | None = None
    name: str = ""
    columns: tuple[str, ...] = ()
    fail_if_unchanged_over: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "use", convert_operator(self.use))
        object.__setattr__(self, "copies", convert_copies(self.copies, self.use))
        object.__setattr__(self, "strength", convert_strength(self.strength))
        object.__setattr__(self, "filters", convert_filters(self.filters, self.use))
        where = f"step {self.display_name!r}"
        for key, value, known in (("mode", self.mode, MODES), ("when", self.when, WHEN)):
            if value not in known:
                raise SpecError(
                    f"{where}, {key}", " or ".join(map(repr, known)), repr(value), suggest_name(value, known)
                )
        for key in ("p", "fail_if_unchanged_over"):
            if not 0 <= getattr(self, key) <= 1:
                raise SpecError(f"{where}, {key}", "a share in 0..1", str(getattr(self, key)))
        if self.weight is not None and not self.weight >= 0:
            raise SpecError(f"{where}, weight", "0 or more", str(self.weight))
        if self.is_generator and self.mode == "in_place":
            raise SpecError(f"{where}, mode", "'append' for a generator", "'in_place'", "generated rows join real ones")
        self._check_timing(where)
        self._check_fields(where)

    def _check_timing(self, where: str) -> None:
        """Raises SpecError for a strength, mode or range that does not fit when the step runs."""
        if self.when != "each_epoch" and not isinstance(self.strength, Constant):
            fix = 'write when = "each_epoch", or give one number'
            raise SpecError(f"{where}, strength", "a constant for a step that runs once", "a schedule", fix)
        if self.when == "each_round" and self.mode == "in_place":
            fix = 'write mode = "append", or when = "each_epoch"'
            raise SpecError(f"{where}, mode", "'append' for a step of each round", "'in_place'", fix)
        low, high = self.during
        if not 0.0 <= low < high <= 1.0:
            raise SpecError(f"{where}, during", "two values in 0..1, the first lower", str(list(self.during)), "")
        if self.when == "once" and self.during != WHOLE_TRAINING:
            fix = 'write when = "each_epoch", or leave during out'
            raise SpecError(f"{where}, during", "a step that is active during training", 'when = "once"', fix)

    def _check_fields(self, where: str) -> None:
        """Raises SpecError for fields that item views, or steps on rows, cannot have."""
        if self.columns and self.modality != "text":
            raise SpecError(f"{where}, columns", "a step on words", f"a step on {self.modality}", "leave columns out")
        if not self.is_on_items:
            return
        if not (isinstance(self.copies, Uniform) and 1 <= self.copies.factor == round(self.copies.factor)):
            fix = 'copies = { kind = "uniform", factor = 2 }'
            raise SpecError(f"{where}, copies", "a whole number of views per item", describe_config(self.copies), fix)
        for key, given in (("filters", bool(self.filters)), ("weight", self.weight is not None)):
            if given:
                raise SpecError(f"{where}, {key}", f"no value for a step on {self.modality}", "one", f"leave {key} out")
        if self.when == "each_round":
            fix = 'write when = "each_epoch", or leave when out'
            raise SpecError(f"{where}, when", f"once or each_epoch for a step on {self.modality}", repr(self.when), fix)
        if self.input not in ("", "real", "previous"):
            raise SpecError(f"{where}, input", f"real or previous for a step on {self.modality}", repr(self.input), "")

    @property
    def modality(self) -> str:
        """Name of the item views that it changes, such as "text" or "images"; "rows" for a step on rows."""
        modality = find_item_modality(self.use)
        return modality.views.name if modality is not None and modality.views is not None else "rows"

    @property
    def is_on_items(self) -> bool:
        """Whether it changes items, not rows."""
        return self.modality != "rows"

    def is_active(self, progress: float) -> bool:
        """Whether it is active in an epoch that begins at this progress."""
        low, high = self.during
        return low <= progress < high or (high == progress == 1.0)

    @property
    def is_generator(self) -> bool:
        """Whether it generates rows instead of changing given ones."""
        return get_traits(self.use).role == "generator"

    @property
    def default_filters(self) -> Sequence[str]:
        """Kinds of its filters where it names none."""
        return cast(Generator, self.use).default_filters if get_traits(self.use).has_default_filters else ()

    @property
    def display_name(self) -> str:
        """Name of the step, by default the frozen `rng_name` of its kind; its random draws derive from it."""
        return self.name or get_traits(self.use).rng_name

    def count_copies(self, rows: Rows, key: int) -> npt.NDArray[np.int32]:
        """int32 (rows,): number of new rows of each row, by its strategy for this kind of rows."""
        strategy: Any = self.copies
        return np.asarray(strategy(rows, key), np.int32)

    @property
    def row_weight(self) -> float:
        """Weight of its new rows in the loss."""
        return self.weight if self.weight is not None else GENERATED_WEIGHT if self.is_generator else 1.0

    @property
    def description(self) -> str:
        """Description: the kind and the fields that differ from their defaults."""
        return describe_config(self.use)


StepLike = Step | OperatorLike
"""A step, or an operator as a step with its defaults."""
WHOLE_TRAINING = (0.0, 1.0)
MODES = ("append", "in_place")
WHEN = ("once", "each_epoch", "each_round")
COMBINE_MODES = ("joint", "layered", "conditional")


@dataclass(frozen=True)
class Plan:
    """Steps and how they combine. A bare operator, or the name of its kind, means a step with its defaults.

    combine     "joint": every step reads the real rows, and all results are pooled;
                "layered": step k reads the real rows and the rows of the steps before it;
                "conditional": joint, and a controller adapts strength and counts of the steps of each epoch to
                validation losses
    controller  of a conditional plan; None: `Gap()`
    rounds      number of equal stages of training, for steps of each round

    Raises SpecError for a step that reads a later or unknown one, two steps of one name, and a controller or rounds
    without a step that uses them.
    """

    steps: Sequence[StepLike] | StepLike = ()
    combine: Literal["joint", "layered", "conditional"] = "joint"
    controller: Controller | None = None
    rounds: int = 1

    def __post_init__(self) -> None:
        if self.combine not in COMBINE_MODES:
            known = " or ".join(map(repr, COMBINE_MODES))
            raise SpecError("plan, combine", known, repr(self.combine), suggest_name(self.combine, COMBINE_MODES))
        given = [self.steps] if isinstance(self.steps, str) or not isinstance(self.steps, Iterable) else self.steps
        steps = _name_steps([step if isinstance(step, Step) else Step(step) for step in given])
        object.__setattr__(self, "steps", steps)
        for index, step in enumerate(steps):
            known_names = ["real", "previous", *(other.display_name for other in steps[:index])]
            if step.input and step.input not in known_names:
                fix = suggest_name(step.input, known_names)
                raise SpecError(
                    f"step {step.display_name!r}, input", "real, previous or an earlier step", step.input, fix
                )
        self._check_controller()
        self._check_rounds()

    def to_display(self) -> Display:
        """What a shell and a notebook show."""
        steps = self.named_steps
        rows = [
            [
                step.display_name,
                step.description,
                f"{step.mode}, {step.when}",
                describe_config(step.copies) if step.mode == "append" else f"p {step.p:g}",
                self.get_input(step),
                "" if step.is_on_items else f"{step.row_weight:g}",
            ]
            for step in steps
        ]
        facts: dict[str, str] = {"combine": self.combine} if len(steps) > 1 else {}
        facts |= {"controller": describe_config(self.controller)} if self.controller is not None else {}
        facts |= {"rounds": str(self.rounds)} if self.rounds > 1 else {}
        header = ("step", "operator", "mode", "copies", "reads", ">weight")
        return Display(f"Plan: {len(steps)} step{'' if len(steps) == 1 else 's'}", facts, header, rows)

    __repr__ = show_text
    _repr_html_ = show_html

    def _check_controller(self) -> None:
        if self.combine == "conditional" and self.controller is None:
            object.__setattr__(self, "controller", GapController())
        if self.combine != "conditional" and self.controller is not None:
            got = f"combine = {self.combine!r}"
            raise SpecError("plan, controller", "a conditional plan", got, 'write combine = "conditional"')
        if self.controller is not None and not self.controlled_steps:
            fix = 'write when = "each_epoch" in the steps that it controls'
            raise SpecError("plan, combine", "a step of each epoch", "none", fix)

    def _check_rounds(self) -> None:
        has_rounds = any(step.when == "each_round" for step in self.named_steps)
        if self.rounds < 1 or (has_rounds and self.rounds < 2):
            fix = "write rounds = 3" if has_rounds else ""
            raise SpecError("plan, rounds", f"{2 if has_rounds else 1} or more", str(self.rounds), fix)
        if self.rounds > 1 and not has_rounds:
            fix = 'write when = "each_round" in a step'
            raise SpecError("plan, rounds", "a step that runs in each round", "none", fix)

    @property
    def controlled_steps(self) -> tuple[str, ...]:
        """Names of the steps that a controller adapts: those of each epoch on rows."""
        if self.controller is None:
            return ()
        return tuple(
            step.display_name for step in self.named_steps if step.when == "each_epoch" and not step.is_on_items
        )

    @property
    def named_steps(self) -> tuple[Step, ...]:
        """Its steps, each a `Step` with a unique name."""
        given = self.steps if isinstance(self.steps, tuple) else ()
        return tuple(step for step in given if isinstance(step, Step))

    def get_input(self, step: Step) -> str:
        """What a step reads: its own setting, else that of `combine`."""
        return step.input or ("previous" if self.combine == "layered" else "real")


PlanLike = Plan | StepLike | Sequence[StepLike]
"""A plan, or the step or steps of a joint one."""


def convert_plan(plan: PlanLike) -> Plan:
    """A plan as given, or the joint plan of a step, an operator, the name of a kind, or a list of these.

    >>> [step.display_name for step in convert_plan(["crop", Step("mask", mode="in_place")]).named_steps]
    ['crop', 'mask']

    Raises SpecError for anything else.
    """
    return plan if isinstance(plan, Plan) else Plan(plan)


def _name_steps(steps: list[Step]) -> tuple[Step, ...]:
    """Steps with unique names: "crop", "crop 2". Raises SpecError for a given name that is not unique."""
    given = [step.name for step in steps if step.name]
    if duplicate := next((name for name in given if given.count(name) > 1), None):
        raise SpecError("plan, steps", "each name once", f"two steps named {duplicate!r}", "rename one")
    seen: dict[str, int] = dict.fromkeys(given, 1)
    result = []
    for step in steps:
        name = step.display_name
        if not step.name:
            seen[name] = seen.get(name, 0) + 1
            name = name if seen[name] == 1 else f"{name} {seen[name]}"
        result.append(replace(step, name=name))
    return tuple(result)


def describe_config(config: object) -> str:
    """Description of a config: its kind and the fields that differ from their defaults.

    >>> from leaven.strategies.copy_counts import Uniform
    >>> describe_config(Uniform(factor=2))
    'uniform (factor 2)'
    """
    if not is_dataclass(config):
        return split_words(type(config).__name__)
    parts = []
    for one in fields(config):
        value = getattr(config, one.name)
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if value != default:
            parts.append(f"{one.name.replace('_', ' ')} {_describe_value(value)}")
    name = split_words(type(config).__name__)
    return f"{name} ({', '.join(parts)})" if parts else name


def _describe_value(value: object) -> str:
    if is_dataclass(value):
        return describe_config(value)
    if isinstance(value, tuple):
        is_range = len(value) == 2 and not any(map(is_dataclass, value))
        return " to ".join(map(str, value)) if is_range else ", ".join(map(_describe_value, value))
    return str(value)
