"""Image generators learn categories, and report failures with their step."""

import math
from dataclasses import replace

import numpy as np
import pytest

from contracts.test_image_generators import fitted, keys, real
from leaven.errors import FitError, SpecError
from leaven.generators.image import image_generator
from leaven.generators.image.image_generator import ImageFlow, ImageGan, ImageVae
from leaven.generators.image.image_generator import reconstruct_images as again_of

torch = pytest.importorskip("torch")
SMALL = {"noise": 16, "width": 16, "batch": 32}


def test_a_vae_generates_the_color_of_the_category() -> None:
    for code, channel in ((1, 0), (2, 2)):
        made = fitted("vae").sample(keys(32), np.full(32, code, np.int32)).pixels[:, 5:11, 5:11].astype(float)
        colours = made.mean(axis=(0, 1, 2))
        assert colours[channel] > colours[2 - channel] + 15


def test_a_vae_reconstructs_real_images() -> None:
    pictures, category = real()
    again = again_of(fitted("vae"), pictures, category).astype(float)
    apart = np.abs(again - pictures.pixels).mean()
    assert apart < 0.7 * np.abs(pictures.pixels - pictures.pixels.mean(axis=0)).mean()


def test_a_learned_variance_equals_the_deviation() -> None:
    pictures, category = real()
    fit = ImageVae(steps=300, learning_rate=2e-3, **SMALL).fit(pictures, 3, category)
    left = (again_of(fit, pictures, category).astype(float) - pictures.pixels) / 127.5
    assert math.sqrt(fit.net.variance.item()) == pytest.approx(left.std(), rel=0.5)


@pytest.mark.parametrize("loss", ["as_written", "non_saturating", "relativistic"])
def test_a_gan_approaches_the_real_colors(loss: str) -> None:
    pictures, category = real()
    made = [
        ImageGan(loss=loss, steps=steps, learning_rate=2e-3, **SMALL).fit(pictures, 3, category).sample(keys(64))
        for steps in (1, 60)
    ]
    wanted = pictures.pixels.mean(axis=0)
    far = [np.abs(one.pixels.mean(axis=0) - wanted).mean() for one in made]
    assert far[1] < 0.7 * far[0], far


def test_a_flow_generates_the_color_of_the_category_and_more_so_with_guidance() -> None:
    pictures, category = real()
    fit = ImageFlow(steps=120, width=8, batch=32, learning_rate=4e-3, sampling_steps=6).fit(pictures, 3, category)

    def redder(net) -> float:
        drawn = image_generator.render_images(net, 16, keys(24), np.full(24, 1, np.int32))[:, 5:11, 5:11].astype(float)
        return float((drawn[..., 0] - drawn[..., 2]).mean())

    plain = redder(fit.net)
    assert plain > 10
    fit.net.shape = replace(fit.net.shape, guidance=3.0)
    assert redder(fit.net) > plain


def test_a_flow_with_the_true_velocity_reaches_the_image() -> None:
    from leaven.nn.image_generators import FlowConfig, FlowMatchingNetwork

    class Straight(torch.nn.Module):
        """The velocity from any x to gray 0.5 at time 1."""

        def forward(self, x, moment, codes):
            return (0.5 - x) / (1 - moment[:, None, None, None])

    net = FlowMatchingNetwork(FlowConfig(8, 8, 0, n_steps=4, guidance=1.0), torch.Generator().manual_seed(1)).eval()
    noise, codes = torch.randn(3, net.noise), torch.zeros(3, dtype=torch.long)
    real_ones = torch.rand(3, 3, 8, 8)
    untrained = net(real_ones, codes, noise, torch.rand(3), torch.ones(3))  # output 0: the error is the velocity
    assert untrained.item() == pytest.approx((real_ones - noise.view_as(real_ones)).square().mean().item(), rel=1e-5)
    net.weight_average.net = Straight()
    assert torch.allclose(net.draw(noise, codes), torch.full((3, 3, 8, 8), 0.5), atol=1e-5)


