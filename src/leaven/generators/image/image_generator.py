"""What do all generators of pictures share: what they learn from, how keys become pictures, what is kept?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.images import Pictures, Pixels
from leaven.errors import DataError, FitError, SpecError, nearest
from leaven.protocols import Keys

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


def check_sizes(config: Any) -> None:
    """Raises SpecError for sizes that no net can have; channels are normalised in groups of 8."""
    for name in ("noise", "width", "steps", "batch", "learning_rate"):
        if not getattr(config, name, 1) > 0:
            raise SpecError(f"{config.kind}.{name}", "more than 0", str(getattr(config, name)), "")
    if config.width % 8:
        raise SpecError(
            f"{config.kind}.width", "a multiple of 8", str(config.width), "groups of channels are normalised"
        )


def check_loss(where: str, loss: str, losses: Sequence[str]) -> None:
    """SpecError, naming the nearest, for a loss that is not known."""
    if loss not in losses:
        raise SpecError(where, f"one of {', '.join(losses)}", repr(loss), nearest(str(loss), losses))


def noise_of(keys: Keys, size: int) -> npt.NDArray[np.float32]:
    """float32 (keys, size): numbers of the standard normal law that follow from each key alone."""
    from scipy.special import ndtri

    draws = [rng.uniform(keys, draw) for draw in range(size)]
    return np.stack([ndtri(np.maximum(one, 2.0**-54)) for one in draws], axis=1).astype(np.float32)


def categories(keys: Keys, asked: Codes | None, learned: Learned, where: str) -> Codes:
    """A category code a key: as asked, and where 0 is asked one drawn as often as it was in training.

    Raises DataError for a code that training did not have.
    """
    known = len(learned.shares)
    drawn = np.searchsorted(np.cumsum(learned.shares), rng.uniform(keys, _CATEGORY), side="right")
    drawn = np.minimum(drawn, known - 1)
    if asked is None:
        return np.asarray(drawn, np.int32)
    if len(asked) != len(keys) or asked.min(initial=0) < 0 or asked.max(initial=0) >= known:
        raise DataError(f"{where}.category", f"{len(keys)} codes in 0 … {known - 1}", f"{np.unique(asked)}", "")
    return np.asarray(np.where(asked > 0, asked, drawn), np.int32)


def drawn(net: Any, side: int, keys: Keys, codes: Codes) -> Pixels:
    """uint8 (keys, side, side, 3): each picture from its key and its category, in chunks of one size."""
    import torch

    from leaven.nn.conv_blocks import to_bytes

    made = np.empty((len(keys), side, side, 3), np.uint8)
    with torch.no_grad():
        for low in range(0, len(keys), _CHUNK):
            some = keys[low : low + _CHUNK]
            part, own = np.zeros((_CHUNK, net.noise), np.float32), np.zeros(_CHUNK, np.int64)
            part[: len(some)], own[: len(some)] = noise_of(some, net.noise), codes[low : low + _CHUNK]
            pictures = to_bytes(net.draw(torch.from_numpy(part), torch.from_numpy(own)))
            made[low : low + _CHUNK] = pictures[: len(some)]
    return made


class Wish(Protocol):
    """What the configs share: a kind, sizes of training, and a net."""

    @property
    def kind(self) -> str: ...

    @property
    def steps(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def device(self) -> str: ...

    def net(self, learned: Learned, key: int) -> Any:
        """An untrained one (`nets.picture_stacks.Drawing`)."""
        ...


@dataclass(frozen=True, eq=False)
class DrawnPictures:
    """A trained generator of pictures. facts: seconds, steps, and the curve of the loss."""

    config: Wish
    learned: Learned
    net: Any
    facts: dict[str, Any]

    def sample(self, keys: Keys, category: Codes | None = None) -> Pictures:
        """One picture a key; DataError for a category that training did not have."""
        codes = categories(keys, category, self.learned, self.config.kind)
        return Pictures.of(drawn(self.net, self.learned.side, keys, codes))

    def save(self, folder: Path) -> None:
        """All its nets and what else is known, in one file."""
        from leaven.nn import checkpoint

        config: Any = self.config
        said = {"config": asdict(config), "side": self.learned.side, "shares": self.learned.shares.tolist()}
        said |= {"facts": self.facts}
        checkpoint.write(folder / f"{config.kind}.safetensors", self.net.state_dict(), said)


def fit(config: Wish, train: Pictures, key: int, category: Codes | None, course: Mapping[str, Any]) -> DrawnPictures:
    """Any of the generators, trained on pictures, by category where codes are given.

    course: what else its training is (`nets.training.Course`).

    Raises FitError for pictures that are no squares, and for a loss that is no number, with the step.
    """
    import torch

    from leaven.nn.conv_blocks import PictureTask
    from leaven.nn.training import Course
    from leaven.nn.training import train as go

    learned, codes = looked_at(train, category, config.kind)
    net = config.net(learned, rng.key(key, "begin"))
    task = PictureTask(net, train.pixels, torch.from_numpy(codes.astype(np.int64)), config.batch, key)
    usual: dict[str, Any] = {"weight_decay": 0.0, "device": config.device, "precision": "32-true"}
    outcome = go(
        task, Course(key=key, steps=config.steps, learning_rate=config.learning_rate, **(usual | dict(course)))
    )
    return DrawnPictures(config, learned, net, outcome.facts | {"curve": outcome.curve})


def load(cls: Any, folder: Path) -> DrawnPictures:
    """What `save` wrote of a config of this class; DataError where it is not there."""
    from leaven.nn import checkpoint

    tensors, said = checkpoint.read(folder / f"{cls.kind}.safetensors")
    config, learned = cls(**said["config"]), Learned(said["side"], np.array(said["shares"]))
    net = config.net(learned, 0)
    net.load_state_dict(tensors)
    return DrawnPictures(config, learned, net.eval(), said["facts"])
