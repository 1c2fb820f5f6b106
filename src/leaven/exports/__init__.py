"""Exports of data and runs to other libraries, such as RecBole, Spark's ALS and Hugging Face datasets.

export       writes a folder in the form of a target, with a manifest of what it holds and what is lost
load_export  reads such a folder again

Targets, such as `leaven.exports.RecBoleExport`, load on first use.
"""

from typing import Any

from leaven import registry
from leaven.exports.export_folder import export, export_source, load_export
from leaven.exports.manifest import ExportFile, Loss, Manifest
from leaven.exports.preflight import ExportError, Violation
from leaven.exports.source import ExportSource, build_source

__all__ = [
    "ExportError",
    "ExportFile",
    "ExportSource",
    "Loss",
    "Manifest",
    "Violation",
    "build_source",
    "export",
    "export_source",
    "load_export",
]


def __getattr__(name: str) -> Any:
    return registry.load_class(__name__, name)


def __dir__() -> list[str]:
    return sorted([*__all__, *registry.list_classes(__name__)])
