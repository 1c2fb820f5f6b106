"""How would rows of a drawn taste go on?

A variational autoencoder of histories: a reader turns a history into a law of its taste, a decoder writes histories of
a taste; new users have a taste drawn from the prior. Times come from the same law of gaps as the Markov chain's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError
from leaven.generators.sequence.fitted_decoder import OfNet, Penned, of_heads, ready, to_score
from leaven.generators.sequence.sequence_scaffold import Frames, Where, mirrored
from leaven.progress import Tell, quiet
from leaven.protocols import Keys

if TYPE_CHECKING:
    from torch import Tensor

    from leaven.generators.sequence.item_sampling import Pen
    from leaven.generators.sequence.sequence_scaffold import Frame
    from leaven.generators.sequence.vae_net import Latent

_MOST_ITEMS = 20_000  # whose softmax one step can hold


@dataclass(frozen=True, kw_only=True)
class Vae(OfNet):
    """New rows, or real rows continued in their own taste, by a variational autoencoder.

    objective         likelihood: of the items, the evidence bound (Kingma and Welling, ICLR 2014, eq. 3);
                      squared_error: the divergence and the mean squared error of the items' probabilities
    beta              weight of the divergence from the prior; it rises from 0 in the first `warm_up` of the steps
    free_nats         divergence of a dimension that costs nothing, so that the taste is used (Kingma et al., 2016, C.8)
    latent            numbers of a taste
    samples           tastes drawn for a row's log likelihood, which is a lower bound
    cell, heads       as of `autoregressive`; other fields as of `OfNet`
    """

    objective: Literal["likelihood", "squared_error"] = "likelihood"
    beta: float = 1.0
    warm_up: float = 0.3
    free_nats: float = 0.1
    latent: int = 16
    samples: int = 8
    cell: Literal["transformer", "gru"] = "gru"
    layers: int = 1
    where: Where = "alone"
    heads: int = 2

    def __post_init__(self) -> None:
        own = [
            ("objective", self.objective in ("likelihood", "squared_error"), "likelihood or squared_error"),
            ("beta", self.beta >= 0, "0 or more"),
            ("warm_up", 0 <= self.warm_up <= 1, "a share of the steps in 0..1"),
            ("free_nats", self.free_nats >= 0, "0 or more"),
            ("latent", self.latent >= 1, "1 or more"),
            ("samples", self.samples >= 1, "1 or more"),
            ("cell", self.cell in ("transformer", "gru"), "transformer or gru"),
        ]
        self.check("vae", [*own, *of_heads(self.width, self.heads)])

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> FittedVae:
        """Train reader and decoder. Every draw of the training follows from `key`.

        Raises FitError where there is no event, there are more than 20,000 items, or the loss is no finite number;
        MissingExtra without torch.
        """
        ready("vae", train)
        if train.n_items > _MOST_ITEMS:
            fix = "drop rare items, or take the autoregressive generator"
            raise FitError("vae", f"at most {_MOST_ITEMS:,} items", f"{train.n_items:,}", fix)
        from leaven.generators.sequence.fitting import course_of, decoder_of, ground_of, pen_of
        from leaven.generators.sequence.popularity_calibration import as_popular
        from leaven.generators.sequence.vae_net import Aim, Tastes
        from leaven.nn import training

        frames = Frames.of(train, self)
        ground = ground_of(mirrored(train) if frames.backwards else train, key)
        net, course = self._net(decoder_of(self, ground, key), key), course_of(self, ground, key, tell)
        aim = Aim(self.objective, self.beta, self.warm_up, self.free_nats)
        task = Tastes(net, aim, ground, self.length, self.batch_events, course.steps, rng.key(key, "rows"))
        curve = training.train(task, course).curve
        pen = pen_of(self, train, ground, _keep_seen(net, ground, self.length))
        return as_popular(FittedVae(self, net, pen, frames, curve), train, key, tell)

    def _net(self, decoder: Any, key: int) -> Latent:
        import torch

        from leaven.generators.sequence.vae_net import Latent

        return Latent(decoder, self.latent, torch.Generator().manual_seed(rng.key(key, "reader")))

    @staticmethod
    def load(folder: Path) -> FittedVae:
        """What `FittedVae.save` wrote, without the catalogue.

        Raises DataError where the folder holds no such net.
        """
        import torch

        from leaven.generators.sequence.decoder import Decoder
        from leaven.generators.sequence.serialization import restored

        def build(wish: Any, shape: Any, knots: int) -> Latent:
            net: Latent = wish._net(Decoder(shape, wish.cell, knots, torch.ones(shape.n_items), torch.Generator()), 0)
            return net

        return FittedVae(*restored(Vae, folder / "vae.safetensors", build))


@dataclass(frozen=True, eq=False)
class FittedVae(Penned):
    """A trained autoencoder. curve: one record a look: step, loss, seconds, valid_log_likelihood (mean of an event)."""

    wish: Vae
    net: Latent
    pen: Pen
    frames: Frames
    curve: Sequence[Mapping[str, float]]

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key, of a taste of its own. With `like`, and `where` not alone: its rows continued, with their
        parents and weights, in a taste drawn from what the reader believes of each.

        New items were on sale at their time, and nothing happens after the last training event (in front of a
        history: before the first). Raises DataError where there are not as many keys as rows.
        """
        import copy

        from leaven.generators.sequence.decoding import write

        frame = self.frames.begin(self.wish, keys, like)
        net = copy.deepcopy(self.net).double().eval()
        write(net.decoder, self.pen, frame, self._taste(net, frame))
        return self.frames.finish(self.wish, frame)

    def _taste(self, net: Latent, frame: Frame) -> Tensor:
        """float64 (rows, width): from the prior, or from the reader's belief of the known events."""
        import torch

        from leaven.generators.sequence.vae_net import normals

        drawn = torch.from_numpy(normals(rng.mix(rng.mix(frame.keys)), net.latent))
        with torch.inference_mode():
            for rows, whole in _known(frame, self.wish.length, net.decoder.shape.n_items + 1):
                mean, log_variance = net.read(torch.from_numpy(whole))
                drawn[rows] = mean + drawn[rows] * (0.5 * log_variance).exp()
            taste: Tensor = net.tastes(drawn)
        return taste

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): a lower bound of the natural logarithm of the probability of each row's items, given the
        times and the first item: the mean over `samples` tastes, which follow from the row's key.

        `before` reads backwards: given the last item. Days of sale, repeats, temperature and cuts do not enter; a
        masked event is read, and never guessed.
        """
        from leaven.generators.sequence.vae_net import bounds

        read = to_score(self.frames, rows)
        return bounds(self.net, read, self.pen.knots, self.wish.length, self.wish.samples)

    def save(self, folder: Path) -> None:
        """Write vae.safetensors, which is whole or not there."""
        from leaven.generators.sequence.serialization import keep

        parts = (self.wish, self.net, self.net.decoder.shape, self.pen, self.frames, self.curve)
        keep(folder / "vae.safetensors", *parts)


def _keep_seen(net: Latent, ground: Any, length: int) -> float:
    """As `learning.keep_seen_by`, each row read with the mean of what is believed of its taste."""
    import torch

    from leaven.generators.sequence.fitting import keep_seen_by
    from leaven.generators.sequence.vae_net import latent_batch

    def states(stretches: Any, batch: Any) -> Any:
        return net(latent_batch(stretches, ground.knots), torch.zeros(len(stretches), net.latent))[0]

    return keep_seen_by(net.decoder, ground, length, states)


def _known(frame: Frame, length: int, begin: int) -> Any:
    """(rows, int64 (rows, places)): the last known events of rows that have some, a few hundred rows at a time."""
    order = np.argsort(frame.given, kind="stable")
    order = order[frame.given[order] > 0]
    for first in range(0, len(order), 512):
        rows = order[first : first + 512]
        given = frame.given[rows][:, None]
        number = given - 1 - np.arange(min(int(given.max()), length), -1, -1)  # -1: the row's begin
        whole = frame.items[np.maximum(frame.starts[rows][:, None] + number, 0)].astype(np.int64)
        yield rows, np.where(number >= 0, whole, np.where(number == -1, begin, 0))
