"""Modalities of data: sequence, text, image and tabular, one descriptor each.

A new modality is one file and one line of `registry.MODALITIES`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from leaven import registry
from leaven.errors import DataError, SpecError, suggest_name
from leaven.modalities.modality import Modality

__all__ = ["Modality", "find_item_modality", "find_modality", "get_modality", "list_modalities"]


def list_modalities() -> tuple[Modality[Any], ...]:
    """All registered modalities, in the order of the registry.

    >>> [modality.name for modality in list_modalities()]
    ['sequence', 'text', 'image', 'tabular']
    """
    return tuple(_load_modality(path) for path in registry.MODALITIES.values())


@cache
def _load_modality(path: str) -> Modality[Any]:
    module, _, name = path.partition(":")
    modality: Modality[Any] = getattr(import_module(module), name)
    return modality


def get_modality(name: str, location: str = "modality") -> Modality[Any]:
    """The modality of a name; `location` is the location shown in the error.

    Raises SpecError with the most similar name.
    """
    if name not in registry.MODALITIES:
        known = " or ".join(registry.MODALITIES)
        raise SpecError(location, known, repr(name), suggest_name(name, registry.MODALITIES))
    return _load_modality(registry.MODALITIES[name])


def find_modality(rows: object) -> Modality[Any]:
    """The modality of a container of rows. Raises DataError for another object."""
    for modality in list_modalities():
        if isinstance(rows, modality.containers):
            return modality
    names = ", ".join(container.__name__ for modality in list_modalities() for container in modality.containers)
    raise DataError("rows", f"one of {names}", type(rows).__name__, "register its modality in leaven.registry")


def find_item_modality(operator: Any) -> Modality[Any] | None:
    """The modality whose item views an operator changes; None for an operator on rows."""
    cls: Any = type(operator)
    family = registry.find_family(cls)
    return next((one for one in list_modalities() if one.views and family in one.families.operators), None)
