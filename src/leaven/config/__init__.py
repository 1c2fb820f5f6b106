"""Spec files: TOML parsed into checked, frozen objects."""

from __future__ import annotations

from leaven.config.evaluation import EvaluationConfig
from leaven.config.experiment_spec import Spec, Variant, build_repeat
from leaven.config.parser import load_spec, parse_spec
from leaven.config.resolve import resolve_spec
from leaven.config.schema import build_schema

__all__ = [
    "EvaluationConfig",
    "Spec",
    "Variant",
    "build_repeat",
    "build_schema",
    "load_spec",
    "parse_spec",
    "resolve_spec",
]
