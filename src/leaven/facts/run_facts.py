"""Facts of a whole run, and their file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leaven.errors import DataError
from leaven.facts.comparison_facts import ComparisonFacts
from leaven.facts.serialization import Figures, JsonObject, from_json, to_json
from leaven.facts.sweep_facts import SweepFacts
from leaven.facts.training_facts import CalibrationBin, DecisionFacts, TrainingFacts
from leaven.facts.variant_facts import VariantFacts

FACTS_FILE = "facts.json"
FORMAT = 2
"""Number of the format of `facts.json`; facts of another format are refused."""


@dataclass(frozen=True)
class CleaningRuleFacts:
    """One rule of cleaning. touched, dropped: numbers of lines; examples: lines that it matched."""

    rule: str
    touched: int | None = 0
    dropped: int | None = 0
    note: str | None = ""
    examples: tuple[object, ...] = ()


@dataclass(frozen=True)
class DataWarning:
    """Something about the data that a reader should know, such as a column that gives the label away."""

    kind: str
    column: str
    value: float | None
    message: str


@dataclass(frozen=True)
class DataFacts:
    """The log before training: reading, cleaning, statistics, split, warnings."""

    reading: Figures = field(default_factory=dict)
    cleaning: tuple[CleaningRuleFacts, ...] = ()
    statistics: Figures = field(default_factory=dict)
    split: Figures = field(default_factory=dict)
    warnings: tuple[DataWarning, ...] = ()


@dataclass(frozen=True)
class VerdictFacts:
    """The headline of a run, and the sentences below it."""

    headline: str
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class CostFacts:
    """seconds: of each stage. rows: real and synthetic. pilot_steps: optimizer steps of pilots. test_views: views of
    each test history."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    rows: int = 0
    trainings: int = 0
    peak_mb: float | None = None
    pilot_steps: int = 0
    test_views: int = 1


@dataclass(frozen=True)
class ReproductionFacts:
    """The command that repeats a run, the fingerprint of its data, versions of libraries, and its machine."""

    command: str = ""
    fingerprint: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class CtrVariantFacts:
    """thresholds: of positive predictions, one per seed. calibration: of the first training."""

    thresholds: tuple[float, ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()


@dataclass(frozen=True)
class CtrFacts:
    """What only a CTR task has.

    positive_share     of the test rows
    popularity_column  column of the item's popularity; "" where there is none
    popularity         metric -> value of that column alone as a prediction
    """

    variants: Mapping[str, CtrVariantFacts] = field(default_factory=dict)
    positive_share: float = 0.0
    popularity_column: str = ""
    popularity: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFacts:
    """Everything that a run has found; parts that it does not have are None or empty.

    leaven   version of leaven
    language code of the language that its page is written in
    quality  evaluation of the synthetic rows; its keys: variants (name -> result), skipped, prediction, seconds
    """

    name: str = "run"
    leaven: str = ""
    seed: int | None = None
    verdict: VerdictFacts | None = None
    comparison: ComparisonFacts | None = None
    data: DataFacts = field(default_factory=DataFacts)
    variants: tuple[VariantFacts, ...] = ()
    trainings: tuple[TrainingFacts, ...] = ()
    decisions: tuple[DecisionFacts, ...] = ()
    cost: CostFacts = field(default_factory=CostFacts)
    reproduction: ReproductionFacts = field(default_factory=ReproductionFacts)
    ctr: CtrFacts | None = None
    sweep: SweepFacts | None = None
    quality: JsonObject = field(default_factory=dict)
    language: str = "en"

    def to_json(self) -> JsonObject:
        """Plain values of JSON, with the number of the format.

        >>> RunFacts.from_json(RunFacts("beauty").to_json()).name
        'beauty'
        """
        return {"format": FORMAT, **to_json(self)}

    @classmethod
    def from_json(cls, content: object, where: str = FACTS_FILE) -> RunFacts:
        """The facts that `to_json` gave. where: the file, for the error.

        Raises DataError for facts of another format, or with a missing or wrong field.
        """
        number = content["format"] if isinstance(content, dict) and "format" in content else None
        if number != FORMAT:
            got = f"format {number}" if number else "facts of an older leaven, without a format number"
            raise DataError(where, f"facts of format {FORMAT}", got, "run the spec again into a new folder")
        return from_json(cls, content, where)

    def get_variant(self, name: str) -> VariantFacts | None:
        """Facts of a variant's rows; None for the baseline, which creates none."""
        return next((variant for variant in self.variants if variant.name == name), None)


def read_run_facts(path: Path) -> RunFacts:
    """Read the facts of a run from its folder, or from the file itself.

    Raises DataError where there are none, or they cannot be read.
    """
    file = path / FACTS_FILE if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        fix = "use the folder that `leaven run` wrote; `--resume` continues an unfinished run"
        raise DataError(str(file), "the facts of a run", "no such file", fix) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(str(file), "the facts of a run, as JSON", str(error), "run the last stage again") from error
    return RunFacts.from_json(content, str(file))
