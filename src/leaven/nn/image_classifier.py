"""Small convolutional classifier of catalog images, whose features serve as image embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.images import Images
from leaven.errors import FitError, SpecError
from leaven.nn import checkpoint
from leaven.nn.training import StepRng, TrainerConfig, train_network
from leaven.progress import ProgressCallback, no_progress

AugmentImages = Callable[[Images, npt.NDArray[np.uint64]], Images]
"""(images, uint64 row keys) -> augmented images."""
_CHUNK = 256  # images of every forward pass, padded: vectors do not depend on the batch
_FILE = "pictures.safetensors"


@dataclass(frozen=True)
class ImageClassifierShape:
    """n_classes: output classes; widths: channels of each stride-2 convolution; dropout: before the output layer."""

    n_classes: int
    widths: tuple[int, ...] = (32, 64, 128)
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.n_classes < 2 or not self.widths:
            raise SpecError("pictures.n_classes", "at least two classes and one width", repr(self), "")


class ImageClassifierNetwork(nn.Module):
    """Stride-2 convolutions, global average pooling and a linear classification layer."""

    def __init__(self, shape: ImageClassifierShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        steps: list[nn.Module] = []
        before = 3
        for width in shape.widths:
            steps += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.body = nn.Sequential(*steps)
        self.dropout, self.head = nn.Dropout(shape.dropout), nn.Linear(before, shape.n_classes)
        for weight in self.parameters():
            if weight.ndim > 1:
                bound = (6 / weight[0].numel()) ** 0.5
                nn.init.uniform_(weight, -bound, bound, generator=generator)
        nn.init.zeros_(self.head.bias)

    def embed_pixels(self, pixels: Tensor) -> Tensor:
        """Returns features, float32 (n, widths[-1]), of uint8 (n, height, width, 3)."""
        scaled = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1  # (n, 3, height, width)
        return self.body(scaled).mean(dim=(2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        """Returns logits, float32 (n, n_classes)."""
        return self.head(self.dropout(self.embed_pixels(pixels)))


@dataclass(frozen=True)
class ImageClassifierTraining:
    """Training configuration. key: seeds all random draws; steps, batch_size, learning_rate: of AdamW."""

    key: int
    steps: int = 600
    batch_size: int = 64
    learning_rate: float = 3e-3
    device: str = "auto"
    on_progress: ProgressCallback = no_progress


@dataclass(frozen=True, eq=False)
class ImageClassifier:
    """A trained image classifier."""

    net: ImageClassifierNetwork
    facts: Mapping[str, object]

    def embed_images(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Returns an embedding of each image, float32 (n, widths[-1]), from uint8 (n, height, width, 3)."""
        return self._compute_in_chunks(self.net.embed_pixels, pixels, self.net.shape.widths[-1])

    def predict_probabilities(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Returns class probabilities, float32 (n, n_classes)."""
        return self._compute_in_chunks(lambda part: self.net(part).softmax(dim=1), pixels, self.net.shape.n_classes)

    def _compute_in_chunks(
        self, compute: Callable[[Tensor], Tensor], pixels: npt.NDArray[np.uint8], width: int
    ) -> npt.NDArray[np.float32]:
        outputs = np.empty((len(pixels), width), np.float32)
        with torch.no_grad():
            for low in range(0, len(pixels), _CHUNK):
                part = np.zeros((_CHUNK, *pixels.shape[1:]), np.uint8)
                part[: len(pixels) - low] = pixels[low : low + _CHUNK]
                outputs[low : low + _CHUNK] = compute(torch.from_numpy(part)).numpy()[: len(pixels) - low]
        return outputs

    def save(self, folder: Path) -> None:
        """Saves weights and configuration in one file."""
        metadata = {"shape": asdict(self.net.shape), "facts": self.facts}
        checkpoint.save_tensors(folder / _FILE, self.net.state_dict(), metadata)

    @classmethod
    def load(cls, folder: Path) -> ImageClassifier:
        """Loads a saved classifier. Raises DataError if the file is missing."""
        tensors, metadata = checkpoint.load_tensors(folder / _FILE)
        shape = metadata["shape"] | {"widths": tuple(metadata["shape"]["widths"])}
        net = ImageClassifierNetwork(ImageClassifierShape(**shape), torch.Generator().manual_seed(0))
        net.load_state_dict(tensors)
        return cls(net.eval(), metadata["facts"])


def train_image_classifier(
    images: Images,
    classes: npt.NDArray[np.int64],
    config: ImageClassifierTraining,
    augment: AugmentImages | None = None,
    shape: ImageClassifierShape | None = None,
) -> ImageClassifier:
    """Trains a classifier on images and classes, int64 (images,) from 0, with `augment` applied to every batch.

    Raises FitError for fewer than two classes, or if the loss is not finite.
    """
    if len(np.unique(classes)) < 2:
        raise FitError("pictures", "images of at least two classes", f"{len(np.unique(classes))}", "")
    shape = shape or ImageClassifierShape(int(classes.max()) + 1)
    net = ImageClassifierNetwork(shape, torch.Generator().manual_seed(rng.derive_key(config.key, "begin")))
    trainer_config = TrainerConfig(
        key=config.key,
        steps=config.steps,
        learning_rate=config.learning_rate,
        validate_every=max(config.steps, 1),
        device=config.device,
        precision="32-true",
        on_progress=config.on_progress,
    )
    outcome = train_network(_ClassificationTask(net, images, classes, config, augment), trainer_config)
    return ImageClassifier(net, {**outcome.facts, "loss": outcome.curve[-1]["loss"]})


@dataclass(eq=False)
class _ClassificationTask:
    """Training task: cross-entropy of random batches."""

    net: nn.Module
    pictures: Images
    classes: npt.NDArray[np.int64]
    training: ImageClassifierTraining
    views: AugmentImages | None

    def build_batches(self, number: int, progress: float) -> Sequence[npt.NDArray[np.int64]]:
        """Returns batches of equal size in an order specific to the epoch; a smaller last batch is dropped."""
        order = rng.make_generator(rng.derive_key(self.training.key, "order", number)).permutation(len(self.pictures))
        size = min(self.training.batch_size, len(order))
        return [order[low : low + size] for low in range(0, len(order) - size + 1, size)]

    def compute_loss(self, net: nn.Module, batch: npt.NDArray[np.int64], step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (mean cross-entropy of the batch, images)."""
        part = self.pictures.take(batch)
        if self.views is not None:
            part = self.views(part, rng.derive_row_keys(step_rng.key, batch.astype(np.uint64)))
        device = next(net.parameters()).device
        logits = net(torch.from_numpy(np.array(part.pixels)).to(device))
        targets = torch.from_numpy(self.classes[batch]).to(device)
        return nn.functional.cross_entropy(logits, targets), len(batch)

    def validate_network(self, net: nn.Module) -> float | None:
        """Returns None: all variants train for the same number of steps."""
        return None