def test_penalties_equal_those_of_a_linear_critic() -> None:
    from leaven.nn.conv_blocks import ConvStackConfig
    from leaven.nn.image_generators import ImageGanConfig, ImageGanNetwork

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.full((3 * 8 * 8,), 0.5))

        def forward(self, pictures, codes):
            return pictures.flatten(1) @ self.weight

    losses = []
    for penalty in (0.0, 2.0):
        shape = ImageGanConfig(ConvStackConfig(8, 4, 8, group_norm=False), "relativistic", penalty, augment=False)
        net = ImageGanNetwork(shape, torch.Generator().manual_seed(1))
        net.critic = Linear()
        real_ones = torch.zeros(5, 3, 8, 8)
        noise = torch.zeros(5, 4)
        losses.append(net(real_ones, torch.zeros(5, dtype=torch.long), noise, torch.zeros(2, 5, 8)).item())
    assert losses[1] - losses[0] == pytest.approx(2.0 / 2 * 2 * (192 * 0.25))  # γ/2 · (R1 + R2), each |w|²


def test_the_generator_loss_has_no_gradient_for_the_critic() -> None:
    from leaven.nn.conv_blocks import ConvStackConfig
    from leaven.nn.image_generators import ImageGanConfig, ImageGanNetwork

    shape = ImageGanConfig(ConvStackConfig(8, 4, 8), "non_saturating", 0.0, augment=False)
    net = ImageGanNetwork(shape, torch.Generator().manual_seed(1))
    real_ones, codes = torch.rand(6, 3, 8, 8), torch.zeros(6, dtype=torch.long)
    noise = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    net(real_ones, codes, noise, torch.zeros(2, 6, 8)).backward()
    mixed = [weight.grad.clone() for weight in net.critic.parameters()]
    net.zero_grad()
    made = net.decoder(noise, codes).detach()
    soft = torch.nn.functional.softplus
    (soft(-net.critic(real_ones, codes)).mean() + soft(net.critic(made, codes)).mean()).backward()
    for one, weight in zip(mixed, net.critic.parameters(), strict=True):
        assert torch.allclose(one, weight.grad, atol=1e-6)


def test_augmentation_passes_gradients_and_the_middle_draw_changes_little() -> None:
    from leaven.nn.image_generators import augment_images

    pictures = torch.rand(3, 3, 16, 16, requires_grad=True)
    lots = torch.full((3, 8), 0.5)
    made = augment_images(pictures, lots)
    made.sum().backward()
    assert (pictures.grad.abs() > 0).float().mean() > 0.6
    outside = torch.ones(16, 16, dtype=torch.bool)
    outside[4:12, 4:12] = False
    assert torch.allclose(made.detach()[:, :, outside], pictures.detach()[:, :, outside], atol=1e-5)
    assert (made.detach()[:, :, 4:12, 4:12] == 0).all()


def test_a_non_finite_loss_raises_with_its_step() -> None:
    pictures, category = real(32)
    for config in (
        ImageGan(learning_rate=1e30, steps=40, **SMALL),
        ImageVae(learning_rate=1e30, steps=40, **SMALL),
    ):
        with pytest.raises(FitError, match="step"):
            config.fit(pictures, 1, category)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: ImageGan(loss="relativstic"), "relativistic"),
        (lambda: ImageGan(width=12), "multiple of 8"),
        (lambda: ImageGan(penalty=-1.0), "0 or more"),
        (lambda: ImageVae(loss="mse"), "as_written"),
        (lambda: ImageVae(steps=0), "more than 0"),
        (lambda: ImageFlow(sampling_steps=0), "flow.sampling_steps"),
    ],
)
def test_invalid_configs_are_rejected(wrong, said) -> None:
    with pytest.raises(SpecError, match=said):
        wrong()
