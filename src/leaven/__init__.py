"""Data augmentation and sample expansion for recommender systems.

Names load on first use, so that `import leaven` is light. Registered classes are grouped by family, such as
`leaven.transforms.Crop`, `leaven.generators.Markov` and `leaven.metrics.F1`; each is also reachable as `leaven.Crop`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaven.api import list_kinds, preview, preview_images, preview_text, read, run, split
    from leaven.augmentation import Plan, Step, expand
    from leaven.cleaning import CleaningConfig, clean_events
    from leaven.datasets.catalog import Catalog
    from leaven.datasets.events import Events
    from leaven.datasets.histories import HeldOut, Histories
    from leaven.errors import DataError, FitError, GateError, LeavenError, MissingExtra, SpecError
    from leaven.exports import ExportError, export, load_export
    from leaven.generators.sequence.markov import Markov
    from leaven.ingest import CatalogSource, LogSource, UserSource
    from leaven.plan_search.run_search import search_files as auto
    from leaven.plan_search.search_result import SearchResult
    from leaven.profiling.profile import profile_log
    from leaven.provenance import ErasureResult as ErasureResult
    from leaven.provenance import Lineage
    from leaven.provenance import erase_users as erase_users
    from leaven.provenance import trace_lineage as trace_lineage
    from leaven.quality import QualityFacts as QualityFacts
    from leaven.quality import evaluate_quality as evaluate_quality
    from leaven.simulator import Corruption as Corruption
    from leaven.simulator import Simulator as Simulator
    from leaven.sweeps import run_sweep
    from leaven.transforms.sequence.crop import Crop
    from leaven.transforms.sequence.custom import make_row_transform
    from leaven.transforms.sequence.masking import Mask
    from leaven.transforms.sequence.reorder import Reorder

_PUBLIC = {
    "Catalog": "leaven.datasets.catalog:Catalog",
    "CatalogSource": "leaven.ingest:CatalogSource",
    "CleaningConfig": "leaven.cleaning:CleaningConfig",
    "Corruption": "leaven.simulator:Corruption",
    "Crop": "leaven.transforms.sequence.crop:Crop",
    "DataError": "leaven.errors:DataError",
    "ErasureResult": "leaven.provenance:ErasureResult",
    "Events": "leaven.datasets.events:Events",
    "ExportError": "leaven.exports:ExportError",
    "FitError": "leaven.errors:FitError",
    "GateError": "leaven.errors:GateError",
    "HeldOut": "leaven.datasets.histories:HeldOut",
    "Histories": "leaven.datasets.histories:Histories",
    "LeavenError": "leaven.errors:LeavenError",
    "Lineage": "leaven.provenance:Lineage",
    "LogSource": "leaven.ingest:LogSource",
    "Markov": "leaven.generators.sequence.markov:Markov",
    "Mask": "leaven.transforms.sequence.masking:Mask",
    "MissingExtra": "leaven.errors:MissingExtra",
    "Plan": "leaven.augmentation:Plan",
    "QualityFacts": "leaven.quality:QualityFacts",
    "Reorder": "leaven.transforms.sequence.reorder:Reorder",
    "SearchResult": "leaven.plan_search.search_result:SearchResult",
    "Simulator": "leaven.simulator:Simulator",
    "SpecError": "leaven.errors:SpecError",
    "Step": "leaven.augmentation:Step",
    "UserSource": "leaven.ingest:UserSource",
    "auto": "leaven.plan_search.run_search:search_files",
    "clean_events": "leaven.cleaning:clean_events",
    "erase_users": "leaven.provenance:erase_users",
    "evaluate_quality": "leaven.quality:evaluate_quality",
    "expand": "leaven.augmentation:expand",
    "export": "leaven.exports:export",
    "list_kinds": "leaven.api:list_kinds",
    "load_export": "leaven.exports:load_export",
    "make_row_transform": "leaven.transforms.sequence.custom:make_row_transform",
    "preview": "leaven.api:preview",
    "preview_images": "leaven.api:preview_images",
    "preview_text": "leaven.api:preview_text",
    "profile_log": "leaven.profiling.profile:profile_log",
    "read": "leaven.api:read",
    "run": "leaven.api:run",
    "run_sweep": "leaven.sweeps:run_sweep",
    "split": "leaven.api:split",
    "trace_lineage": "leaven.provenance:trace_lineage",
}
"""Public name -> "module:attribute"."""

_NAMESPACES = (
    "controllers",
    "ctr_models",
    "encoders",
    "engines",
    "exports",
    "filters",
    "generators",
    "metrics",
    "pytorch",
    "recommenders",
    "schedules",
    "splits",
    "strategies",
    "transforms",
)

__all__ = [
    "Catalog",
    "CatalogSource",
    "CleaningConfig",
    "Corruption",
    "Crop",
    "DataError",
    "ErasureResult",
    "Events",
    "ExportError",
    "FitError",
    "GateError",
    "HeldOut",
    "Histories",
    "LeavenError",
    "Lineage",
    "LogSource",
    "Markov",
    "Mask",
    "MissingExtra",
    "Plan",
    "QualityFacts",
    "Reorder",
    "SearchResult",
    "Simulator",
    "SpecError",
    "Step",
    "UserSource",
    "auto",
    "clean_events",
    "erase_users",
    "evaluate_quality",
    "expand",
    "export",
    "list_kinds",
    "load_export",
    "make_row_transform",
    "preview",
    "preview_images",
    "preview_text",
    "profile_log",
    "read",
    "run",
    "run_sweep",
    "split",
    "trace_lineage",
]


def __getattr__(name: str) -> Any:
    """Return a public name, a namespace, or a registered class, loaded now."""
    if name.startswith("__"):
        raise AttributeError(f"module 'leaven' has no attribute {name!r}")
    from importlib import import_module

    if name in _NAMESPACES:
        return import_module(f"leaven.{name}")
    if name in _PUBLIC:
        module, _, attribute = _PUBLIC[name].partition(":")
        return getattr(import_module(module), attribute)
    from leaven.registry import list_classes, load_class, missing_attribute

    classes = list_classes("leaven")
    if name not in classes:
        raise missing_attribute("leaven", name, [*_PUBLIC, *_NAMESPACES, *classes])
    return load_class("leaven", name)


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, *_NAMESPACES])
