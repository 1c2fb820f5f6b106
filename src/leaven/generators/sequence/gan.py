"""How would these rows go on, by a net that learned to deceive a judge?

A GRU, trained on likelihood first, then against a judge of whole rows. Caccia et al. (ICLR 2020) found sequence GANs
behind plain likelihood with a temperature; it stands here because it is asked for, and `bench/generators.py` says where
it stands. Times come from the same law of gaps as the Markov chain's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError
from leaven.generators.sequence.fitted_decoder import OfNet, Writer, loaded, ready
from leaven.generators.sequence.sequence_scaffold import Frames, Where, mirrored
from leaven.progress import Tell, quiet, within

_MOST_ITEMS = 20_000  # each drawn event is a vector over all of them


@dataclass(frozen=True, kw_only=True)
class Gan(OfNet):
    """New rows, or real rows continued, by a net that was trained against a judge.

    loss               relativistic: each real row against a made one, with `penalty` on the judge's slopes at both
                       (R1 and R2; Huang et al., NeurIPS 2024); source: -E log D(x) - E log(1 - D(G(z))), which the
                       judge lowers and the generator raises, without a penalty
    penalty            weight of both penalties, for the relativistic loss
    adversarial_steps  steps after those of likelihood, the judge's and the generator's in turns; 0: none
    adversarial_rate   learning rate of these
    anchor             weight of the likelihood of real rows in the generator's turns; 0: only the judge's word counts
    heat               of the Gumbel-softmax: near 0 its gradient is truer and wilder
    batch_rows, most_events    of a step against the judge
    other fields as of `OfNet`; steps: those of likelihood
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
            ("loss", self.loss in ("relativistic", "source"), "relativistic or source"),
            ("penalty", self.penalty >= 0, "0 or more"),
            ("adversarial_steps", self.adversarial_steps >= 0, "0 or more"),
            ("adversarial_rate", self.adversarial_rate > 0, "a number above 0"),
            ("anchor", self.anchor >= 0, "0 or more"),
            ("heat", self.heat > 0, "a number above 0"),
            ("batch_rows", self.batch_rows >= 1, "1 or more"),
            ("most_events", self.most_events >= 2, "2 or more"),
        ]
        self.check("gan", own)

    def fit(self, train: Histories, key: int, tell: Tell = quiet) -> Writer:
        """Train the net, then net and judge. Every draw of the training follows from `key`.

        Raises FitError where there is no event, there are more than 20,000 items, or the loss is no finite number;
        MissingExtra without torch.
        """
        ready("gan", train)
        if train.n_items > _MOST_ITEMS:
            fix = "drop rare items, or take the autoregressive generator"
            raise FitError("gan", f"at most {_MOST_ITEMS:,} items", f"{train.n_items:,}", fix)
        from leaven.generators.sequence.fitting import Ground, ground_of, keep_seen_by, learned, pen_of
        from leaven.generators.sequence.popularity_calibration import as_popular

        frames = Frames.of(train, self)
        ground: Ground = ground_of(mirrored(train) if frames.backwards else train, key)
        net, curve = learned(self, ground, key, tell)
        if self.adversarial_steps and (ground.learning.lengths >= 3).any():
            curve = [*curve, *self._against_a_judge(net, ground, key, int(curve[-1]["step"]), tell)]
        pen = pen_of(self, train, ground, keep_seen_by(net, ground, self.length))
        return as_popular(Writer("gan", self, net, pen, frames, curve), train, key, tell)

    def _against_a_judge(self, net: object, ground: object, key: int, done: int, tell: Tell) -> list[dict[str, float]]:
        """Trains the net further, in place; its curve, steps counted on."""
        import torch

        from leaven.generators.sequence.adversarial import Aim, Judge, Rivalry, Rivals
        from leaven.generators.sequence.decoder import Decoder
        from leaven.generators.sequence.fitting import Ground
        from leaven.nn import training

        assert isinstance(net, Decoder)
        assert isinstance(ground, Ground)
        judge = Judge(net.items.weight.detach(), torch.Generator().manual_seed(rng.key(key, "judge")))
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
            tell=within(tell, "against a judge"),
        )
        task = Rivalry(Rivals(net, judge), aim, ground, rng.key(key, "rivalry rows"))
        curve = training.train(task, course).curve
        return [record | {"step": record["step"] + done} for record in curve]

    @staticmethod
    def load(folder: Path) -> Writer:
        """What `Writer.save` wrote, without the catalogue.

        Raises DataError where the folder holds no such net.
        """
        return loaded(Gan, "gan", folder)
