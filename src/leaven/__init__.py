"""Which words does a Python user say? They load when they are first said, so that `import leaven` is light.

Beside those in `__all__`, every class of the registry can be said by its name: `leaven.Crop(...)`; and the module
`leaven.torch`, without an import of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaven.data.catalog import Catalog
    from leaven.data.clean import Clean, clean
    from leaven.data.events import Events
    from leaven.data.histories import HeldOut, Histories
    from leaven.data.log import ItemSource, Source
    from leaven.data.profile import profile
    from leaven.data.shop import Dirt, Shop
    from leaven.errors import DataError, FitError, GateError, LeavenError, MissingExtra, SpecError
    from leaven.judging import Judgement, judge
    from leaven.keeping import Erased, Lineage, erase, lineage
    from leaven.notebook import list_kinds as list
    from leaven.notebook import preview, preview_pictures, preview_text, read, run, split
    from leaven.plan import Plan, Step, expand
    from leaven.study import dose, sweep
    from leaven.transforms.custom import row_transform

_PLACES = {
    "leaven.data.catalog": ("Catalog",),
    "leaven.data.clean": ("Clean", "clean"),
    "leaven.data.events": ("Events",),
    "leaven.data.histories": ("HeldOut", "Histories"),
    "leaven.data.log": ("ItemSource", "Source"),
    "leaven.data.profile": ("profile",),
    "leaven.data.shop": ("Dirt", "Shop"),
    "leaven.errors": ("DataError", "FitError", "GateError", "LeavenError", "MissingExtra", "SpecError"),
    "leaven.judging": ("Judgement", "judge"),
    "leaven.keeping": ("Erased", "Lineage", "erase", "lineage"),
    "leaven.notebook": ("list", "preview", "preview_pictures", "preview_text", "read", "run", "split"),
    "leaven.plan": ("Plan", "Step", "expand"),
    "leaven.study": ("dose", "sweep"),
    "leaven.transforms.custom": ("row_transform",),
}
_MODULES = ("torch",)
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
