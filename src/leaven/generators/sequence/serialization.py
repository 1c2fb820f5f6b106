"""What of a fitted generator must lie on disk, so that it writes the same rows again?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from leaven.errors import DataError
from leaven.generators.sequence.item_sampling import Pen
from leaven.generators.sequence.sequence_scaffold import Frames
from leaven.kernels.inter_event_times import Clock
from leaven.nn import checkpoint
from leaven.nn.sequence_encoder import Shape

Curve = Sequence[Mapping[str, float]]
Build = Callable[[Any, Shape, int], Any]
"""(wish, shape, knots) -> a net of that form, whatever its weights."""


def keep(path: Path, wish: Any, net: nn.Module, shape: Shape, pen: Pen, frames: Frames, curve: Curve) -> None:
    """Everything in one file, which is whole or not there."""
    arrays = {
        "born": pen.born,
        "knots": pen.knots,
        "lift": pen.lift,
        "first_law": frames.first_law,
        "inside_law": frames.inside_law,
    }
    arrays |= {f"clock.{name}": value for name, value in pen.clock._asdict().items() if isinstance(value, np.ndarray)}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    tensors |= {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    said = {
        "wish": asdict(wish),
        "shape": asdict(shape),
        "clock": {"limit": pen.clock.limit, "sign": pen.clock.sign},
        "keep_seen": pen.keep_seen,
        "frames": {"backwards": frames.backwards, "columns": dict(frames.columns), "n_items": frames.n_items},
        "curve": [dict(record) for record in curve],
    }
    checkpoint.write(path, tensors, said)


def restored(kind: Any, path: Path, build: Build) -> tuple[Any, Any, Pen, Frames, Curve]:
    """(wish, net, pen, frames, curve) as `keep` got them; kind: the wish's class.

    Raises DataError where the file is missing or another.
    """
    tensors, said = checkpoint.read(path)
    if "wish" not in said:
        raise DataError(str(path), "a saved generator", "another file of weights", "save one there first")
    wish = kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in said["wish"].items()})
    parts = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("net.")}
    arrays: dict[str, Any] = {
        name.removeprefix("clock."): value for name, value in parts.items() if name.startswith("clock.")
    }
    clock = Clock(**arrays, **said["clock"])
    net = build(wish, Shape(**said["shape"]), len(parts["knots"]))
    net.load_state_dict({name.removeprefix("net."): t for name, t in tensors.items() if name.startswith("net.")})
    cuts = (wish.temperature, wish.top_k, wish.top_p)
    pen = Pen(clock, parts["born"], parts["knots"], said["keep_seen"], *cuts, wish.length, parts["lift"])
    frames = Frames(first_law=parts["first_law"], inside_law=parts["inside_law"], **said["frames"])
    return wish, net.eval(), pen, frames, said["curve"]
