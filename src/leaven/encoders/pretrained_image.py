"""What does a net that others have trained, read from a file of this machine, make of an item's picture?"""

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
from leaven.encoders.image_loading import BATCH, PictureVectors, has_pictures
from leaven.encoders.vector_cache import Vectors, hash_of
from leaven.errors import DataError, MissingExtra, SpecError

_OUTPUTS = ("image_embeds", "pooler_output", "last_hidden_state")


@dataclass(frozen=True)
class PictureModel:
    """Vectors of the items' pictures by weights that lie on this machine; nothing is ever downloaded.

    weights    a TorchScript file; a file of weights (a state dict, .pt, .pth or .safetensors) of `net`; or a folder of
               `save_pretrained` (CLIP, ViT, DINO …)
    net        for a file of weights: what makes the net, "module:function" ("timm:create_model",
               "torchvision.models:resnet18"), with `arguments` by name
    size       pixels along each side that it wants
    mean, spread   of each channel in 0..1, which it was trained on; those of ImageNet by default
    cache      a folder where vectors are kept by the hash of weights and pixels; "": nowhere

    The vector is the output where it is one number a feature, the mean over places where it is a map of features.
    """

    weights: str = ""
    net: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    size: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    spread: tuple[float, float, float] = (0.229, 0.224, 0.225)
    cache: str = ""
    modality: ClassVar[str] = "pictures"

    def __post_init__(self) -> None:
        if self.size < 8 or not min(self.spread) > 0:
            raise SpecError("picture_model.size", "8 pixels or more, a spread above 0", f"{self.size}", "size = 224")
        if self.net and ":" not in self.net:
            raise SpecError("picture_model.net", '"module:function"', repr(self.net), 'net = "timm:create_model"')

    def knows(self, catalog: Catalog) -> bool:
        """Whether the catalogue names any pictures."""
        return has_pictures(catalog)

    def fit(self, catalog: Catalog, key: int = 0) -> PictureVectors:
        """Opens the net; nothing is learned.

        Raises DataError for weights that are not there or do not fit; MissingExtra for a library that is not.
        """
        place = Path(self.weights)
        if not self.weights or not place.exists():
            raise DataError(self.weights or "picture_model.weights", "a file or folder with weights", "none", "")
        encode = _encoder(self, _opened(self, place))
        mark = repr({**asdict(self), "cache": "", "weights": hash_of(place)})
        probe = encode(np.zeros((1, self.size, self.size, 3), np.uint8))
        return PictureVectors(encode, int(probe.shape[1]), self.size, mark, self.cache)


def _opened(wish: PictureModel, place: Path) -> Any:
    if place.is_dir():
        return _of_folder(place)
    return _of_weights(wish, place) if wish.net else _of_script(place)


def _of_folder(folder: Path) -> Any:
    """By transformers; of a net that reads words too, the part that sees."""
    try:
        from transformers import AutoModel
    except ImportError:
        raise MissingExtra("transformers", "llm") from None
    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise DataError(str(folder), "a model that can be read", str(error).splitlines()[0], "") from error
    return getattr(model, "get_image_features", model)


def _of_script(place: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():  # torch would have new files in another form; old ones stay what they are
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(place, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        fix = 'for a file of weights alone say what makes the net: net = "timm:create_model"'
        raise DataError(str(place), "a TorchScript file", str(error).splitlines()[0], fix) from error


def _of_weights(wish: PictureModel, place: Path) -> Any:
    module, _, name = wish.net.partition(":")
    try:
        make: Callable[..., Any] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise DataError("picture_model.net", "an installed library", str(error), f"pip install {module}") from error
    except AttributeError as error:
        raise DataError("picture_model.net", f"a function of {module}", repr(name), "") from error
    net = make(**wish.arguments)
    try:
        net.load_state_dict(_state(place))
    except (RuntimeError, ValueError, KeyError) as error:
        raise DataError(str(place), f"weights of {wish.net}", " ".join(str(error).split())[:200], "") from error
    return net.eval()


def _state(place: Path) -> Any:
    if place.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(place)
    import torch

    found = torch.load(place, map_location="cpu", weights_only=True)
    return found.get("state_dict", found)


def _encoder(wish: PictureModel, model: Any) -> Callable[[Pixels], Vectors]:
    import torch

    mean, spread = (torch.tensor(one).view(1, 3, 1, 1) for one in (wish.mean, wish.spread))

    def encode(pixels: Pixels) -> Vectors:
        """Always as many pictures in a pass: the same vectors whatever stands beside."""
        part = np.zeros((BATCH if len(pixels) > 1 else 1, *pixels.shape[1:]), np.uint8)
        part[: len(pixels)] = pixels
        with torch.inference_mode():
            seen = torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255
            found = _features(model((seen - mean) / spread))
        return np.asarray(found[: len(pixels)].float().numpy(), np.float32)

    return encode


def _features(said: Any) -> Any:
    """(pictures, features) of whatever a net gives: the first of several, means over places of maps and of patches."""
    for name in _OUTPUTS:
        if getattr(said, name, None) is not None:
            said = getattr(said, name)
            break
    if isinstance(said, tuple | list):
        said = said[0]
    return said.mean(dim=tuple(range(2, said.ndim))) if said.ndim == 4 else said.mean(1) if said.ndim == 3 else said
