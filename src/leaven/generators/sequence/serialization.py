"""Saving and loading of fitted sequence generators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import nn

from leaven.errors import DataError
from leaven.generators.sequence.decoder_config import DecoderGeneratorConfig
from leaven.generators.sequence.item_sampling import DecodingConfig
from leaven.generators.sequence.sequence_scaffold import ScaffoldSampler
from leaven.kernels.inter_event_times import GapModel
from leaven.nn import checkpoint
from leaven.nn.sequence_encoder import EncoderShape
from leaven.storage import restore_fields

Config = TypeVar("Config", bound=DecoderGeneratorConfig)
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class GeneratorState(Generic[Config, Network]):
    """What a saved file holds of a fitted generator."""

    config: Config
    net: Network
    decoding: DecodingConfig
    scaffolds: ScaffoldSampler
    curve: Sequence[Mapping[str, float]]


def save_generator(path: Path, state: GeneratorState[Config, Network], shape: EncoderShape) -> None:
    """Writes the state to one file atomically."""
    decoding, scaffolds = state.decoding, state.scaffolds
    arrays = {
        "born": decoding.first_sale_times,
        "knots": decoding.knots,
        "lift": decoding.logit_offsets,
        "first_law": scaffolds.starts_and_lengths,
        "inside_law": scaffolds.time_quantiles,
    }
    arrays |= {
        f"clock.{name}": value for name, value in decoding.clock._asdict().items() if isinstance(value, np.ndarray)
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    tensors |= {f"net.{name}": tensor for name, tensor in state.net.state_dict().items()}
    facts = {
        "config": asdict(state.config),
        "shape": asdict(shape),
        "clock": {"max_time": decoding.clock.max_time, "direction": decoding.clock.direction},
        "keep_seen": decoding.repeat_factor,
        "frames": scaffolds.to_json(),
        "curve": [dict(record) for record in state.curve],
    }
    checkpoint.save_tensors(path, tensors, facts)


def load_generator(
    config_class: type[Config], path: Path, build: Callable[[Config, EncoderShape, int], Network]
) -> GeneratorState[Config, Network]:
    """Returns the state that `save_generator` wrote. build(config, shape, knots) returns a net of that architecture.

    Raises DataError where the file is missing or of another kind.
    """
    tensors, facts = checkpoint.load_tensors(path)
    if "config" not in facts:
        raise DataError(str(path), "a saved generator", "another file of weights", "save one there first")
    config = config_class(**restore_fields(facts["config"]))
    arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("net.")}
    clock_arrays: dict[str, Any] = {
        name.removeprefix("clock."): value for name, value in arrays.items() if name.startswith("clock.")
    }
    net = build(config, EncoderShape(**facts["shape"]), len(arrays["knots"]))
    net.load_state_dict({name.removeprefix("net."): t for name, t in tensors.items() if name.startswith("net.")})
    decoding = DecodingConfig(
        clock=GapModel(**clock_arrays, **facts["clock"]),
        first_sale_times=arrays["born"],
        knots=arrays["knots"],
        repeat_factor=facts["keep_seen"],
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        max_length=config.max_length,
        logit_offsets=arrays["lift"],
    )
    scaffolds = ScaffoldSampler(
        starts_and_lengths=arrays["first_law"], time_quantiles=arrays["inside_law"], **facts["frames"]
    )
    return GeneratorState(config, net.eval(), decoding, scaffolds, facts["curve"])
