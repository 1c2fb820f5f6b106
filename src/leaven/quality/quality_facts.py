"""Facts of a quality evaluation: figures with references, verdicts, gates, distributions and copies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from leaven.display import Display, show_html, show_text
from leaven.errors import GateError
from leaven.facts import JsonObject, to_json
from leaven.metrics.synthetic.protocol import MetricDetails
from leaven.modalities.histograms import Distribution
from leaven.run_folder import write_text

Verdict = Literal["as_real", "close", "worse", "check"]
"""as_real: like real rows; close: different, within the tolerance; worse: beyond it; check: shown without a verdict."""
METRIC_GROUPS = ("fidelity", "diversity", "consistency", "memorization", "privacy")
DEFAULT_DECIDING: Mapping[str, str] = {
    "fidelity": "classifier_auc",
    "diversity": "coverage",
    "consistency": "next_rank",
    "memorization": "near_copies",
    "privacy": "attack_auc",
}
"""Group -> the deciding metric where all its figures are as real."""
QUALITY_FILE = "quality.json"
_SEVERITY: dict[Verdict, int] = {"check": 0, "as_real": 1, "close": 2, "worse": 3}


@dataclass(frozen=True)
class Figure:
    """One metric of new rows, with the same metric of unseen real rows at equal n.

    summary           one sentence about the metric
    value, interval   mean over the splits, and its 95 % interval
    n                 rows of each side
    reference         the same of real rows: mean; reference_range: the 5 % and 95 % quantiles over the splits
    percentile        share of the real halves below the value
    p                 probability of as extreme a figure among real halves; at most 0.05 is rejected
    details           explanation by the metric
    """

    kind: str
    group: str
    summary: str
    better: str
    value: float
    interval: tuple[float, float]
    n: int
    reference: float
    reference_range: tuple[float, float]
    percentile: float
    p: float
    verdict: Verdict
    details: MetricDetails = field(default_factory=MetricDetails)

    @property
    def ratio(self) -> float:
        """Value over reference; NaN for a reference of 0."""
        return self.value / self.reference if self.reference else float("nan")

    @property
    def distance(self) -> float:
        """Distance of the value from the reference, in widths of the reference's range."""
        low, high = self.reference_range
        return abs(self.value - self.reference) / max(high - low, 1e-9)


@dataclass(frozen=True)
class GateResult:
    """Whether a gate was passed, and by which value; a missing figure passes no gate."""

    gate: str
    value: float | None
    passed: bool
    reason: str = ""


@dataclass(frozen=True)
class RowCounts:
    """Number of rows of each side."""

    real: int = 0
    held_out: int = 0
    new: int = 0


