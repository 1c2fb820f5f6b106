"""Checkpoints that let an interrupted training resume with identical results."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leaven.errors import DataError, FitError, MissingExtra
from leaven.storage import replace_file

_FILE = "training.safetensors"
Tensors = dict[str, Tensor]


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Writes tensors and JSON-compatible metadata to one safetensors file, atomically."""
    try:
        from safetensors.torch import save_file
    except ModuleNotFoundError:
        raise MissingExtra("safetensors", "torch") from None
    tensors_on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replace_file(path) as part:
        save_file(tensors_on_cpu, part, metadata={"leaven": json.dumps(metadata)})


def load_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Reads (tensors, metadata) that `save_tensors` wrote.

    Raises DataError if the file is missing or has another format.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise DataError(str(path), "a file of weights", "none", "")
    try:
        with safe_open(path, framework="pt") as held:
            metadata = json.loads((held.metadata() or {})["leaven"])
            return {name: held.get_tensor(name) for name in held.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise DataError(str(path), "a file of weights", f"another format ({error})", "train again") from error


def save_checkpoint(
    folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, best: Tensors, metadata: Mapping[str, object]
) -> None:
    """Saves the complete training state: weights, optimizer moments, best weights so far and metadata."""
    tensors = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"moment.{index}.{name}": torch.as_tensor(value).clone() for name, value in moments.items()}
    save_tensors(folder / _FILE, tensors, metadata)


def restore_checkpoint(
    folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str
) -> tuple[Tensors, dict[str, Any]]:
    """Restores network and optimizer; returns (best weights so far, metadata), or ({}, {}) without a checkpoint.

    A damaged checkpoint is deleted and logged as a warning: the training starts again.

    Raises FitError if the folder holds a different training, identified by its fingerprint.
    """
    path = folder / _FILE
    if not path.exists():
        return {}, {}
    try:
        tensors, metadata = load_tensors(path)
    except DataError as error:
        logging.getLogger("leaven").warning("%s; the training starts again", error)
        path.unlink()
        return {}, {}
    if metadata.get("mark") != fingerprint:
        raise FitError(str(path), "the checkpoint of this training", "that of another", "name another folder")
    groups: dict[str, Tensors] = {"net": {}, "best": {}, "moment": {}}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        groups[kind][rest] = tensor
    net.load_state_dict(groups["net"])
    state = optimizer.state_dict()
    state["state"] = {}
    for name, tensor in groups["moment"].items():
        index, _, moment = name.partition(".")
        state["state"].setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict(state)
    return groups["best"], metadata
