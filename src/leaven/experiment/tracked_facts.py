"""The facts of a run as trackers get them: metrics of variants, validations, and files."""

from __future__ import annotations

from leaven.facts.run_facts import FACTS_FILE, RunFacts
from leaven.facts.training_facts import TrainingFacts, ValidationFacts
from leaven.run_folder import REPORT_FILE, SPEC_FILE, RunFolder
from leaven.tracking.contract import RunEnd, RunResult, ValidationResult

_ARTIFACTS = (SPEC_FILE, FACTS_FILE, REPORT_FILE)


def summarize_run(facts: RunFacts, folder: RunFolder) -> RunResult:
    """Means and relative lifts of the variants, all validations, and the files of a finished run."""
    metrics: dict[str, float] = {}
    if facts.comparison is not None:
        metric = facts.comparison.metric
        metrics |= {f"{name}/{metric}": float(mean) for name, mean in facts.comparison.means.items()}
    seconds = {f"seconds/{name}": float(value) for name, value in facts.cost.seconds.items()}
    paths = tuple(path for name in _ARTIFACTS if (path := folder.path / name).exists())
    validations = tuple(_describe(training, one) for training in facts.trainings for one in training.curve)
    return RunResult(RunEnd(facts.name, "finished", metrics | seconds, paths), validations)


def _describe(training: TrainingFacts, validation: ValidationFacts) -> ValidationResult:
    values = {"loss": validation.loss, "ndcg": validation.ndcg, "log_loss": validation.log_loss}
    known = {name: float(value) for name, value in values.items() if value is not None}
    return ValidationResult(f"{training.variant} seed {training.seed}", validation.step, known)
