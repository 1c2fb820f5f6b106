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
from leaven.generators.sequence.fitted_decoder import OfNet
from leaven.generators.sequence.item_sampling import Pen
from leaven.generators.sequence.sequence_scaffold import Frames
from leaven.kernels.inter_event_times import Clock
from leaven.nn import checkpoint
from leaven.nn.sequence_encoder import Shape

Config = TypeVar("Config", bound=OfNet)
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class GeneratorState(Generic[Config, Network]):
    """What a saved file holds of a fitted generator."""

    config: Config
    net: Network
    pen: Pen
    frames: Frames
    curve: Sequence[Mapping[str, float]]


def keep(path: Path, state: GeneratorState[Config, Network], shape: Shape) -> None:
    """Writes the state to one file atomically."""
    pen, frames = state.pen, state.frames
    arrays = {
        "born": pen.born,
        "knots": pen.knots,
        "lift": pen.lift,
        "first_law": frames.first_law,
        "inside_law": frames.inside_law,
    }
    arrays |= {f"clock.{name}": value for name, value in pen.clock._asdict().items() if isinstance(value, np.ndarray)}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    tensors |= {f"net.{name}": tensor for name, tensor in state.net.state_dict().items()}
    facts = {
        "config": asdict(state.config),
        "shape": asdict(shape),
        "clock": {"limit": pen.clock.limit, "sign": pen.clock.sign},
        "keep_seen": pen.keep_seen,
        "frames": {"backwards": frames.backwards, "columns": dict(frames.columns), "n_items": frames.n_items},
        "curve": [dict(record) for record in state.curve],
    }
    checkpoint.write(path, tensors, facts)


def restored(
    config_class: type[Config], path: Path, build: Callable[[Config, Shape, int], Network]
) -> GeneratorState[Config, Network]:
    """Returns the state that `save_generator` wrote. build(config, shape, knots) returns a net of that architecture.

    Raises DataError where the file is missing or of another kind.
    """
    tensors, facts = checkpoint.read(path)
    if "config" not in facts:
        raise DataError(str(path), "a saved generator", "another file of weights", "save one there first")
    fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in facts["config"].items()}
    config = config_class(**fields)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("net.")}
    clock_arrays: dict[str, Any] = {
        name.removeprefix("clock."): value for name, value in arrays.items() if name.startswith("clock.")
    }
    net = build(config, Shape(**facts["shape"]), len(arrays["knots"]))
    net.load_state_dict({name.removeprefix("net."): t for name, t in tensors.items() if name.startswith("net.")})
    pen = Pen(
        clock=Clock(**clock_arrays, **facts["clock"]),
        born=arrays["born"],
        knots=arrays["knots"],
        keep_seen=facts["keep_seen"],
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        length=config.length,
        lift=arrays["lift"],
    )
    frames = Frames(first_law=arrays["first_law"], inside_law=arrays["inside_law"], **facts["frames"])
    return GeneratorState(config, net.eval(), pen, frames, facts["curve"])
