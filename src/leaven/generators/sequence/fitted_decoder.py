"""Shared config and fitted form of generators that decode from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import FitError, MissingExtra
from leaven.generators.sequence.sequence_scaffold import Anywhere, Check, Frames, Targets, Where, check, mirrored
from leaven.protocols import Keys

if TYPE_CHECKING:
    from leaven.generators.sequence.decoder import Decoder
    from leaven.generators.sequence.item_sampling import Pen
    from leaven.nn.sequence_encoder import Shape


def ready(kind: str, train: Histories) -> None:
    """Raises FitError for training rows without events; MissingExtra without torch."""
    if train.events == 0:
        raise FitError(kind, "at least one event to learn from", "none", "give it training rows")
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("torch", "torch") from None


@dataclass(frozen=True, kw_only=True)
class OfNet:
    """The fields of every generator with a sequence network.

    where, events_range, new_events_range, targets    see `sequence_scaffold.SequenceGeneratorConfig`
    temperature       below 1 sharpens the item distribution, above 1 flattens it
    top_k, top_p      sample among the `top_k` most probable items (0: all), or the smallest set of mass `top_p`
    width, layers, dropout, length    network size; length: maximum number of input events
    steps             optimizer steps; None: 20 epochs with early stopping on validation rows
    batch_events      events in one step
    match_popularity  whether logits are calibrated after training, so that generated rows match the item popularity
                      of real ones (`popularity_calibration`)
    keep              default filters of the generated rows
    """

    where: Anywhere = "alone"
    events_range: tuple[int, int] = (2, 50)
    new_events_range: tuple[int, int] = (1, 3)
    targets: Targets = "fitting"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    width: int = 64
    layers: int = 2
    dropout: float = 0.2
    length: int = 50
    steps: int | None = None
    learning_rate: float = 3e-3
    batch_events: int = 2_048
    device: str = "auto"
    match_popularity: bool = True
    keep: Sequence[str] = ("validity", "copies")

    def check(self, kind: str, own: Sequence[Check], where: Sequence[str] = get_args(Where)) -> None:
        """Raises SpecError for the first invalid field, among `own` fields of the kind and the shared ones."""
        shared: list[Check] = [
            ("temperature", self.temperature, self.temperature > 0, "a number above 0"),
            ("top_k", self.top_k, self.top_k >= 0, "0 (all) or more"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "a share above 0, at most 1"),
            ("width", self.width, self.width >= 2, "2 or more"),
            ("layers", self.layers, self.layers >= 1, "1 or more"),
            ("dropout", self.dropout, 0 <= self.dropout < 1, "a share below 1"),
            ("length", self.length, self.length >= 1, "1 or more"),
            ("steps", self.steps, self.steps is None or self.steps >= 1, "1 or more"),
            ("learning_rate", self.learning_rate, self.learning_rate > 0, "a number above 0"),
            ("batch_events", self.batch_events, self.batch_events >= 1, "1 or more"),
        ]
        check(kind, self, [*own, *shared], where)


def of_heads(width: int, heads: int) -> list[Check]:
    """Returns the checks of an attention network."""
    return [
        ("heads", heads, heads >= 1, "1 or more"),
        ("width", width, width % max(heads, 1) == 0, "a multiple of heads"),
    ]


@dataclass(frozen=True, eq=False)
class Writer:
    """A trained decoder. curve: one record for each validation: step, loss, seconds, valid_log_likelihood (mean of an
    event).
    """

    kind: str
    config: OfNet
    net: Decoder
    pen: Pen
    frames: Frames
    curve: Sequence[Mapping[str, float]]

    def lifted(self, lift: npt.NDArray[np.float64]) -> Writer:
        """Returns the generator with item logits shifted by float64 (items,)."""
        return replace(self, pen=replace(self.pen, lift=self.pen.lift + lift))

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """Returns one row for each key. With `like`, unless `where` is alone: its rows extended, with their parents and
        weights.

        New items are on sale at their time, and no event is later than the last training event (with `before`:
        earlier than the first). Raises DataError where the number of keys differs from the number of rows.
        """
        import copy

        from leaven.generators.sequence.decoding import write

        frame = self.frames.begin(self.config, keys, like)
        write(copy.deepcopy(self.net).double().eval(), self.pen, frame)
        return self.frames.finish(self.config, frame)

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): natural log-probability of each row's items given the times and the first item.

        `before` reads backwards: given the last item. First days of sale, repeats, temperature and truncation are
        ignored; masked events are inputs, never targets.
        """
        from leaven.generators.sequence.decoder import event_log_likelihoods

        return event_log_likelihoods(self.net, to_score(self.frames, rows), self.pen.knots, self.config.length)

    def save(self, folder: Path) -> None:
        """Writes one safetensors file atomically."""
        from leaven.generators.sequence.serialization import GeneratorState, keep

        state = GeneratorState(self.config, self.net, self.pen, self.frames, self.curve)
        keep(folder / f"{self.kind}.safetensors", state, self.net.shape)


def to_score(frames: Frames, rows: Histories) -> Histories:
    """Returns rows as network inputs, every event a target except the first."""
    from leaven.generators.sequence.fitting import begun

    read = begun(mirrored(rows) if frames.backwards else rows)
    return replace(read, targets=np.maximum(read.lengths - 2, 0).astype(np.int32))


def loaded(config_class: type[OfNet], kind: str, folder: Path) -> Writer:
    """Loads a generator that `FittedDecoder.save` wrote, without the catalog.

    Raises DataError where the folder holds no such file.
    """
    import torch

    from leaven.generators.sequence.decoder import Decoder
    from leaven.generators.sequence.serialization import restored

    def build(config: Any, shape: Shape, knots: int) -> Decoder:
        return Decoder(shape, config.cell, knots, torch.ones(shape.n_items), torch.Generator())

    state = restored(config_class, folder / f"{kind}.safetensors", build)
    return Writer(kind, state.config, state.net, state.pen, state.frames, state.curve)
