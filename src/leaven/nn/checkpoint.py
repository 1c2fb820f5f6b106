"""What must be on disk so that a killed training goes on as if nothing had happened?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leaven.errors import DataError, FitError, MissingExtra

_FILE = "training.safetensors"
Tensors = dict[str, Tensor]


def write(path: Path, tensors: Mapping[str, Tensor], said: Mapping[str, Any]) -> None:
    """Tensors and a few JSON-able words in one file, which is whole or not there."""
    try:
        from safetensors.torch import save_file
    except ModuleNotFoundError:
        raise MissingExtra("safetensors", "torch") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(own, part, metadata={"leaven": json.dumps(said)})
    part.replace(path)


def read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """What `write` wrote.

    Raises DataError where the file is missing or no such file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise DataError(str(path), "a file of weights", "none", "")
    try:
        with safe_open(path, framework="pt") as held:
            said = json.loads((held.metadata() or {})["leaven"])
            return {name: held.get_tensor(name) for name in held.keys()}, said  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise DataError(str(path), "a file of weights", f"another ({error})", "train again") from error


def keep(folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, best: Tensors, said: dict[str, Any]) -> None:
    """The whole state of a training: weights, the optimiser's moments, the best weights so far, and words."""
    tensors = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for place, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"moment.{place}.{name}": torch.as_tensor(value).clone() for name, value in moments.items()}
    write(folder / _FILE, tensors, said)


def restore(
    folder: Path, net: nn.Module, optimizer: torch.optim.Optimizer, mark: str
) -> tuple[Tensors, dict[str, Any]]:
    """Puts the state back; (best weights so far, words), or ({}, {}) where nothing was kept.

    Raises FitError where the folder holds another training: `mark` says which one this is.
    """
    path = folder / _FILE
    if not path.exists():
        return {}, {}
    tensors, said = read(path)
    if said.get("mark") != mark:
        raise FitError(str(path), "the checkpoint of this training", "that of another", "name another folder")
    groups: dict[str, Tensors] = {"net": {}, "best": {}, "moment": {}}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        groups[kind][rest] = tensor
    net.load_state_dict(groups["net"])
    state = optimizer.state_dict()
    state["state"] = {}
    for name, tensor in groups["moment"].items():
        place, _, moment = name.partition(".")
        state["state"].setdefault(int(place), {})[moment] = tensor
    optimizer.load_state_dict(state)
    return groups["best"], said
