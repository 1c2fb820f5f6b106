"""Which words does a Python user say? They load when they are first said, so that `import leaven` is light.

Beside those in `__all__`, every class of the registry can be said by its name: `leaven.Crop(...)`; and the module
`leaven.pytorch`, without an import of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaven.api import list_kinds as list
    from leaven.api import preview, preview_pictures, preview_text, read, run, split
    from leaven.augmentation import Plan, Step, expand
    from leaven.cleaning import Clean, clean
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.events import Events
    from leaven.datasets.histories import HeldOut, Histories
    from leaven.errors import DataError, FitError, GateError, LeavenError, MissingExtra, SpecError
    from leaven.ingest import ItemSource, Source
    from leaven.profiling.profile import profile
    from leaven.provenance import Erased, Lineage, erase, lineage
    from leaven.quality import Judgement, judge
    from leaven.simulator import Dirt, Shop
    from leaven.sweeps import dose, sweep
    from leaven.transforms.sequence.custom import row_transform

_PLACES = {
    "leaven.datasets.catalog": ("Catalog",),
    "leaven.cleaning": ("Clean", "clean"),
    "leaven.datasets.events": ("Events",),
    "leaven.datasets.histories": ("HeldOut", "Histories"),
    "leaven.ingest": ("ItemSource", "Source"),
    "leaven.profiling.profile": ("profile",),
    "leaven.simulator": ("Dirt", "Shop"),
    "leaven.errors": ("DataError", "FitError", "GateError", "LeavenError", "MissingExtra", "SpecError"),
    "leaven.quality": ("Judgement", "judge"),
    "leaven.provenance": ("Erased", "Lineage", "erase", "lineage"),
    "leaven.api": ("list", "preview", "preview_pictures", "preview_text", "read", "run", "split"),
    "leaven.augmentation": ("Plan", "Step", "expand"),
    "leaven.sweeps": ("dose", "sweep"),
    "leaven.transforms.sequence.custom": ("row_transform",),
}
_MODULES = ("pytorch",)
_OTHER_NAMES = {"list": "list_kinds"}  # a word that a module of ours cannot call so

__all__ = [
    "Catalog",
    "Clean",
    "DataError",
    "Dirt",
    "Erased",
    "Events",
    "FitError",
    "GateError",
    "HeldOut",
    "Histories",
    "ItemSource",
    "Judgement",
    "LeavenError",
    "Lineage",
    "MissingExtra",
    "Plan",
    "Shop",
    "Source",
    "SpecError",
    "Step",
    "clean",
    "dose",
    "erase",
    "expand",
    "judge",
    "lineage",
    "list",
    "preview",
    "preview_pictures",
    "preview_text",
    "profile",
    "read",
    "row_transform",
    "run",
    "split",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """A word of ours, a class of the registry, or a module that nobody needs to import."""
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"leaven.{name}")
    place = "" if name.startswith("__") else _words().get(name, "")
    if not place:
        raise AttributeError(f"module 'leaven' has no attribute {name!r}")
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> Any:
    return sorted({*globals(), *_words(), *_MODULES})


def _words() -> dict[str, str]:
    """word -> "module:attribute"; our own words win over classes of the registry."""
    from leaven.registry import FAMILIES

    classes = {place.partition(":")[2]: place for family in FAMILIES.values() for place in family.values()}
    ours = {word: f"{module}:{_OTHER_NAMES.get(word, word)}" for module, words in _PLACES.items() for word in words}
    return classes | ours
