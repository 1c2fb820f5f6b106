"""Decoder and discriminator alternate, with the losses of the config."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [torch]")

import torch
import torch.nn.functional as F

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.generators.sequence.adversarial import (
    AdversarialObjective,
    AdversarialPair,
    AdversarialTask,
    Discriminator,
    compute_discriminator_loss,
)
from leaven.generators.sequence.fitting import build_decoder, build_training_split
from leaven.generators.sequence.gan import Gan
from leaven.nn.training import StepRng
from leaven.simulator import simulate_second_order


def keys(count: int) -> np.ndarray:
    return rng.derive_user_ids([f"new{i}" for i in range(count)])


def quick(rows: Histories, **config):
    small = {"width": 16, "steps": 120, "adversarial_steps": 20, "learning_rate": 1e-2}
    return Gan(**small | config).fit(rows, 7)


def rivalry(loss: str = "relativistic", penalty: float = 1.0, anchor: float = 0.0) -> AdversarialTask:
    rows, _ = simulate_second_order(5, rows=60, length=6, seed=3)
    ground = build_training_split(rows, 7)
    net = build_decoder(Gan(width=8, dropout=0.0), ground, 7)
    judge = Discriminator(net.items.weight.detach(), torch.Generator().manual_seed(1))
    return AdversarialTask(
        AdversarialPair(net, judge), AdversarialObjective(loss, penalty, anchor, 1.0, 16, 12), ground, 7
    )


def judged(penalty: float) -> float:
    """The discriminator loss on the same rows, before training."""
    task = rivalry(penalty=penalty)
    return float(task.compute_loss(task.net, task.build_batches(0, 0.0)[0], StepRng(5, 0, 1))[0].detach())


def test_losses_equal_those_of_the_papers() -> None:
    known, made = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 0.0])
    real, false = torch.sigmoid(known), torch.sigmoid(made)
    torch.testing.assert_close(
        compute_discriminator_loss("source", known, made), -(real.log().mean() + (1 - false).log().mean())
    )
    torch.testing.assert_close(
        compute_discriminator_loss("relativistic", known, made), -F.logsigmoid(known - made).mean()
    )


@pytest.mark.parametrize("loss", ["relativistic", "source"])
def test_the_network_that_is_not_trained_keeps_its_weights(loss) -> None:
    task = rivalry(loss)
    batches = task.build_batches(0, 0.0)
    for batch, learns, rests in ((batches[0], "discriminator", "decoder"), (batches[1], "decoder", "discriminator")):
        task.net.zero_grad(set_to_none=True)
        task.compute_loss(task.net, batch, StepRng(5, 0, 1))[0].backward()
        assert all(p.grad is None for p in getattr(task.net, rests).parameters())
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in getattr(task.net, learns).parameters())


def test_the_penalty_is_the_squared_gradient_at_real_and_synthetic_rows() -> None:
    without, gentle, hard = (judged(p) for p in (0.0, 1.0, 3.0))
    assert hard - without == pytest.approx(3 * (gentle - without), rel=1e-3)
    assert gentle > without


def test_generated_rows_are_one_hot_with_a_gradient() -> None:
    task = rivalry()
    real = task.build_batches(0, 0.0)[1]
    drawn = task.net(real, torch.zeros(*real.items.shape, 5), 1.0)
    torch.testing.assert_close(drawn.sum(2), torch.ones(real.items.shape))
    assert drawn.detach().round().unique().tolist() == [0.0, 1.0]
    (drawn[..., 0].sum()).backward()
    assert task.pair.decoder.gru.weight_ih_l0.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", ["relativistic", "source"])
def test_rows_after_adversarial_training_follow_the_distribution(loss) -> None:
    rows, _ = simulate_second_order(5, rows=300, length=8, seed=3)
    fitted = quick(rows, loss=loss)
    noise = Histories.from_lists(np.random.default_rng(1).integers(1, 6, (200, 8)).tolist(), 5)
    assert fitted.log_likelihood(rows.slice(0, 200)).mean() > fitted.log_likelihood(noise).mean() + 1
    assert fitted.sample(keys(30)).validate().items.tolist() == quick(rows, loss=loss).sample(keys(30)).items.tolist()
    steps = [record["step"] for record in fitted.curve]
    assert steps == sorted(set(steps))
    assert steps[-1] == 140


def test_rows_too_short_for_a_discriminator_and_an_invalid_config() -> None:
    single = Histories.from_lists([[1], [2], [1]], 3)
    assert (quick(single, steps=2).sample(keys(5)).lengths > 0).all()
    for wrong in (
        {"loss": "wgan"},
        {"penalty": -1},
        {"adversarial_steps": -1},
        {"gumbel_temperature": 0},
        {"max_events": 1},
    ):
        with pytest.raises(SpecError):
            Gan(**wrong)
    with pytest.raises(FitError, match="20,000"):
        Gan().fit(Histories.from_lists([[1, 2]], 30_000), 7)
