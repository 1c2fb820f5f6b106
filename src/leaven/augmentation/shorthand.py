"""Short forms of the fields of a step: the name of a kind, a number; and the check of rows that plans change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from leaven import registry
from leaven.errors import DataError, SpecError, suggest_name
from leaven.modalities import list_modalities
from leaven.modalities.modality import Modality
from leaven.schedules.progress_schedules import Constant
from leaven.strategies.copy_counts import Uniform


def convert_operator(use: object) -> Any:
    """The config of an operator: as given, or with its defaults for the name of its kind.

    A kind that several modalities have is that of histories; "text.swap" and "images.swap" are those of items.

    >>> convert_operator("crop")
    Crop(keep_range=(0.6, 0.9), unit='share', keep_last=False, p=1.0)

    Raises SpecError for an unknown kind, and for a class in place of a config.
    """
    if isinstance(use, type):
        raise SpecError("step, use", "a config", f"the class {use.__name__}", f"write {use.__name__}()")
    if not isinstance(use, str):
        if not hasattr(use, "fit") and not hasattr(use, "traits"):
            raise SpecError(
                "step, use", "an operator or the name of its kind", repr(use), 'write "crop", or leaven.Crop()'
            )
        return use
    prefix, _, kind = use.rpartition(".")
    families = [family for modality in _list_prefixed(prefix) for family in modality.families.operators]
    for family in families:
        if kind in registry.list_kinds(family):
            return registry.create_config(family, kind)
    known = [name for family in families for name in registry.list_kinds(family)]
    raise SpecError("step, use", "the kind of an operator", repr(use), suggest_name(kind, known))


def _list_prefixed(prefix: str) -> list[Modality[Any]]:
    """Modalities whose item views have this name, such as "images"; all of them for an empty prefix."""
    return [one for one in list_modalities() if not prefix or (one.views is not None and one.views.name == prefix)]


def convert_copies(copies: object, operator: object) -> Any:
    """The strategy of new rows per row: as given; `Uniform` for a number; with its defaults for the name of a kind.

    >>> convert_copies(2, None)
    Uniform(factor=2.0)

    Raises SpecError for anything that is no strategy.
    """
    fix = "write a number, or a strategy such as leaven.strategies.Balanced()"
    if isinstance(copies, str):
        modality = _find_modality(operator)
        family = modality.families.strategies if modality is not None else None
        return registry.create_config(family.name if family is not None else "strategies", copies)
    if _is_number(copies):
        return Uniform(float(copies))
    if isinstance(copies, type) or not callable(copies):
        raise SpecError("step, copies", "a number or a strategy", repr(copies), fix)
    return copies


def convert_strength(strength: object) -> Any:
    """The schedule of a strength: as given, or constant for a number."""
    return Constant(float(strength)) if _is_number(strength) else strength


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def convert_filters(filters: object, operator: object) -> Any:
    """The filters of a step as a tuple: configs, or names of kinds. None stays None."""
    if filters is None:
        return None
    modality = _find_modality(operator)
    family = modality.families.filters if modality is not None else None
    given: Sequence[object] = filters if isinstance(filters, list | tuple) else [filters]
    name = family.name if family is not None else "filters"
    return tuple(registry.create_config(name, one) if isinstance(one, str) else one for one in given)


def _find_modality(operator: object) -> Modality[Any] | None:
    """The modality of an operator; None for one that is not registered."""
    cls: Any = type(operator)
    family = registry.find_family(cls)
    return next((one for one in list_modalities() if family in one.families.operators), None)


def check_training_rows(train: object) -> None:
    """Raises DataError for anything but rows that plans change, such as a log or a split."""
    modality = next((one for one in list_modalities() if isinstance(train, one.containers)), None)
    if modality is None or modality.plan_rows is None:
        fix = "give training rows: leaven.split(log).train"
        raise DataError("rows of a plan", "histories or samples", f"{type(train).__name__}", fix)
