"""Inception v3 features for the Fréchet inception distance (FID).

Inception v3 (Szegedy and others, CVPR 2016, figures 5 to 7 and table 1) as Heusel and others (NeurIPS 2017) used it:
the TensorFlow graph of 2015, whose average pooling excludes the padded border and whose last block uses max pooling
(in PyTorch: Seitzer, pytorch-fid, 2020). Nothing is downloaded: the user provides the file of weights.
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

IMAGE_SIZE = 299  # pixels of the network's input
N_CLASSES, N_FEATURES = 1008, 2048  # of the 2015 network; other weights of this architecture give other distances
_CHUNK = 16  # images of one forward pass

Branch = tuple[str, ...]
_BLOCK_35: tuple[Branch, ...] = (
    ("branch1x1",),
    ("branch5x5_1", "branch5x5_2"),
    ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
)
_BLOCK_17: tuple[Branch, ...] = (
    ("branch1x1",),
    ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
    ("branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"),
)
_BLOCK_8: tuple[Branch, ...] = (
    ("branch1x1",),
    ("branch3x3_1", "branch3x3_2a"),
    ("branch3x3_1", "branch3x3_2b"),
    ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3a"),
    ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3b"),
)
_STRIDED_BLOCKS: Mapping[str, tuple[Branch, ...]] = {
    "Mixed_6a": (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")),
    "Mixed_7a": (("branch3x3_1", "branch3x3_2"), ("branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4")),
}
_BLOCKS: Mapping[str, tuple[Branch, ...]] = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _BLOCK_35),
    "Mixed_6a": _STRIDED_BLOCKS["Mixed_6a"],
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _BLOCK_17),
    "Mixed_7a": _STRIDED_BLOCKS["Mixed_7a"],
    **dict.fromkeys(("Mixed_7b", "Mixed_7c"), _BLOCK_8),
}
"""block -> its branches of consecutive convolutions; blocks that keep the resolution also have a pooled branch"""
_BATCH_NORM = ("running_mean", "running_var", "weight", "bias")
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")


@dataclass(frozen=True, eq=False)
class ImageFeatureExtractor:
    """A loaded network. distance_name: name of the Fréchet distance in its feature space; extract_features: images of
    any sizes, uint8 (height, width, 3) each, -> float32 (images, width)."""

    distance_name: str
    extract_features: Callable[[Sequence[Pixels]], npt.NDArray[np.float32]]


def load_inception(path: Path) -> ImageFeatureExtractor:
    """Loads a state dict of Inception v3, or a TorchScript module (uint8 or float images to vectors).

    Raises DataError if the file is missing or has another format.
    """
    if not path.is_file():
        raise DataError(str(path), "a file of weights", "none", "name the file of Inception's weights")
    if not _is_torchscript(path):
        fix = "give the state dict of Inception v3 as FID uses it, or a TorchScript module"
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises a dozen types for other files
            first = str(error).splitlines()[0]
            raise DataError(str(path), "a state dict or TorchScript", first, fix) from error
        is_dict = isinstance(state, dict)
        missing = [name for name in _list_layers() if f"{name}.conv.weight" not in state] if is_dict else ["all"]
        if missing:
            raise DataError(str(path), "the layers of Inception v3", f"no layer {missing[0]}", fix)
        net = Inception({name: tensor.float() for name, tensor in state.items() if torch.is_tensor(tensor)})
        classes, width = (int(size) for size in state["fc.weight"].shape) if "fc.weight" in state else (0, 0)
        is_fid = (classes, width) == (N_CLASSES, N_FEATURES)
        distance_name = "FID" if is_fid else f"Fréchet distance in the Inception network of {path.name} (not FID)"
        return ImageFeatureExtractor(distance_name, net.extract_features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is deprecated but still distributed
        return _wrap_script(path, torch.jit.load(str(path), map_location="cpu").eval())


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _list_layers() -> list[str]:
    inside = [f"{block}.{name}" for block, branches in _BLOCKS.items() for branch in branches for name in branch]
    pooled = [f"{block}.branch_pool" for block in _BLOCKS if block not in _STRIDED_BLOCKS]
    return [*_STEM, *dict.fromkeys(inside), *pooled]


def _wrap_script(path: Path, script: Any) -> ImageFeatureExtractor:
    """Wraps a module; one with an argument `return_features` is the 2015 graph, which rescales images itself."""
    arguments = [argument.name for argument in script.forward.schema.arguments]
    is_fid = "return_features" in arguments
    options = {"return_features": True} if is_fid else {}

    def extract_features(pictures: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            vectors = [script(_stack_images([image]).to(torch.uint8), **options).flatten(1) for image in pictures]
        return torch.cat(vectors).float().numpy()

    return ImageFeatureExtractor(
        "FID" if is_fid else f"Fréchet distance in the network of {path.name}", extract_features
    )


def _stack_images(pictures: Sequence[Pixels]) -> Tensor:
    """Stacks images of one size: float32 (n, 3, height, width), 0 to 255."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()


