"""Facts of one training: its cost, its validations, and the decisions of a controller."""

from __future__ import annotations

from dataclasses import dataclass, field

from leaven.facts.serialization import Figures


@dataclass(frozen=True)
class ValidationFacts:
    """One periodic evaluation during training.

    step, loss  optimizer steps so far; mean training loss since the last validation
    ndcg        NDCG@10 on the validation users; None for other tasks
    log_loss    log loss on the validation rows; None for other tasks
    """

    step: int
    loss: float | None = None
    ndcg: float | None = None
    log_loss: float | None = None


@dataclass(frozen=True)
class CalibrationBin:
    """Test rows of similar predictions: mean prediction, share of positives, number of rows."""

    predicted: float
    observed: float
    rows: int


@dataclass(frozen=True)
class TrainingFacts:
    """One training of one variant.

    seconds, evaluation_seconds  time to train, and to evaluate on the test users
    steps, targets               optimizer steps, and targets seen; None where nothing is trained
    stopped                      why the training ended
    test_views                   views of each test history (test-time augmentation)
    threshold, calibration       CTR: threshold of positive predictions, and calibration on the test rows
    further                      what the recommender states beyond these
    """

    variant: str
    seed: int
    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    steps: int | None = None
    targets: int | None = None
    peak_mb: float | None = None
    stopped: str = ""
    curve: tuple[ValidationFacts, ...] = ()
    test_views: int = 1
    threshold: float | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    further: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class StratumFacts:
    """Losses of one stratum of control users at a decision: of control users, of a probe of the training users, their
    gap, and the target of the gap."""

    name: str
    users: int
    control: float | None
    probe: float | None
    gap: float | None
    target: float | None = None


@dataclass(frozen=True)
class DecisionFacts:
    """One decision of a controller.

    strength, share  of each stratum: factors on the strength and on the counts of the steps
    active_step      the only active step; "": all of them
    strata           empty for a constant decision, which follows from no signals
    """

    variant: str
    seed: int
    step: int
    progress: float
    strength: tuple[float, ...]
    share: tuple[float, ...]
    reason: str
    active_step: str = ""
    flag: str = ""
    strata: tuple[StratumFacts, ...] = ()

    @property
    def levels(self) -> tuple[float, ...]:
        """The strength of each stratum; its share of the copies where only that varies."""
        return tuple(min(pair) for pair in zip(self.strength, self.share, strict=False))


@dataclass(frozen=True)
class PilotFacts:
    """Cost of the un-augmented training that sets the target of a controller. share: of a training's steps."""

    name: str
    steps: int
    share: float
    seconds: float = 0.0
