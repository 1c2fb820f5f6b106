"""What does a picture show: which product or category, and as which vector does it stand for itself?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.images import Pictures
from leaven.errors import FitError, SpecError
from leaven.nn import checkpoint
from leaven.nn.training import Chance, Course, train
from leaven.progress import Tell, quiet

Views = Callable[[Pictures, npt.NDArray[np.uint64]], Pictures]
"""Changes pictures, by a key each: what a step sees instead of them."""
_CHUNK = 256  # pictures of one forward pass, always: the same vectors whatever else is asked
_FILE = "pictures.safetensors"


@dataclass(frozen=True)
class PictureShape:
    """classes: how many there are to tell apart; widths: channels of each halving of the sides."""

    classes: int
    widths: tuple[int, ...] = (32, 64, 128)
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.classes < 2 or not self.widths:
            raise SpecError("pictures.classes", "two classes and one width at least", repr(self), "")


class PictureNet(nn.Module):
    """Convolutions that halve the sides, a mean over what is left, one layer to the classes."""

    def __init__(self, shape: PictureShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        steps: list[nn.Module] = []
        before = 3
        for width in shape.widths:
            steps += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.body = nn.Sequential(*steps)
        self.dropout, self.head = nn.Dropout(shape.dropout), nn.Linear(before, shape.classes)
        for weight in self.parameters():
            if weight.ndim > 1:
                bound = (6 / weight[0].numel()) ** 0.5
                nn.init.uniform_(weight, -bound, bound, generator=generator)
        nn.init.zeros_(self.head.bias)

    def vectors(self, pixels: Tensor) -> Tensor:
        """float32 (n, widths[-1]) of uint8 (n, height, width, 3)."""
        scaled = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1  # (n, 3, height, width)
        return self.body(scaled).mean(dim=(2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        """float32 (n, classes): logits."""
        return self.head(self.dropout(self.vectors(pixels)))


@dataclass(frozen=True)
class PictureTraining:
    """How the classifier is trained. key: every draw follows from it; steps, batch, learning_rate of the optimiser."""

    key: int
    steps: int = 600
    batch: int = 64
    learning_rate: float = 3e-3
    device: str = "auto"
    tell: Tell = quiet


@dataclass(frozen=True, eq=False)
class PictureEncoder:
    """A trained classifier of a catalogue's own pictures."""

    net: PictureNet
    facts: dict[str, Any]

    def embed(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 (pictures, width): a vector a picture of uint8 (pictures, height, width, 3), for distances."""
        return self._through(self.net.vectors, pixels, self.net.shape.widths[-1])

    def chances(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 (pictures, classes): probabilities."""
        return self._through(lambda part: self.net(part).softmax(dim=1), pixels, self.net.shape.classes)

    def _through(
        self, work: Callable[[Tensor], Tensor], pixels: npt.NDArray[np.uint8], width: int
    ) -> npt.NDArray[np.float32]:
        made = np.empty((len(pixels), width), np.float32)
        with torch.no_grad():
            for low in range(0, len(pixels), _CHUNK):
                part = np.zeros((_CHUNK, *pixels.shape[1:]), np.uint8)
                part[: len(pixels) - low] = pixels[low : low + _CHUNK]
                found = work(torch.from_numpy(part)).numpy()
                made[low : low + _CHUNK] = found[: len(pixels) - low]
        return made

    def save(self, folder: Path) -> None:
        """Weights and shape in one file."""
        said = {"shape": asdict(self.net.shape), "facts": self.facts}
        checkpoint.write(folder / _FILE, self.net.state_dict(), said)

    @classmethod
    def load(cls, folder: Path) -> PictureEncoder:
        """What `save` wrote; DataError where it is not there."""
        tensors, said = checkpoint.read(folder / _FILE)
        shape = said["shape"] | {"widths": tuple(said["shape"]["widths"])}
        net = PictureNet(PictureShape(**shape), torch.Generator().manual_seed(0))
        net.load_state_dict(tensors)
        return cls(net.eval(), said["facts"])


def learn(
    pictures: Pictures,
    classes: npt.NDArray[np.int64],
    training: PictureTraining,
    views: Views | None = None,
    shape: PictureShape | None = None,
) -> PictureEncoder:
    """A classifier from pictures and int64 (pictures,) classes from 0; in each step it sees `views` of a batch.

    Raises FitError where there is nothing to tell apart, or the loss is no number.
    """
    if len(np.unique(classes)) < 2:
        raise FitError("pictures", "pictures of two classes at least", f"{len(np.unique(classes))}", "")
    chosen = shape or PictureShape(int(classes.max()) + 1)
    net = PictureNet(chosen, torch.Generator().manual_seed(rng.key(training.key, "begin")))
    course = Course(
        key=training.key,
        steps=training.steps,
        learning_rate=training.learning_rate,
        look_every=max(training.steps, 1),
        device=training.device,
        precision="32-true",
        tell=training.tell,
    )
    outcome = train(_Classes(net, pictures, classes, training, views), course)
    return PictureEncoder(net, outcome.facts | {"loss": outcome.curve[-1]["loss"]})


@dataclass(eq=False)
class _Classes:
    """Cross-entropy of drawn batches."""

    net: nn.Module
    pictures: Pictures
    classes: npt.NDArray[np.int64]
    training: PictureTraining
    views: Views | None

    def epoch(self, number: int, progress: float) -> Sequence[npt.NDArray[np.int64]]:
        """All pictures in an order of the epoch's own; a last batch that is too small is left out."""
        order = rng.generator(rng.key(self.training.key, "order", number)).permutation(len(self.pictures))
        size = min(self.training.batch, len(order))
        return [order[low : low + size] for low in range(0, len(order) - size + 1, size)]

    def loss(self, net: nn.Module, batch: npt.NDArray[np.int64], chance: Chance) -> tuple[Tensor, int]:
        """Mean over the batch."""
        part = self.pictures.take(batch)
        if self.views is not None:
            part = self.views(part, rng.row_keys(chance.key, batch.astype(np.uint64)))
        device = next(net.parameters()).device
        logits = net(torch.from_numpy(np.array(part.pixels)).to(device))
        wanted = torch.from_numpy(self.classes[batch]).to(device)
        return nn.functional.cross_entropy(logits, wanted), len(batch)

    def look(self, net: nn.Module) -> float | None:
        """Nothing is looked at: all arms take the same steps."""
        return None
