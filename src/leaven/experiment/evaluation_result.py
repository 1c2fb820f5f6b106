"""Result of evaluating a trained model, with its file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.facts import CalibrationBin
from leaven.storage import replace_file

Values = npt.NDArray[np.float64]
_GROUP = "group:"


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Metrics of one trained model.

    values       metric -> float64 (users,), one value per test user, more is better
    pooled       metric -> one number for all users
    groups       (grouping, group) -> values of the first metric, of the users with rows in that group
    test_views   views of each test history
    threshold    CTR: threshold of positive predictions; None for other tasks
    calibration  CTR: calibration on the test rows
    """

    values: Mapping[str, Values]
    pooled: Mapping[str, float]
    groups: Mapping[tuple[str, str], Values] = field(default_factory=dict)
    test_views: int = 1
    threshold: float | None = None
    calibration: tuple[CalibrationBin, ...] = ()

    def save(self, path: Path) -> None:
        """Write values and groups; the file is complete or absent."""
        named = {f"{_GROUP}{by}:{group}": values for (by, group), values in self.groups.items()}
        with replace_file(path) as part, part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **{**dict(self.values), **named})  # type: ignore[arg-type]


def load_values(path: Path) -> tuple[dict[str, Values], dict[tuple[str, str], Values]]:
    """(values, groups) of a file that `save` wrote."""
    with np.load(path) as file:
        values = {name: file[name] for name in file.files}
    groups = {name: values.pop(name) for name in list(values) if name.startswith(_GROUP)}
    return values, {_split_name(name): of_users for name, of_users in groups.items()}


def _split_name(name: str) -> tuple[str, str]:
    by, _, group = name.removeprefix(_GROUP).partition(":")
    return by, group
