"""Item vectors from images, by a pretrained network in a local file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels
from leaven.encoders.item_inputs import BATCH_SIZE, FittedImageEncoder, Vectors, has_images, hash_model
from leaven.errors import DataError, MissingExtra, SpecError

Model = Callable[..., object]
"""A network of pixels, float32 (images, 3, size, size); its output is that of its library."""
_OUTPUTS = ("image_embeds", "pooler_output", "last_hidden_state")


@dataclass(frozen=True)
class PretrainedImageEncoder:
    """Vectors of item images by local weights; nothing is downloaded.

    weights    a TorchScript file; a state dict (.pt, .pth or .safetensors) of a network built by `factory`; or a folder
               of `save_pretrained` (CLIP, ViT, DINO …)
    factory    for a state dict: "module:function" that builds the network ("timm:create_model",
               "torchvision.models:resnet18"), called with `arguments`
    size       side of the input images, in pixels
    mean, std  of each channel in 0..1, as in training; those of ImageNet by default
    cache      folder that caches vectors by the hash of weights and pixels; "": off

    Feature maps and patch sequences are averaged over their positions.
    """

    weights: str = ""
    factory: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict, hash=False)
    size: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    cache: str = ""
    modality: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        if self.size < 8 or not min(self.std) > 0:
            raise SpecError(
                "picture_model.size", "8 pixels or more, a standard deviation above 0", f"{self.size}", "size = 224"
            )
        if self.factory and ":" not in self.factory:
            raise SpecError(
                "picture_model.factory", '"module:function"', repr(self.factory), 'factory = "timm:create_model"'
            )

    def can_encode(self, catalog: Catalog) -> bool:
        """Returns whether the catalog names any images."""
        return has_images(catalog)

    def fit(self, catalog: Catalog, key: int = 0) -> FittedImageEncoder:
        """Loads the network; nothing is trained.

        Raises DataError for missing or mismatched weights; MissingExtra for a missing library.
        """
        path = Path(self.weights)
        if not self.weights or not path.exists():
            raise DataError(self.weights or "picture_model.weights", "a file or folder with weights", "none", "")
        network = self._load_network(path)
        encode = _build_encode(self, network)
        fingerprint = repr({**asdict(self), "cache": "", "weights": hash_model(path)})
        probe = encode(np.zeros((1, self.size, self.size, 3), np.uint8))
        return FittedImageEncoder(encode, int(probe.shape[1]), self.size, fingerprint, self.cache)

    def _load_network(self, path: Path) -> Model:
        if path.is_dir():
            return _load_folder(path)
        return _load_weights(self, path) if self.factory else _load_script(path)


def _load_folder(folder: Path) -> Model:
    try:
        from transformers import AutoModel
    except ImportError:
        raise MissingExtra("transformers", "llm") from None
    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise DataError(str(folder), "a model that can be read", str(error).splitlines()[0], "") from error
    features: Model = getattr(model, "get_image_features", model)
    return features


def _load_script(path: Path) -> Model:
    import torch

    try:
        with warnings.catch_warnings():  # TorchScript is deprecated but still distributed
            warnings.simplefilter("ignore", DeprecationWarning)
            script: Model = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
            return script
    except (RuntimeError, ValueError) as error:
        fix = 'for a state dict, name what builds the network: factory = "timm:create_model"'
        raise DataError(str(path), "a TorchScript file", str(error).splitlines()[0], fix) from error


def _load_weights(config: PretrainedImageEncoder, path: Path) -> Model:
    module, _, name = config.factory.partition(":")
    try:
        build: Callable[..., Any] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise DataError("picture_model.factory", "an installed library", str(error), f"pip install {module}") from error
    except AttributeError as error:
        raise DataError("picture_model.factory", f"a function of {module}", repr(name), "") from error
    net = build(**config.arguments)
    try:
        net.load_state_dict(_read_state_dict(path))
    except (RuntimeError, ValueError, KeyError) as error:
        raise DataError(str(path), f"weights of {config.factory}", " ".join(str(error).split())[:200], "") from error
    network: Model = net.eval()
    return network


def _read_state_dict(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    return state.get("state_dict", state)


def _build_encode(config: PretrainedImageEncoder, model: Model) -> Callable[[Pixels], Vectors]:
    import torch

    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (config.mean, config.std))

    def encode(pixels: Pixels) -> Vectors:
        """Encodes images in batches of constant size, so that vectors do not depend on the other images."""
        part = np.zeros((BATCH_SIZE if len(pixels) > 1 else 1, *pixels.shape[1:]), np.uint8)
        part[: len(pixels)] = pixels
        with torch.inference_mode():
            scaled = torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255
            features = _extract_features(model((scaled - mean) / std))
        return np.asarray(features[: len(pixels)].float().numpy(), np.float32)

    return encode


def _extract_features(output: Any) -> Any:
    """Returns (images, features) of any network output: the first of several, averaged over positions or patches."""
    for name in _OUTPUTS:
        if getattr(output, name, None) is not None:
            output = getattr(output, name)
            break
    if isinstance(output, tuple | list):
        output = output[0]
    if output.ndim == 4:
        return output.mean(dim=(2, 3))
    return output.mean(1) if output.ndim == 3 else output
