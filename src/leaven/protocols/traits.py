"""Traits of operators: constant facts of a transform or generator class that plans and tests read."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

from leaven.errors import SpecError


@dataclass(frozen=True)
class OperatorTraits:
    """Constant facts of a transform or generator class; `tests/contracts` compares them with its behavior.

    rng_name              name of its steps, from which their random draws derive. It is part of the results, so it
                          stays when the class or its kind is renamed
    role                  "transform": changes given rows, texts or images, `fit(train)`; "generator": creates new
                          ones, `fit(train, key)`
    copies_rows           only copies rows: an unchanged row is no failure, and previews leave its steps out
    weighs_rows           may lower a row's weight by its confidence; the step's weight is multiplied by it
    mixes_users           a row may hold events or cells of users other than its parent's
    needs_times           changes nothing where all events of a row have the same time
    names_cold_items      may add items of the catalog that have no events
    reports_progress      `fit` takes `on_progress: ProgressCallback` and calls it
    accepts_like          `sample` of the fitted generator takes `like`, the source rows
    has_default_filters   the config has `default_filters`: kinds of the filters of a step that names none
    has_cache             the config has `cache`, a folder; "": the folder that a run chooses

    What depends on the fields of a config is a property of the config: `min_events` of transforms of histories.

    >>> OperatorTraits("crop").role
    'transform'
    """

    rng_name: str
    _: KW_ONLY
    role: Literal["transform", "generator"] = "transform"
    copies_rows: bool = False
    weighs_rows: bool = False
    mixes_users: bool = False
    needs_times: bool = False
    names_cold_items: bool = False
    reports_progress: bool = False
    accepts_like: bool = False
    has_cache: bool = False
    has_default_filters: bool = False


@runtime_checkable
class Operator(Protocol):
    """Config of a transform or generator of any modality."""

    traits: ClassVar[OperatorTraits]


def get_traits(operator: object) -> OperatorTraits:
    """The traits of an operator config.

    Raises SpecError that says what to write for a class without them.
    """
    traits = operator.traits if hasattr(operator, "traits") else None
    if isinstance(traits, OperatorTraits):
        return traits
    name = type(operator).__name__
    raise SpecError(
        f"operator {name}",
        "an attribute `traits`",
        "none",
        f'write in class {name}: traits: ClassVar[OperatorTraits] = OperatorTraits("{split_words(name)}"), '
        "with OperatorTraits from leaven.protocols",
    )


def split_words(name: str) -> str:
    """Class name in lower-case words.

    >>> split_words("RepeatPad")
    'repeat pad'
    """
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
