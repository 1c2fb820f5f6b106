"""What does a spec file wish for? TOML in, checked and frozen objects out."""

from __future__ import annotations

from leaven.spec.evaluate import Evaluate
from leaven.spec.reading import load, parse
from leaven.spec.schema import schema
from leaven.spec.spec import Arm, Spec, repeat_of
from leaven.spec.writing import resolved

__all__ = ["Arm", "Evaluate", "Spec", "load", "parse", "repeat_of", "resolved", "schema"]
