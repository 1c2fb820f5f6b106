"""Convolutional blocks and the networks that generate images."""

from itertools import chain

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from leaven.nn.conv_blocks import (  # noqa: E402
    ConvDecoder,
    ConvEncoder,
    ConvStackConfig,
    ImageTask,
    WeightAverage,
    bytes_to_tensor,
    initialize_weights,
    tensor_to_bytes,
)
from leaven.nn.image_generators import ImageGanConfig, ImageGanNetwork, augment_images  # noqa: E402

SHAPE = ConvStackConfig(side=16, latent_dim=6, width=8, n_classes=2)


def seeded(seed: int = 1) -> "torch.Generator":
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("side", "widths"), [(8, [8]), (16, [8, 16]), (128, [8, 16, 32, 64, 64])])
def test_channels_double_down_to_the_smallest_map_and_stop_at_eight_times(side: int, widths: list[int]) -> None:
    assert ConvStackConfig(side=side, width=8).widths == widths


@pytest.mark.parametrize("group_norm", [True, False])
def test_the_decoder_inverts_the_shape_of_the_encoder(group_norm: bool) -> None:
    shape = ConvStackConfig(side=16, latent_dim=6, width=8, n_classes=2, group_norm=group_norm)
    decoder, encoder = ConvDecoder(shape), ConvEncoder(shape)
    images = decoder(torch.randn(3, 6, generator=seeded()), torch.tensor([0, 1, 2]))
    assert images.shape == (3, 3, 16, 16)
    assert images.abs().max() <= 1
    assert encoder(images).shape == (3, encoder.out_features) == (3, 16 * 16)


def test_images_of_a_batch_do_not_interact() -> None:
    encoder = ConvEncoder(SHAPE)
    images = torch.randn(4, 3, 16, 16, generator=seeded())
    torch.testing.assert_close(encoder(images)[1:2], encoder(images[1:2]))


def test_bytes_survive_the_way_to_tensors_and_back() -> None:
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3) * 2
    tensor = bytes_to_tensor(pixels)
    assert tensor.shape == (2, 3, 4, 4)
    assert tensor.abs().max() <= 1
    np.testing.assert_array_equal(tensor_to_bytes(tensor), pixels)
    assert tensor_to_bytes(torch.full((1, 3, 1, 1), 9.0)).tolist() == [[[[255, 255, 255]]]]


def test_initial_weights_follow_from_the_generator_alone() -> None:
    one, two, other = ConvEncoder(SHAPE), ConvEncoder(SHAPE), ConvEncoder(SHAPE)
    for net, seed in ((one, 1), (two, 1), (other, 2)):
        initialize_weights(net, seeded(seed))
    first, same, different = (next(net.parameters()) for net in (one, two, other))
    torch.testing.assert_close(first, same)
    assert not torch.equal(first, different)


def test_the_weight_average_follows_early_steps_fast_and_later_ones_slowly() -> None:
    net = torch.nn.Linear(1, 1)
    with torch.no_grad():
        net.weight.fill_(0.0)
    average = WeightAverage(net, decay=0.9)
    with torch.no_grad():
        net.weight.fill_(1.0)
    average.update_average(net)
    assert float(average.net.weight) == pytest.approx(1 - 1 / 10)  # the first decay is 1 / 10
    average.update_average(net)
    assert float(average.net.weight) == pytest.approx(1 - (1 / 10) * (2 / 11))
    assert not any(weight.requires_grad for weight in average.net.parameters())


@pytest.mark.parametrize("loss", ["as_written", "non_saturating", "relativistic"])
def test_both_networks_of_a_gan_learn_from_one_loss(loss: str) -> None:
    net = ImageGanNetwork(ImageGanConfig(SHAPE, loss, penalty=0.1, augment=True), seeded())
    real, codes = torch.randn(4, 3, 16, 16, generator=seeded()), torch.tensor([0, 1, 2, 1])
    value = net(real, codes, *net.sample_loss_inputs(4, seeded(3)))
    value.backward()
    assert torch.isfinite(value)
    for part in (net.decoder, net.critic):
        assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in part.parameters())
    assert all(weight.grad is None for weight in net.weight_average.parameters())


def test_samples_come_from_the_averaged_generator() -> None:
    net = ImageGanNetwork(ImageGanConfig(SHAPE, "non_saturating", 0.0, augment=False), seeded())
    noise, codes = torch.randn(2, net.noise, generator=seeded()), torch.tensor([1, 2])
    before = net.draw(noise, codes)
    with torch.no_grad():
        for weight in net.decoder.parameters():
            weight.add_(1.0)
    torch.testing.assert_close(net.draw(noise, codes), before)


def test_augmentation_depends_on_its_draws_only() -> None:
    images = torch.randn(3, 3, 16, 16, generator=seeded())
    draws = torch.rand(3, 8, generator=seeded(2))
    torch.testing.assert_close(augment_images(images, draws), augment_images(images, draws))
    torch.testing.assert_close(augment_images(images, draws)[2:], augment_images(images[2:], draws[2:]))


def test_an_epoch_has_every_image_once_in_an_order_of_its_own() -> None:
    pixels = np.zeros((10, 16, 16, 3), np.uint8)
    task = ImageTask(torch.nn.Identity(), pixels, torch.zeros(10, dtype=torch.int64), batch_size=5, key=3)
    first, second = ([batch.tolist() for batch in task.build_batches(epoch, 0.0)] for epoch in (0, 1))
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert first != second
    assert task.validate_network(task.net) is None
