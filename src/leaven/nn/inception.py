"""Where does the network that FID is defined by put a picture?

Inception v3 (Szegedy and others, CVPR 2016, figures 5 to 7 and table 1) as Heusel and others (NeurIPS 2017) used it:
the TensorFlow graph of 2015, whose means leave out the border that was padded on, and whose last block takes a maximum
(in PyTorch: Seitzer, pytorch-fid, 2020). Nothing is downloaded: the weights are a file of the user's.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.datasets.images import Pixels
from leaven.errors import DataError

SIDE = 299  # pixels that the network reads
CLASSES, WIDTH = 1008, 2048  # of the network of 2015: others share its shape and give other distances
_CHUNK = 16  # pictures of one forward pass

Branch = tuple[str, ...]
_SMALL: tuple[Branch, ...] = (
    ("branch1x1",),
    ("branch5x5_1", "branch5x5_2"),
    ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
)
_LONG: tuple[Branch, ...] = (
    ("branch1x1",),
    ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
    ("branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"),
)
_WIDE: tuple[Branch, ...] = (
    ("branch1x1",),
    ("branch3x3_1", "branch3x3_2a"),
    ("branch3x3_1", "branch3x3_2b"),
    ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a"),
    ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3b"),
)
_HALVING: Mapping[str, tuple[Branch, ...]] = {
    "Mixed_6a": (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")),
    "Mixed_7a": (
        ("branch3x3_1", "branch3x3_2"),
        ("branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"),
    ),
}
_BLOCKS: Mapping[str, tuple[Branch, ...]] = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _SMALL),
    "Mixed_6a": _HALVING["Mixed_6a"],
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _LONG),
    "Mixed_7a": _HALVING["Mixed_7a"],
    **dict.fromkeys(("Mixed_7b", "Mixed_7c"), _WIDE),
}
"""block -> its branches, convolutions one after the other; those that keep the sides have a pooled branch too"""
_LAW = ("running_mean", "running_var", "weight", "bias")
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")


@dataclass(frozen=True, eq=False)
class PictureVectors:
    """A network of the user's. called: what a Fréchet distance in its space is; embed: pictures of any sizes, uint8
    (height, width, 3) each, -> float32 (pictures, width)."""

    called: str
    embed: Callable[[Sequence[Pixels]], npt.NDArray[np.float32]]


def load(path: Path) -> PictureVectors:
    """A file of weights: a state dict of Inception v3, or a TorchScript module (uint8 or float in, vectors out).

    Raises DataError where the file is missing or is neither.
    """
    if not path.is_file():
        raise DataError(str(path), "a file of weights", "none", "name the file of Inception's weights")
    if not _holds_code(path):
        return _of_state(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # networks are passed around in this form all the same
        return _of_script(path, torch.jit.load(str(path), map_location="cpu").eval())


def _holds_code(path: Path) -> bool:
    """Whether it is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _of_state(path: Path) -> PictureVectors:
    fix = "give the state dict of Inception v3 as FID uses it, or a TorchScript module"
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for what is no file of tensors
        first = str(error).splitlines()[0]
        raise DataError(str(path), "a state dict or TorchScript", first, fix) from error
    lacks = [name for name in _layers() if f"{name}.conv.weight" not in held] if isinstance(held, dict) else ["all"]
    if lacks:
        raise DataError(str(path), "the layers of Inception v3", f"none called {lacks[0]}", fix)
    net = Inception({name: tensor.float() for name, tensor in held.items() if torch.is_tensor(tensor)})
    classes, width = (int(size) for size in held["fc.weight"].shape) if "fc.weight" in held else (0, 0)
    proper = (classes, width) == (CLASSES, WIDTH)
    called = "FID" if proper else f"Fréchet distance in an Inception of {path.name}, which is not that of FID"
    return PictureVectors(called, net.embed)


def _layers() -> list[str]:
    """Names of all convolutions."""
    inside = [f"{block}.{name}" for block, branches in _BLOCKS.items() for branch in branches for name in branch]
    pooled = [f"{block}.branch_pool" for block in _BLOCKS if block not in _HALVING]
    return [*_STEM, *dict.fromkeys(inside), *pooled]


def _of_script(path: Path, script: Any) -> PictureVectors:
    """A module that says `return_features` is the graph of 2015 as it is passed around; it scales by itself."""
    known = [argument.name for argument in script.forward.schema.arguments]
    proper = "return_features" in known
    more = {"return_features": True} if proper else {}

    def embed(pictures: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            found = [script(_batch([one]).to(torch.uint8), **more).flatten(1) for one in pictures]
        return torch.cat(found).float().numpy()

    return PictureVectors("FID" if proper else f"Fréchet distance in the network of {path.name}", embed)


def _batch(pictures: Sequence[Pixels]) -> Tensor:
    """float32 (n, 3, height, width) of pictures of one size, 0 to 255."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()


class Inception:
    """The network as a function of its weights: sizes are those of the tensors."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def embed(self, pictures: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """float32 (pictures, width): means over what the last block sees of each."""
        parts = []
        with torch.no_grad():
            for low in range(0, len(pictures), _CHUNK):
                scaled = [self._scaled(one) for one in pictures[low : low + _CHUNK]]
                parts.append(self.features(torch.cat(scaled)).numpy())
        return np.concatenate(parts)

    def _scaled(self, picture: Pixels) -> Tensor:
        """float32 (1, 3, 299, 299) in -1 to 1, stretched along straight lines."""
        size = (SIDE, SIDE)
        return F.interpolate(_batch([picture]) / 255, size, mode="bilinear", align_corners=False) * 2 - 1

    def features(self, x: Tensor) -> Tensor:
        """float32 (n, width) of (n, 3, side, side) in -1 to 1; sides from 75 pixels on."""
        for name in _STEM[:3]:
            x = self._layer(x, name, 2 if name == _STEM[0] else 1, same=name == _STEM[2])
        x = F.max_pool2d(x, 3, 2)
        for name in _STEM[3:]:
            x = self._layer(x, name, 1, same=False)
        x = F.max_pool2d(x, 3, 2)
        for block, branches in _BLOCKS.items():
            x = self._block(x, block, branches)
        return x.mean(dim=(2, 3))

    def _block(self, x: Tensor, block: str, branches: Sequence[Branch]) -> Tensor:
        halves = block in _HALVING
        found = []
        for branch in branches:
            inside = x
            for place, name in enumerate(branch):
                last = halves and place + 1 == len(branch)
                inside = self._layer(inside, f"{block}.{name}", 2 if last else 1, same=not last)
            found.append(inside)
        if halves:
            return torch.cat([*found, F.max_pool2d(x, 3, 2)], dim=1)
        if block == "Mixed_7c":
            pooled = F.max_pool2d(x, 3, 1, padding=1)
        else:
            pooled = F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)
        return torch.cat([*found, self._layer(pooled, f"{block}.branch_pool", 1, same=True)], dim=1)

    def _layer(self, x: Tensor, name: str, stride: int, same: bool) -> Tensor:
        """Convolution, normalisation by what was learned, rectifier."""
        kernel, held = self.weights[f"{name}.conv.weight"], self.weights
        padding = (kernel.shape[2] // 2, kernel.shape[3] // 2) if same else (0, 0)
        x = F.conv2d(x, kernel, stride=stride, padding=padding)
        mean, variance, scale, shift = (held[f"{name}.bn.{part}"] for part in _LAW)
        return F.relu(F.batch_norm(x, mean, variance, scale, shift, training=False, eps=1e-3))
