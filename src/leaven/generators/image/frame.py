"""What do all generators of pictures share: what they learn from, how keys become pictures, what is kept?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import seeds
from leaven.contracts import Keys
from leaven.data.pictures import Pictures, Pixels
from leaven.errors import DataError, FitError, SpecError, nearest

if TYPE_CHECKING:
    from torch import nn

    from leaven.nets.picture_stacks import StackShape

Codes = npt.NDArray[np.int32]
_SIDES = (8, 16, 32, 64, 128, 256)
_CHUNK = 64  # pictures of one forward pass, always: the same bytes at any batch size
_CATEGORY = 100_000  # the draw of a key that chooses the category, far behind those of its noise


@dataclass(frozen=True, eq=False)
class Learned:
    """shares: of the categories among the training pictures, from code 0 on."""

    side: int
    shares: npt.NDArray[np.float64]


def looked_at(train: Pictures, category: Codes | None, where: str) -> tuple[Learned, Codes]:
    """What there is to learn from, and a category code a picture (0 where none is given).

    Raises FitError for no pictures, sides that no net here has, and codes that do not fit.
    """
    fix = f"read them as squares of {', '.join(map(str, _SIDES))} pixels: read(paths, (32, 32))"
    if not len(train):
        raise FitError(where, "pictures to learn from", "none", "")
    tall, wide = train.pixels.shape[1:3]
    if tall != wide or tall not in _SIDES:
        raise FitError(where, "square pictures", f"{tall} × {wide}", fix)
    codes = np.zeros(len(train), np.int32) if category is None else np.asarray(category, np.int32)
    if codes.shape != (len(train),) or codes.min() < 0:
        raise FitError(where, f"one category code a picture, ({len(train)},), 0 or more", str(codes.shape), "")
    return Learned(tall, np.bincount(codes) / len(codes)), codes


def check_sizes(kind: str, wish: Any) -> None:
    """Raises SpecError for sizes that no net can have; channels are normalised in groups of 8."""
    for name in ("noise", "width", "steps", "batch", "learning_rate"):
        if not getattr(wish, name) > 0:
            raise SpecError(f"{kind}.{name}", "more than 0", str(getattr(wish, name)), "")
    if wish.width % 8:
        raise SpecError(f"{kind}.width", "a multiple of 8", str(wish.width), "groups of channels are normalised")


def check_loss(where: str, loss: str, losses: Sequence[str]) -> None:
    """SpecError, naming the nearest, for a loss that is not known."""
    if loss not in losses:
        raise SpecError(where, f"one of {', '.join(losses)}", repr(loss), nearest(str(loss), losses))


def noise_of(keys: Keys, size: int) -> npt.NDArray[np.float32]:
    """float32 (keys, size): numbers of the standard normal law that follow from each key alone."""
    from scipy.special import ndtri

    draws = [seeds.uniform(keys, draw) for draw in range(size)]
    return np.stack([ndtri(np.maximum(one, 2.0**-54)) for one in draws], axis=1).astype(np.float32)


def categories(keys: Keys, asked: Codes | None, learned: Learned, where: str) -> Codes:
    """A category code a key: as asked, and where 0 is asked one drawn as often as it was in training.

    Raises DataError for a code that training did not have.
    """
    known = len(learned.shares)
    drawn = np.searchsorted(np.cumsum(learned.shares), seeds.uniform(keys, _CATEGORY), side="right")
    drawn = np.minimum(drawn, known - 1)
    if asked is None:
        return np.asarray(drawn, np.int32)
    if len(asked) != len(keys) or asked.min(initial=0) < 0 or asked.max(initial=0) >= known:
        raise DataError(f"{where}.category", f"{len(keys)} codes in 0 … {known - 1}", f"{np.unique(asked)}", "")
    return np.asarray(np.where(asked > 0, asked, drawn), np.int32)


def drawn(maker: nn.Module, shape: StackShape, keys: Keys, codes: Codes) -> Pixels:
    """uint8 (keys, side, side, 3): each picture from its key and its category, in chunks of one size."""
    import torch

    from leaven.nets.picture_stacks import to_bytes

    made = np.empty((len(keys), shape.side, shape.side, 3), np.uint8)
    noise = noise_of(keys, shape.noise) if len(keys) else np.zeros((0, shape.noise), np.float32)
    with torch.no_grad():
        for low in range(0, len(keys), _CHUNK):
            part, own = np.zeros((_CHUNK, shape.noise), np.float32), np.zeros(_CHUNK, np.int64)
            part[: len(keys) - low], own[: len(keys) - low] = noise[low : low + _CHUNK], codes[low : low + _CHUNK]
            pictures = to_bytes(maker(torch.from_numpy(part), torch.from_numpy(own)))
            made[low : low + _CHUNK] = pictures[: len(keys) - low]
    return made


def write(folder: Path, name: str, net: nn.Module, wish: Any, learned: Learned, facts: dict[str, Any]) -> None:
    """Weights and what else is known in one file."""
    from leaven.nets import checkpoint

    said = {"wish": asdict(wish), "side": learned.side, "shares": learned.shares.tolist(), "facts": facts}
    checkpoint.write(folder / f"{name}.safetensors", net.state_dict(), said)


def read(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any], Learned]:
    """(weights, what was said, what was learned); DataError where nothing was kept."""
    from leaven.nets import checkpoint

    tensors, said = checkpoint.read(folder / f"{name}.safetensors")
    return tensors, said, Learned(said["side"], np.array(said["shares"]))
