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
from leaven.generators.sequence.decoder_config import DecoderGeneratorConfig, check_training_data
from leaven.generators.sequence.fitted_decoder import FittedDecoder, load_decoder
from leaven.generators.sequence.sequence_scaffold import Placement, ScaffoldSampler, reverse_rows
from leaven.progress import ProgressCallback, no_progress, prefix_progress
from leaven.protocols import OperatorTraits

if TYPE_CHECKING:
    from leaven.generators.sequence.decoder import Decoder
    from leaven.generators.sequence.fitting import Curve, SequenceTrainingSplit

_MAX_ITEMS = 20_000  # each generated event is a vector over all items


@dataclass(frozen=True, kw_only=True)
class Gan(DecoderGeneratorConfig):
    """Generates new rows, or extends real rows, with a network trained against a discriminator.

    loss                       relativistic: pairs of real and generated rows, with gradient penalties at both (R1 and
                               R2; Huang et al., NeurIPS 2024); source: -E log D(x) - E log(1 - D(G(z))), minimized by
                               the discriminator and maximized by the generator, without penalty
    penalty                    weight of both penalties of the relativistic loss
    adversarial_steps          steps after likelihood training, alternating discriminator and generator; 0: none
    adversarial_learning_rate  learning rate of these steps
    likelihood_weight          weight of the likelihood of real rows in generator steps; 0: adversarial loss alone
    gumbel_temperature         temperature of the Gumbel-softmax: lower values give less bias and more variance
    batch_rows, max_events     rows and maximum row length of an adversarial step
    other fields: see `DecoderGeneratorConfig`; steps: of likelihood training
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits(
        "gan", role="generator", reports_progress=True, accepts_like=True, has_default_filters=True
    )
    loss: Literal["relativistic", "source"] = "relativistic"
    penalty: float = 1.0
    adversarial_steps: int = 200
    adversarial_learning_rate: float = 2e-4
    likelihood_weight: float = 0.5
    gumbel_temperature: float = 1.0
    batch_rows: int = 64
    max_events: int = 12
    where: Placement = "alone"
    layers: int = 1

    cell: ClassVar[str] = "gru"
    heads: ClassVar[int] = 1

    def __post_init__(self) -> None:
        own = [
            ("loss", self.loss in ("relativistic", "source"), "relativistic or source"),
            ("penalty", self.penalty >= 0, "0 or more"),
            ("adversarial_steps", self.adversarial_steps >= 0, "0 or more"),
            ("adversarial_learning_rate", self.adversarial_learning_rate > 0, "a number above 0"),
            ("likelihood_weight", self.likelihood_weight >= 0, "0 or more"),
            ("gumbel_temperature", self.gumbel_temperature > 0, "a number above 0"),
            ("batch_rows", self.batch_rows >= 1, "1 or more"),
            ("max_events", self.max_events >= 2, "2 or more"),
        ]
        self.validate_fields("gan", own)

    def fit(self, train: Histories, key: int, on_progress: ProgressCallback = no_progress) -> FittedDecoder:
        """Trains on likelihood, then adversarially. All random draws derive from `key`.

        Raises FitError for rows without events, more than 20,000 items, or a non-finite loss; MissingExtra without
        torch.
        """
        check_training_data("gan", train)
        if train.n_items > _MAX_ITEMS:
            fix = "drop rare items, or use the autoregressive generator"
            raise FitError("gan", f"at most {_MAX_ITEMS:,} items", f"{train.n_items:,}", fix)
        from leaven.generators.sequence.fitting import (
            build_decoding_config,
            build_training_split,
            calibrate_repeats,
            train_decoder,
        )
        from leaven.generators.sequence.popularity_calibration import calibrate_popularity

        scaffolds = ScaffoldSampler.from_training_rows(train, self)
        ground = build_training_split(reverse_rows(train) if scaffolds.backwards else train, key)
        net, curve = train_decoder(self, ground, key, on_progress)
        if self.adversarial_steps and (ground.train_rows.lengths >= 3).any():
            curve = [*curve, *self._train_adversarially(net, ground, key, int(curve[-1]["step"]), on_progress)]
        decoding = build_decoding_config(self, train, ground, calibrate_repeats(net, ground, self.max_length))
        return calibrate_popularity(
            FittedDecoder("gan", self, net, decoding, scaffolds, curve), train, key, on_progress
        )

    def _train_adversarially(
        self, net: Decoder, ground: SequenceTrainingSplit, key: int, done: int, on_progress: ProgressCallback
    ) -> Curve:
        """Trains the net in place, and returns the curve; its steps continue from `done`."""
        import torch

        from leaven.generators.sequence.adversarial import (
            AdversarialObjective,
            AdversarialPair,
            AdversarialTask,
            Discriminator,
        )
        from leaven.nn import training

        discriminator = Discriminator(
            net.items.weight.detach(), torch.Generator().manual_seed(rng.derive_key(key, "judge"))
        )
        penalty = self.penalty if self.loss == "relativistic" else 0.0
        aim = AdversarialObjective(
            self.loss, penalty, self.likelihood_weight, self.gumbel_temperature, self.batch_rows, self.max_events
        )
        course = training.TrainerConfig(
            key=rng.derive_key(key, "rivalry"),
            steps=self.adversarial_steps,
            learning_rate=self.adversarial_learning_rate,
            weight_decay=0.0,
            validate_every=max(self.adversarial_steps // 10, 1),
            device=self.device,
            precision="32-true",
            on_progress=prefix_progress(on_progress, "adversarial training"),
        )
        task = AdversarialTask(AdversarialPair(net, discriminator), aim, ground, rng.derive_key(key, "rivalry rows"))
        curve = training.train_network(task, course).curve
        return [record | {"step": record["step"] + done} for record in curve]

    @staticmethod
    def load(folder: Path) -> FittedDecoder:
        """Loads a generator that `FittedDecoder.save` wrote, without the catalog.

        Raises DataError where the folder holds no such file.
        """
        return load_decoder(Gan, "gan", folder)
