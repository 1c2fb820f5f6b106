"""Facts of a run: every figure that reports, comparisons, provenance and exports read, as frozen dataclasses.

`RunFacts.to_json` and `RunFacts.from_json` are the format of `facts.json`.
"""

from __future__ import annotations

from leaven.facts.comparison_facts import ComparisonFacts, EffectFacts
from leaven.facts.run_facts import (
    FACTS_FILE,
    FORMAT,
    CleaningRuleFacts,
    CostFacts,
    CtrFacts,
    CtrVariantFacts,
    DataFacts,
    DataWarning,
    ReproductionFacts,
    RunFacts,
    VerdictFacts,
    read_run_facts,
)
from leaven.facts.serialization import Figures, JsonObject, from_json, to_json
from leaven.facts.sweep_facts import Interval, SweepFacts, SweepPoint
from leaven.facts.training_facts import (
    CalibrationBin,
    DecisionFacts,
    PilotFacts,
    StratumFacts,
    TrainingFacts,
    ValidationFacts,
)
from leaven.facts.variant_facts import (
    GalleryFacts,
    ImageExample,
    PlanEdge,
    PlanGraph,
    Preview,
    ReuseFacts,
    StepFacts,
    TextExample,
    UnreadableFiles,
    VariantFacts,
)

__all__ = [
    "FACTS_FILE",
    "FORMAT",
    "CalibrationBin",
    "CleaningRuleFacts",
    "ComparisonFacts",
    "CostFacts",
    "CtrFacts",
    "CtrVariantFacts",
    "DataFacts",
    "DataWarning",
    "DecisionFacts",
    "EffectFacts",
    "Figures",
    "GalleryFacts",
    "ImageExample",
    "Interval",
    "JsonObject",
    "PilotFacts",
    "PlanEdge",
    "PlanGraph",
    "Preview",
    "ReproductionFacts",
    "ReuseFacts",
    "RunFacts",
    "StepFacts",
    "StratumFacts",
    "SweepFacts",
    "SweepPoint",
    "TextExample",
    "TrainingFacts",
    "UnreadableFiles",
    "ValidationFacts",
    "VariantFacts",
    "VerdictFacts",
    "from_json",
    "read_run_facts",
    "to_json",
]
