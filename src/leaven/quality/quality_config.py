"""Configuration of a quality evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from leaven.errors import SpecError, suggest_name
from leaven.metrics.synthetic import SampleMetric
from leaven.quality.result import Gate
from leaven.registry import create_config, list_kinds


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
