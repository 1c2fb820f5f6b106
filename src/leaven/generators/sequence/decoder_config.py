"""Config fields that all generators with a sequence network share, and their checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from leaven.datasets.histories import Histories
from leaven.errors import FitError, MissingExtra
from leaven.generators.sequence.sequence_scaffold import (
    AnyPlacement,
    FieldCheck,
    Placement,
    TargetRule,
    validate_config,
)


def check_training_data(kind: str, train: Histories) -> None:
    """Raises FitError for training rows without events; MissingExtra without torch."""
    if train.n_events == 0:
        raise FitError(kind, "at least one event to learn from", "none", "give it training rows")
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("torch", "torch") from None


@dataclass(frozen=True, kw_only=True)
class DecoderGeneratorConfig:
    """The fields of every generator with a sequence network.

    where, events_range, new_events_range, targets  see `sequence_scaffold.SequenceGeneratorConfig`
    temperature                     below 1 sharpens the item distribution, above 1 flattens it
    top_k, top_p                    sample among the `top_k` most probable items (0: all), or the smallest set of mass
                                    `top_p`
    width, layers, dropout, max_length  network size; max_length: maximum number of input events
    steps                           optimizer steps; None: 20 epochs with early stopping on validation rows
    batch_events                    events in one step
    match_popularity                whether logits are calibrated after training, so that generated rows match the item
                                    popularity of real ones (`popularity_calibration`)
    default_filters                 default filters of the generated rows
    """

    where: AnyPlacement = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    targets: TargetRule = "fitting"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    width: int = 64
    layers: int = 2
    dropout: float = 0.2
    max_length: int = 50
    steps: int | None = None
    learning_rate: float = 3e-3
    batch_events: int = 2_048
    device: str = "auto"
    match_popularity: bool = True
    default_filters: Sequence[str] = ("validity", "copies")

    def validate_fields(self, kind: str, own: Sequence[FieldCheck], where: Sequence[str] = get_args(Placement)) -> None:
        """Raises SpecError for the first invalid field, among `own` fields of the kind and the shared ones."""
        shared: list[FieldCheck] = [
            ("temperature", self.temperature > 0, "a number above 0"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "a share above 0, at most 1"),
            ("width", self.width >= 2, "2 or more"),
            ("layers", self.layers >= 1, "1 or more"),
            ("dropout", 0 <= self.dropout < 1, "a share below 1"),
            ("max_length", self.max_length >= 1, "1 or more"),
            ("steps", self.steps is None or self.steps >= 1, "1 or more"),
            ("learning_rate", self.learning_rate > 0, "a number above 0"),
            ("batch_events", self.batch_events >= 1, "1 or more"),
        ]
        validate_config(kind, self, [*own, *shared], where)


def check_heads(width: int, heads: int) -> list[FieldCheck]:
    """Returns the checks of an attention network."""
    return [("heads", heads >= 1, "1 or more"), ("width", width % max(heads, 1) == 0, "a multiple of heads")]
