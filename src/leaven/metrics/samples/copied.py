"""Are new rows training rows over again? Every figure is that of real rows that no generator saw, or it is copying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.metrics import copying
from leaven.metrics.samples.sample import Known, Sample, Trait


@dataclass(frozen=True)
class Authenticity:
    """The share of rows that do not sit closer to a training row than any other training row does."""

    trait: ClassVar[Trait] = Trait("not copied", "high", alone=True, bearable=0.1)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1."""
        return float(new.facts["authentic"].mean())


@dataclass(frozen=True)
class DataCopying:
    """Whether rows lie nearer to training rows than unseen real ones do: far below 0 is copying, far above too far."""

    trait: ClassVar[Trait] = Trait("not copied", "real", bearable=4.0)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About -1 to 1 for real rows, at any n (C_T)."""
        cells = [sample.facts["cell"].astype(int) for sample in (new, real)]
        return copying.data_copying(new.facts["nearest"], real.facts["nearest"], *cells)


@dataclass(frozen=True)
class ExactCopies:
    """The share of rows that repeat a whole training row."""

    trait: ClassVar[Trait] = Trait("not copied", "low", alone=True, rare=True, bearable=0.01)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1; histories from three events on."""
        return float(new.facts["copied"].mean())


@dataclass(frozen=True)
class NearCopies:
    """The share of rows of which one run, at least four fifths of the row, stands in a training row."""

    trait: ClassVar[Trait] = Trait("not copied", "low", of=("histories", "text"), alone=True, rare=True, bearable=0.02)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1; rows from four events on."""
        return float(new.facts["nearly"].mean())


@dataclass(frozen=True)
class LongestRun:
    """How many items in a row the rows have in common with one training row, on average."""

    trait: ClassVar[Trait] = Trait("not copied", "low", of=("histories", "text"), alone=True, ratio=True, bearable=0.25)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more events."""
        return float(new.facts["longest_run"].mean())


@dataclass(frozen=True)
class ClosestRecord:
    """How far the nearest training row is, over the same for real rows: a sanity check only, no sign of privacy."""

    trait: ClassVar[Trait] = Trait("private", "real", sanity=True, bearable=0.1)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """Share of new rows farther from the training rows than an unseen real row: 0.5 where they are alike."""
        from leaven.metrics.fidelity import auc

        return auc(new.facts["nearest"], real.facts["nearest"])
