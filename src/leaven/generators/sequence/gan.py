"""Generative adversarial network of histories.

A GRU, trained on likelihood first, then against a discriminator of whole rows. Caccia et al. (ICLR 2020) found sequence
GANs behind plain likelihood with a temperature; `bench/generators.py` measures the difference. Times follow the gap
distribution of the Markov generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError
from leaven.generators.sequence.fitted_decoder import OfNet, Writer, loaded, ready
from leaven.generators.sequence.sequence_scaffold import Frames, Where, mirrored
from leaven.progress import Tell, quiet, within

if TYPE_CHECKING:
    from leaven.generators.sequence.decoder import Decoder
    from leaven.generators.sequence.fitting import Curve, Ground

_MAX_ITEMS = 20_000  # each generated event is a vector over all items


@dataclass(frozen=True, kw_only=True)
class Gan(OfNet):
    """Generates new rows, or extends real rows, with a network trained against a discriminator.

    loss               relativistic: pairs of real and generated rows, with gradient penalties at both (R1 and R2; Huang
                       et al., NeurIPS 2024); source: -E log D(x) - E log(1 - D(G(z))), minimized by the discriminator
                       and maximized by the generator, without penalty
    penalty            weight of both penalties of the relativistic loss
    adversarial_steps  steps after likelihood training, alternating discriminator and generator; 0: none
    adversarial_rate   learning rate of these steps
    anchor             weight of the likelihood of real rows in generator steps; 0: adversarial loss alone
    heat               temperature of the Gumbel-softmax: lower values give less bias and more variance
    batch_rows, most_events    rows and maximum row length of an adversarial step
    other fields: see `DecoderGeneratorConfig`; steps: of likelihood training
    """

    loss: Literal["relativistic", "source"] = "relativistic"
    penalty: float = 1.0
    adversarial_steps: int = 200
    adversarial_rate: float = 2e-4
    anchor: float = 0.5
    heat: float = 1.0
    batch_rows: int = 64
    most_events: int = 12
    where: Where = "alone"
    layers: int = 1

    cell: ClassVar[str] = "gru"
    heads: ClassVar[int] = 1

    def __post_init__(self) -> None:
        own = [
            ("loss", self.loss, self.loss in ("relativistic", "source"), "relativistic or source"),
            ("penalty", self.penalty, self.penalty >= 0, "0 or more"),
            ("adversarial_steps", self.adversarial_steps, self.adversarial_steps >= 0, "0 or more"),
            ("adversarial_learning_rate", self.adversarial_rate, self.adversarial_rate > 0, "a number above 0"),
            ("likelihood_weight", self.anchor, self.anchor >= 0, "0 or more"),
            ("gumbel_temperature", self.heat, self.heat > 0, "a number above 0"),
            ("batch_rows", self.batch_rows, self.batch_rows >= 1, "1 or more"),
            ("max_events", self.most_events, self.most_events >= 2, "2 or more"),
        ]
        self.check("gan", own)

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> Writer:
        """Trains on likelihood, then adversarially. All random draws derive from `key`.

        Raises FitError for rows without events, more than 20,000 items, or a non-finite loss; MissingExtra without
        torch.
        """
        ready("gan", train)
        if train.n_items > _MAX_ITEMS:
            fix = "drop rare items, or use the autoregressive generator"
            raise FitError("gan", f"at most {_MAX_ITEMS:,} items", f"{train.n_items:,}", fix)
        from leaven.generators.sequence.fitting import ground_of, keep_seen_by, learned, pen_of
        from leaven.generators.sequence.popularity_calibration import as_popular

        frames = Frames.of(train, self)
        ground = ground_of(mirrored(train) if frames.backwards else train, key)
        net, curve = learned(self, ground, key, tell)
        if self.adversarial_steps and (ground.learning.lengths >= 3).any():
            curve = [*curve, *self._train_adversarially(net, ground, key, int(curve[-1]["step"]), tell)]
        pen = pen_of(self, train, ground, keep_seen_by(net, ground, self.length))
        return as_popular(Writer("gan", self, net, pen, frames, curve), train, key, tell)

    def _train_adversarially(self, net: Decoder, ground: Ground, key: int, done: int, tell: Tell) -> Curve:
        """Trains the net in place, and returns the curve; its steps continue from `done`."""
        import torch

        from leaven.generators.sequence.adversarial import Aim, Judge, Rivalry, Rivals
        from leaven.nn import training

        discriminator = Judge(net.items.weight.detach(), torch.Generator().manual_seed(rng.key(key, "judge")))
        penalty = self.penalty if self.loss == "relativistic" else 0.0
        aim = Aim(self.loss, penalty, self.anchor, self.heat, self.batch_rows, self.most_events)
        course = training.Course(
            key=rng.key(key, "rivalry"),
            steps=self.adversarial_steps,
            learning_rate=self.adversarial_rate,
            weight_decay=0.0,
            look_every=max(self.adversarial_steps // 10, 1),
            device=self.device,
            precision="32-true",
            tell=within(tell, "adversarial training"),
        )
        task = Rivalry(Rivals(net, discriminator), aim, ground, rng.key(key, "rivalry rows"))
        curve = training.train(task, course).curve
        return [record | {"step": record["step"] + done} for record in curve]

    @staticmethod
    def load(folder: Path) -> Writer:
        """Loads a generator that `FittedDecoder.save` wrote, without the catalog.

        Raises DataError where the folder holds no such file.
        """
        return loaded(Gan, "gan", folder)