@dataclass(frozen=True)
class EvaluationSetup:
    """How the figures were computed.

    seed, n_splits    seed of all draws, and the number of random splits of the real rows into halves
    rows, compared    rows of each side, and those that are compared: a sample, for held-out rows without the fold
    n_fold            held-out rows that fit the scorers
    frechet_name      of images: the name of the Fréchet distance in this embedding; encoder: how it was fitted
    constant_columns  columns of a table with a single value
    is_steered        whether a controller of the plan used the loss of the held-out users
    notes             what reading the rows recorded: counts, and lists of names
    """

    seed: int
    n_splits: int
    rows: RowCounts = field(default_factory=RowCounts)
    compared: RowCounts = field(default_factory=RowCounts)
    n_fold: int = 0
    frechet_name: str = ""
    encoder: str = ""
    constant_columns: tuple[str, ...] = ()
    is_steered: bool = False
    notes: Mapping[str, int | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class CopiedRow:
    """A new row and the real row that it copies, by name or by index from 0."""

    row: str
    source: str


@dataclass(frozen=True)
class NeighborPair:
    """A new row and its nearest training row, each as a list of items, cells or words.

    rank    "nearest", "middle" or "farthest" among all new rows by distance
    shared  indices into `new` of the parts that the real row has too
    images  of images: both as data URIs of PNG, the new one first
    """

    rank: str
    distance: float
    new: tuple[str, ...]
    real: tuple[str, ...]
    shared: tuple[int, ...]
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class QualityFacts:
    """The result of a quality evaluation.

    modality         name of the modality of the rows
    skipped_metrics  metric -> why it has no figure
    copies           new rows that copy a real row, at most as many as `limit_copies` left; n_copies: their number
    neighbors        some new rows with their nearest real row
    """

    modality: str
    setup: EvaluationSetup
    figures: tuple[Figure, ...] = ()
    skipped_metrics: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[GateResult, ...] = ()
    copies: tuple[CopiedRow, ...] = ()
    n_copies: int = 0
    distributions: tuple[Distribution, ...] = ()
    neighbors: tuple[NeighborPair, ...] = ()

    def __getitem__(self, kind: str) -> Figure:
        """Return the figure of a metric; KeyError if it has none."""
        for figure in self.figures:
            if figure.kind == kind:
                return figure
        raise KeyError(f"{kind}: {self.skipped_metrics.get(kind, 'no such metric')}")

    def to_display(self) -> Display:
        """What a shell and a notebook show."""
        counts = self.setup.rows
        facts = {"rows": f"{counts.real:,} real, {counts.held_out:,} held out, {counts.new:,} new"}
        facts |= {group: verdict.replace("_", " ") for group, verdict in self.verdicts.items() if verdict != "check"}
        if self.n_copies:
            facts["copies of real rows"] = f"{self.n_copies:,}"
        facts |= {one.gate: "passed" if one.passed else f"failed: {one.reason or one.value}" for one in self.gates}
        rows = [
            [one.group, one.kind, f"{one.value:.4g}", f"{one.reference:.4g}", one.verdict.replace("_", " ")]
            for one in self.figures
        ]
        header = ("group", "metric", ">new rows", ">real rows", "verdict")
        return Display(f"Quality of {self.modality} rows", facts, header, rows)

    __repr__ = show_text
    _repr_html_ = show_html

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Group -> its worst verdict; "check" without a figure."""
        worst: dict[str, Verdict] = dict.fromkeys(METRIC_GROUPS, "check")
        for figure in self.figures:
            worst[figure.group] = max(worst[figure.group], figure.verdict, key=_SEVERITY.__getitem__)
        return worst

    @property
    def deciding_metrics(self) -> dict[str, str]:
        """Group -> the metric that decides its verdict: the worst one; if all are as real, the default of the group.

        Of several with the worst verdict it is the one with the smallest p, and of these the farthest from the
        reference.
        """
        deciding = {}
        for group, verdict in self.verdicts.items():
            worst = [one for one in self.figures if one.group == group and one.verdict == verdict]
            if worst:
                default = (one for one in worst if verdict == "as_real" and one.kind == DEFAULT_DECIDING[group])
                deciding[group] = next(default, min(worst, key=lambda one: (one.p, -one.distance))).kind
        return deciding

    def limit_copies(self, n: int) -> QualityFacts:
        """Return the facts with the first `n` copies only; `n_copies` stays."""
        return replace(self, copies=self.copies[:n])

    def raise_for_gates(self) -> None:
        """Raise GateError if a gate was not passed."""
        failed = [one for one in self.gates if not one.passed]
        if failed:
            got = "; ".join(one.reason or f"{one.gate}: {one.value:.4g}" for one in failed)
            wanted = ", ".join(one.gate for one in failed)
            raise GateError("gates", wanted, got, "improve the generator, or loosen the gate")

    def to_json(self) -> JsonObject:
        """Return a JSON object, with the verdicts and the deciding metrics of the groups; non-finite figures are
        null.
        """
        derived = {"verdicts": self.verdicts, "deciding_metrics": self.deciding_metrics}
        whole: JsonObject = to_json(self) | to_json(derived)
        return whole

    @classmethod
    def from_json(cls, data: JsonObject) -> QualityFacts:
        """Return the facts of a JSON object that `to_json` returned; other keys are ignored.

        Raises pydantic's ValidationError for another object.
        """
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(dict(data))

    def write(self, folder: Path) -> Path:
        """Write quality.json into this folder, atomically."""
        target = folder / QUALITY_FILE
        write_text(target, json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n")
        return target
