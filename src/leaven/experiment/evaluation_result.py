"""What does judging a trained model leave behind?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
_GROUP = "group:"


@dataclass(frozen=True, eq=False)
class Judged:
    """values: metric -> one value a test user, more is better; pooled: metric -> one number for all of them;
    groups: (what rows are grouped by, group) -> values of the users who have such rows, of the first metric;
    fact: what the report says of it besides."""

    values: Mapping[str, Values]
    pooled: Mapping[str, float]
    groups: Mapping[tuple[str, str], Values] = field(default_factory=dict)
    fact: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """The values and groups, written beside and renamed."""
        named = {f"{_GROUP}{by}:{group}": values for (by, group), values in self.groups.items()}
        part = path.with_name("values.part.npz")
        np.savez_compressed(part, allow_pickle=False, **{**dict(self.values), **named})  # type: ignore[arg-type]
        part.replace(path)


def load(path: Path) -> tuple[dict[str, Values], dict[tuple[str, str], Values]]:
    """(values, groups) that `save` wrote."""
    with np.load(path) as kept:
        held = {name: kept[name] for name in kept.files}
    groups = {name: held.pop(name) for name in list(held) if name.startswith(_GROUP)}
    return held, {_pair(name): values for name, values in groups.items()}


def _pair(name: str) -> tuple[str, str]:
    by, _, group = name.removeprefix(_GROUP).partition(":")
    return by, group
