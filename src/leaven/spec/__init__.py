"""What does a spec file wish for? TOML in, checked and frozen objects out."""

from __future__ import annotations

from leaven.spec.schema import schema
from leaven.spec.spec import Arm, Evaluate, Spec, load, parse, repeat_of, resolved

__all__ = ["Arm", "Evaluate", "Spec", "load", "parse", "repeat_of", "resolved", "schema"]
