"""Configuration of a quality evaluation: metrics, sample sizes and gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from leaven.errors import SpecError, suggest_name
from leaven.metrics.synthetic import SampleMetric
from leaven.quality.quality_facts import GateResult, QualityFacts
from leaven.registry import create_config, list_kinds


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
        is_ratio = kind.endswith("_ratio") and kind not in kinds
        kind = kind.removesuffix("_ratio") if is_ratio else kind
        try:
            bound = float(number)
        except ValueError:
            raise SpecError(f"--gate {text}", "a number", repr(number), "write min_coverage=0.8") from None
        if side not in ("min", "max"):
            raise SpecError(f"--gate {text}", "min_ or max_ and a metric", repr(name), "write min_coverage=0.8")
        if kinds and kind not in kinds:
            raise SpecError(f"--gate {text}", "a metric", repr(kind), suggest_name(kind, kinds))
        return cls(kind, side == "min", bound, is_ratio)

    def __str__(self) -> str:
        return f"{'min' if self.is_minimum else 'max'}_{self.kind}{'_ratio' * self.is_ratio}={self.bound:g}"

    def apply(self, facts: QualityFacts) -> GateResult:
        """Return whether these facts pass; a missing figure does not."""
        try:
            figure = facts[self.kind]
        except KeyError as error:
            return GateResult(str(self), None, False, str(error.args[0]))
        value = figure.ratio if self.is_ratio else figure.value
        return GateResult(str(self), value, bool(value >= self.bound if self.is_minimum else value <= self.bound))


def apply_gates(facts: QualityFacts, gates: Sequence[str]) -> QualityFacts:
    """Return the facts with these gates applied, such as "min_coverage=0.8"."""
    return replace(facts, gates=tuple(Gate.parse(gate).apply(facts) for gate in gates))


@dataclass(frozen=True)
class QualityConfig:
    """Metrics, gates and sample sizes of a quality evaluation.

    metrics   kinds to compute; all if empty
    gates     bounds such as "min_coverage=0.8" or "max_frechet_ratio=3"; a run that fails one ends with exit code 4
    max_rows  maximum rows of each side, chosen by the seed
    n_splits  number of random splits of the real rows into halves

    Raises SpecError for an unknown metric, an invalid gate, fewer than 20 halves.
    """

    metrics: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    max_rows: int = 4000
    n_splits: int = 20

    def __post_init__(self) -> None:
        known = list(list_kinds("synthetic_metrics"))
        for kind in self.metrics:
            if kind not in known:
                raise SpecError("quality.metrics", "a metric of synthetic rows", repr(kind), suggest_name(kind, known))
        for gate in self.gates:
            Gate.parse(gate, known)
        if self.max_rows < 60:
            raise SpecError("quality.max_rows", "60 rows or more", str(self.max_rows), "fewer rows show no difference")
        if self.n_splits < 20:
            raise SpecError("quality.n_splits", "20 or more", str(self.n_splits), "fewer cannot reject anything at 5 %")

    def build_metrics(self) -> dict[str, SampleMetric]:
        """Return kind -> metric, of the configured kinds or of all."""
        return {
            kind: create_config("synthetic_metrics", kind) for kind in (self.metrics or list_kinds("synthetic_metrics"))
        }
