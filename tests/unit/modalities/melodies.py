"""A fifth modality in one file: melodies of equal length, whose transform moves them to another pitch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from leaven import rng
from leaven.metrics.synthetic import FeaturizedRows, membership_inference
from leaven.modalities.featurization import FeatureInfo, compare_points
from leaven.modalities.histograms import bin_values
from leaven.modalities.modality import (
    ComparedSides,
    EvaluationContext,
    Family,
    Modality,
    OperatorFamilies,
    PlanRows,
    QualityInputs,
    RowComparison,
    RowQuality,
)
from leaven.protocols import OperatorTraits


@dataclass(frozen=True, eq=False)
class Melodies:
    """pitches int64 (rows, notes), and the lineage of every row."""

    pitches: np.ndarray
    row_ids: np.ndarray
    parents: np.ndarray
    origin: np.ndarray
    weight: np.ndarray
    names: None = None

    @classmethod
    def from_pitches(cls, pitches: np.ndarray) -> Melodies:
        n = len(pitches)
        ids = rng.derive_user_ids([f"melody {row}" for row in range(n)])
        return cls(pitches, ids, ids, np.zeros(n, np.int16), np.ones(n, np.float32))

    def __len__(self) -> int:
        return len(self.pitches)

    def validate(self) -> Melodies:
        return self

    def take(self, rows: Any) -> Melodies:
        columns = (self.pitches, self.row_ids, self.parents, self.origin, self.weight)
        return Melodies(*(column[rows] for column in columns))

    def slice(self, first: int, last: int) -> Melodies:
        return self.take(np.arange(first, last))

    def concat_with(self, others: Sequence[Melodies]) -> Melodies:
        names = ("pitches", "row_ids", "parents", "origin", "weight")
        return Melodies(*(np.concatenate([getattr(one, name) for one in (self, *others)]) for name in names))

    def equal_rows(self, other: Melodies) -> np.ndarray:
        return (self.pitches == other.pitches).all(axis=1)


@dataclass(frozen=True)
class Transpose:
    """Moves a melody by 1 to `max_steps` steps."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("transpose")
    max_steps: int = 5

    def fit(self, train: Melodies) -> FittedTranspose:
        return FittedTranspose(self.max_steps)


@dataclass(frozen=True)
class FittedTranspose:
    """Moves all notes of a row by the same number of steps."""

    max_steps: int

    def __call__(self, rows: Melodies, keys: np.ndarray, strength: np.ndarray) -> Melodies:
        steps = 1 + np.floor(rng.draw_uniform(keys, 0) * self.max_steps * strength).astype(np.int64)
        return replace(rows, pitches=rows.pitches + steps[:, None])

    def reasons(self, rows: Melodies) -> dict[str, np.ndarray]:
        return {}


@dataclass(frozen=True)
class MelodyFeaturizer:
    """Intervals and the mean pitch."""

    training: np.ndarray
    fold: np.ndarray
    info: FeatureInfo

    @classmethod
    def fit(cls, real: Melodies, fold: Melodies, key: int, context: EvaluationContext) -> MelodyFeaturizer:
        names = [f"interval {number}" for number in range(real.pitches.shape[1] - 1)]
        return cls(embed(real), embed(fold), FeatureInfo([*names, "mean pitch"]))

    def featurize(self, rows: Melodies) -> FeaturizedRows:
        points = embed(rows)
        facts = compare_points(points, self.training)
        facts |= {
            "copied": (facts["nearest"] == 0).astype(np.float64),
            "reference": membership_inference.estimate_log_density(self.fold, points),
        }
        return FeaturizedRows(points, points, points - self.fold.mean(axis=0), facts)


def embed(rows: Melodies) -> np.ndarray:
    return np.column_stack([np.diff(rows.pitches, axis=1), rows.pitches.mean(axis=1)]).astype(np.float64)


def describe(sides: ComparedSides[Melodies]) -> list[Any]:
    return [bin_values("Pitch", "steps", [one.pitches.ravel().astype(np.float64) for one in sides.rows])]


def format_row(rows: Melodies, row: int) -> list[str]:
    return [f"note {pitch}" for pitch in rows.pitches[row]]


def compare(before: Melodies, after: Melodies) -> RowComparison:
    old, new = ([] if not len(one) else format_row(one, 0) for one in (before, after))
    return RowComparison(old, new, [index for index, note in enumerate(new) if not old or old[index] != note])


def hash_rows(rows: Melodies) -> np.ndarray:
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows.pitches)
    return np.frombuffer(digests, np.uint64)


def find_copies(new: Melodies, real: Melodies) -> np.ndarray:
    source = {row.tobytes(): index for index, row in enumerate(real.pitches)}
    return np.array([source.get(row.tobytes(), -1) for row in new.pitches])


def write_rows(rows: Melodies, inputs: QualityInputs[Melodies], folder: Path) -> Path:
    np.save(folder / "melodies.npy", rows.pitches)
    return folder / "melodies.npy"


MELODY: Modality[Melodies] = Modality(
    name="melody",
    containers=(Melodies,),
    families=OperatorFamilies(Family("melody_transforms", Transpose), Family("melody_generators", None)),
    task="ranking",
    quality=RowQuality(
        owns=lambda source: isinstance(source, Melodies),
        resembles=lambda source: False,
        read=lambda given, context: QualityInputs("melody", *given),
        hash_rows=hash_rows,
        fit_featurizer=MelodyFeaturizer.fit,
        describe=describe,
        format_row=format_row,
        find_copies=find_copies,
        write_rows=write_rows,
    ),
    plan_rows=PlanRows(lambda rows, n, seed: rows.slice(0, n), compare, lambda train, unseen, key: embed),
)
