"""Results of a quality evaluation: figures with references, verdicts, gates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from leaven.errors import GateError, SpecError, suggest_name

if TYPE_CHECKING:
    from leaven.quality.loading import QualityInputs

Light = Literal["green", "yellow", "red", "none"]
METRIC_GROUPS = ("fidelity", "diversity", "consistency", "memorization", "privacy")
DEFAULT_DECIDING: Mapping[str, str] = {
    "fidelity": "classifier_auc",
    "diversity": "coverage",
    "consistency": "next_rank",
    "memorization": "near_copies",
    "privacy": "attack_auc",
}
"""group -> the deciding metric if all its figures are green"""
_SEVERITY: dict[Light, int] = {"none": 0, "green": 1, "yellow": 2, "red": 3}


@dataclass(frozen=True)
class Figure:
    """One metric of new rows, with the same metric of unseen real rows at equal n.

    value, interval   mean over the splits, and its 95 % interval
    n                 rows of each side
    reference         the same of real rows: mean, and the 5 % and 95 % quantiles over the splits
    percentile        share of the real halves below the value
    p                 probability of as extreme a figure among real halves; at most 0.05 is rejected
    light             green: like real rows; yellow: different, within the tolerance; red: different; none: check only
    more              the explanation of the metric
    """

    kind: str
    group: str
    says: str
    better: str
    value: float
    interval: tuple[float, float]
    n: int
    reference: float
    reference_range: tuple[float, float]
    percentile: float
    p: float
    light: Light
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Value over reference; NaN for a reference of 0."""
        return self.value / self.reference if self.reference else float("nan")


@dataclass(frozen=True)
class Gate:
    """A declared bound on the value of a metric, or on its ratio to the reference.

    >>> Gate.parse("max_frechet_ratio=3")
    Gate(kind='frechet', is_minimum=False, bound=3.0, is_ratio=True)
    """

    kind: str
    is_minimum: bool
    bound: float
    is_ratio: bool = False

    @classmethod
    def parse(cls, text: str, kinds: Sequence[str] = ()) -> Gate:
        """Return the gate of "min_coverage=0.8", "max_attack_tpr=0.05", "max_frechet_ratio=3".

        Raises SpecError that names the nearest metric.
        """
        name, _, number = text.partition("=")
        side, _, kind = name.strip().partition("_")
        of_ratio = kind.endswith("_ratio") and kind not in kinds
        kind = kind.removesuffix("_ratio") if of_ratio else kind
        try:
            bound = float(number)
        except ValueError:
            raise SpecError(f"--gate {text}", "a number", repr(number), "write min_coverage=0.8") from None
        if side not in ("min", "max"):
            raise SpecError(f"--gate {text}", "min_ or max_ and a metric", repr(name), "write min_coverage=0.8")
        if kinds and kind not in kinds:
            raise SpecError(f"--gate {text}", "a metric", repr(kind), suggest_name(kind, kinds))
        return cls(kind, side == "min", bound, of_ratio)

    def __str__(self) -> str:
        return f"{'min' if self.is_minimum else 'max'}_{self.kind}{'_ratio' * self.is_ratio}={self.bound:g}"


@dataclass(frozen=True)
class GateResult:
    """Whether a gate was passed, and by which value; a missing figure passes no gate."""

    gate: str
    value: float | None
    passed: bool
    why: str = ""


@dataclass(frozen=True)
class Judgement:
    """The result of a quality evaluation.

    skipped        metric -> why it has no figure
    facts          rows, seed and what the inputs recorded
    copies         which new rows copy which real ones
    distributions  distributions of properties among training, held-out and new rows; new rows with their nearest real
                   row
    rows           the evaluated rows
    """

    kind: str
    figures: tuple[Figure, ...]
    skipped: Mapping[str, str]
    facts: Mapping[str, Any]
    gates: tuple[GateResult, ...] = ()
    copies: Sequence[Mapping[str, Any]] = ()
    distributions: Mapping[str, Any] = field(default_factory=dict)
    rows: QualityInputs | None = field(default=None, compare=False, repr=False)

    def __getitem__(self, kind: str) -> Figure:
        """Return the figure of a metric; KeyError if it has none."""
        for figure in self.figures:
            if figure.kind == kind:
                return figure
        raise KeyError(f"{kind}: {self.skipped.get(kind, 'no such metric')}")

    @property
    def lights(self) -> dict[str, Light]:
        """Group -> its worst light."""
        found: dict[str, Light] = dict.fromkeys(METRIC_GROUPS, "none")
        for figure in self.figures:
            found[figure.group] = max(found[figure.group], figure.light, key=_SEVERITY.__getitem__)
        return found

    @property
    def deciding_metrics(self) -> dict[str, str]:
        """Group -> the metric that decides its light: the worst one; if all are green, the default of the group.

        Of several with the worst light it is the one with the smallest p, and of these the farthest from the reference.
        """
        found = {}
        for group, light in self.lights.items():
            mine = [one for one in self.figures if one.group == group and one.light == light]
            if mine:
                first = next((one for one in mine if light == "green" and one.kind == DEFAULT_DECIDING[group]), None)
                found[group] = (first or min(mine, key=lambda one: (one.p, -_measure_distance(one)))).kind
        return found

    def apply_gates(self, gates: Sequence[Gate]) -> Judgement:
        """Return the result with these gates applied."""
        return replace(self, gates=tuple(self._try_gate(gate) for gate in gates))

    def _try_gate(self, gate: Gate) -> GateResult:
        try:
            figure = self[gate.kind]
        except KeyError as error:
            return GateResult(str(gate), None, False, str(error.args[0]))
        value = figure.ratio if gate.is_ratio else figure.value
        fine = value >= gate.bound if gate.is_minimum else value <= gate.bound
        return GateResult(str(gate), value, bool(fine))

    def raise_for_gates(self) -> None:
        """Raise GateError if a gate was not passed."""
        failed = [one for one in self.gates if not one.passed]
        if failed:
            got = "; ".join(one.why or f"{one.gate}: {one.value:.4g}" for one in failed)
            wanted = ", ".join(one.gate for one in failed)
            raise GateError("gates", wanted, got, "improve the generator, or loosen the gate")

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object; non-finite figures are null."""
        return {
            "kind": self.kind,
            "lights": self.lights,
            "deciding": self.deciding_metrics,
            "figures": [asdict(one) for one in self.figures],
            "skipped": dict(self.skipped),
            "facts": dict(self.facts),
            "gates": [asdict(one) for one in self.gates],
            "copies": list(self.copies),
            "looks": dict(self.distributions),
        }

    def write_rows_without_copies(self, folder: Path) -> Path:
        """Write the new rows that are no copies into this folder; return the path of the file."""
        from leaven.quality.memorized_rows import write_rows_without_copies

        assert self.rows is not None, "a result read from a file has no rows"
        return write_rows_without_copies(self.rows, folder)

    def write(self, folder: Path) -> Path:
        """Write judgement.json into this folder, atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / "judgement.json"
        part = target.with_suffix(".part")
        part.write_text(
            json.dumps(to_json_value(self.as_dict()), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        part.replace(target)
        return target


def _measure_distance(figure: Figure) -> float:
    """Return the distance from the reference, in widths of its range."""
    low, high = figure.reference_range
    return abs(figure.value - figure.reference) / max(high - low, 1e-9)


def to_json_value(value: Any) -> Any:
    """Return a JSON value; non-finite numbers are null."""
    if isinstance(value, Mapping):
        return {str(name): to_json_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(one) for one in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
