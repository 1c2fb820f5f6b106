"""Spec files: TOML parsed into checked, frozen objects."""

from __future__ import annotations

from leaven.config.evaluation import EvaluationConfig
from leaven.config.experiment_spec import Spec, build_repeat
from leaven.config.parser import load_spec, parse_spec
from leaven.config.resolve import resolve_spec
from leaven.config.schema import build_schema
from leaven.config.variants import SearchConfig, Variant

__all__ = [
    "EvaluationConfig",
    "SearchConfig",
    "Spec",
    "Variant",
    "build_repeat",
    "build_schema",
    "load_spec",
    "parse_spec",
    "resolve_spec",
]
