"""Spec files: TOML parsed into checked, frozen objects."""

from __future__ import annotations

from leaven.config.evaluation import Evaluate
from leaven.config.experiment_spec import Arm, Spec, repeat_of
from leaven.config.parser import load, parse
from leaven.config.resolve import resolved
from leaven.config.schema import schema

__all__ = ["Arm", "Evaluate", "Spec", "load", "parse", "repeat_of", "resolved", "schema"]
