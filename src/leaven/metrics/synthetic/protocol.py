"""What does a metric of made rows see, and what does it promise?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories

Points = npt.NDArray[np.float64]
Group = Literal["alike", "varied", "consistent", "not copied", "private"]


@dataclass(frozen=True, eq=False)
class Sample:
    """One set of rows, seen in every way that a metric needs.

    points    float64 (rows, width)     where the encoder puts them
    features  float64 (rows, features)  what a person could tell them apart by
    noise     float64 (rows, width)     residuals of the denoiser, or (rows, 1) mean surprisal an event
    facts     name -> float64 (rows,)   against all training rows: nearest, cell, authentic, copied …; of the catalogue
    rows      the histories themselves, of texts their words; None for tables and pictures
    """

    points: Points
    features: Points
    noise: Points
    facts: Mapping[str, Points]
    rows: Histories | None = None

    def __len__(self) -> int:
        return len(self.points)

    def take(self, index: npt.NDArray[np.int64]) -> Sample:
        """These rows, int64, in that order."""
        facts = {name: values[index] for name, values in self.facts.items()}
        kept = None if self.rows is None else self.rows.take(index)
        return replace(
            self,
            points=self.points[index],
            features=self.features[index],
            noise=self.noise[index],
            facts=facts,
            rows=kept,
        )

    @property
    def histories(self) -> Histories:
        """The rows of a sample of histories."""
        assert self.rows is not None, "a metric of histories was given a table"
        return self.rows


@dataclass(frozen=True, eq=False)
class Known:
    """What was learned before judging, from training rows and one fold of real rows that nothing else sees.

    members    training rows (a sample of them), for attacks
    reference  the fold: real rows that neither a generator nor a half of the comparison holds
    judged     all new rows that are looked at
    names      of the features
    groups     int64 (n_items + 2,): group of each item; popularity int64 (n_items + 1,): training events of each
    called     of pictures: what a Fréchet distance of these points is
    """

    members: Sample
    reference: Sample
    judged: Sample
    names: Sequence[str]
    groups: npt.NDArray[np.int64]
    popularity: npt.NDArray[np.int64]
    called: str = ""


@dataclass(frozen=True)
class Trait:
    """What a metric says of itself.

    better    low, high, or real: as real rows have it
    of        kinds of data that it understands
    fewest    rows of each side below which it says nothing
    alone     a figure of one set of rows: two halves of real rows differ by so much, and so may the new ones
    rare      a share of rows that is near 0 for real ones: none among n does not exclude 3 / n
    whole     all new rows count, not a half: an attacker has them all
    clock     needs times that are times
    ratio     whether `bearable` is a share of the reference, or counts as it is
    bearable  how far from the reference a figure may lie and still be yellow
    sanity    shown as a sanity check, with no light
    needs     a fact of the rows without which it says nothing, and what to give so that it is there
    """

    group: Group
    better: Literal["low", "high", "real"]
    of: tuple[str, ...] = ("histories", "table", "text", "image")
    fewest: int = 20
    alone: bool = False
    rare: bool = False
    whole: bool = False
    clock: bool = False
    ratio: bool = False
    bearable: float = 0.1
    sanity: bool = False
    needs: tuple[str, str] | None = None


class SampleMetric(Protocol):
    """One number for new rows against as many real ones. The docstring that is registered explains it to anyone.

    Real rows in place of new ones are rejected at most 5 % of the time.
    """

    @property
    def trait(self) -> Trait: ...

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """NaN where these rows do not allow a figure."""
        ...


@runtime_checkable
class Explained(Protocol):
    """A metric with more to say, once for all rows."""

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]: ...


def mean_where_there(values: Points) -> float:
    """Mean of the rows that have a figure; NaN where none has."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")