class Inception:
    """Inception v3 as a function of its weights; layer sizes follow from the tensors."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def extract_features(self, pictures: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Returns pooled features of the last block, float32 (images, width)."""
        parts, size = [], (IMAGE_SIZE, IMAGE_SIZE)
        with torch.no_grad():
            for low in range(0, len(pictures), _CHUNK):
                scaled = [
                    F.interpolate(_stack_images([image]) / 255, size, mode="bilinear", align_corners=False) * 2 - 1
                    for image in pictures[low : low + _CHUNK]
                ]
                parts.append(self.forward_features(torch.cat(scaled)).numpy())
        return np.concatenate(parts)

    def forward_features(self, x: Tensor) -> Tensor:
        """Returns features, float32 (n, width), of (n, 3, side, side) in -1 to 1; side of 75 pixels or more."""
        for name in _STEM[:3]:
            x = self._apply_layer(x, name, 2 if name == _STEM[0] else 1, same=name == _STEM[2])
        x = F.max_pool2d(x, 3, 2)
        for name in _STEM[3:]:
            x = self._apply_layer(x, name, 1, same=False)
        x = F.max_pool2d(x, 3, 2)
        for block, branches in _BLOCKS.items():
            x = self._apply_block(x, block, branches)
        return x.mean(dim=(2, 3))

    def _apply_block(self, x: Tensor, block: str, branches: Sequence[Branch]) -> Tensor:
        is_strided = block in _STRIDED_BLOCKS
        outputs = []
        for branch in branches:
            inside = x
            for index, name in enumerate(branch):
                last = is_strided and index + 1 == len(branch)
                inside = self._apply_layer(inside, f"{block}.{name}", 2 if last else 1, same=not last)
            outputs.append(inside)
        if is_strided:
            return torch.cat([*outputs, F.max_pool2d(x, 3, 2)], dim=1)
        if block == "Mixed_7c":
            pooled = F.max_pool2d(x, 3, 1, padding=1)
        else:
            pooled = F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)
        return torch.cat([*outputs, self._apply_layer(pooled, f"{block}.branch_pool", 1, same=True)], dim=1)

    def _apply_layer(self, x: Tensor, name: str, stride: int, same: bool) -> Tensor:
        """Applies convolution, batch normalization with the trained statistics, and ReLU."""
        kernel = self.weights[f"{name}.conv.weight"]
        padding = (kernel.shape[2] // 2, kernel.shape[3] // 2) if same else (0, 0)
        x = F.conv2d(x, kernel, stride=stride, padding=padding)
        mean, variance, scale, shift = (self.weights[f"{name}.bn.{part}"] for part in _BATCH_NORM)
        return F.relu(F.batch_norm(x, mean, variance, scale, shift, training=False, eps=1e-3))
