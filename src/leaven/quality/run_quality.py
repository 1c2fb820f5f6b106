"""Quality of the synthetic rows of all variants of a run, with their effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leaven.errors import GateError
from leaven.facts import EffectFacts, JsonObject, from_json, to_json
from leaven.quality.quality_facts import QualityFacts
from leaven.quality.utility_correlation import UtilityCorrelation


@dataclass(frozen=True)
class VariantQuality:
    """Quality of one variant's rows. skipped: why there is none; effect: the variant against the baseline."""

    facts: QualityFacts | None = None
    skipped: str = ""
    effect: EffectFacts | None = None

    def to_json(self) -> JsonObject:
        """Plain values of JSON."""
        facts = None if self.facts is None else self.facts.to_json()
        return {"facts": facts, "skipped": self.skipped, "effect": to_json(self.effect)}


@dataclass(frozen=True)
class RunQuality:
    """The part `quality` of a run's facts.

    variants    name -> quality of its rows, or why there is none; empty where no variant has rows
    skipped     why nothing was evaluated
    prediction  how well each figure predicts the effect; None without effects
    """

    variants: Mapping[str, VariantQuality] = field(default_factory=dict)
    skipped: str = ""
    prediction: UtilityCorrelation | None = None
    seconds: float = 0.0

    def to_json(self) -> JsonObject:
        """Plain values of JSON."""
        prediction = None if self.prediction is None else self.prediction.to_json()
        variants = {name: variant.to_json() for name, variant in self.variants.items()}
        return {"variants": variants, "skipped": self.skipped, "prediction": prediction, "seconds": self.seconds}

    @classmethod
    def from_json(cls, content: object) -> RunQuality:
        """The quality that `to_json` gave.

        Raises DataError that names a missing or wrong field.
        """
        return from_json(cls, content, "the quality of a run")

    @property
    def measured(self) -> Mapping[str, QualityFacts]:
        """Variants whose rows have figures."""
        return {name: one.facts for name, one in self.variants.items() if one.facts is not None and one.facts.figures}

    def raise_for_gates(self) -> None:
        """Raises GateError where a variant failed a gate of the spec."""
        failed = [
            f"{name}, {gate.gate}: {gate.reason or format(gate.value, '.4g')}"
            for name, facts in self.measured.items()
            for gate in facts.gates
            if not gate.passed
        ]
        if failed:
            fix = "the run is complete, and its report shows why; create better rows, or loosen the gate"
            raise GateError("quality.gates", "all passed", "; ".join(failed), fix)
