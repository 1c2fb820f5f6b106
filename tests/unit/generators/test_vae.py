"""The history VAE finds and uses latent vectors, and its bound follows the formulas."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [torch]")

import torch

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.generators.sequence.decoder import Decoder
from leaven.generators.sequence.fitting import prepend_start_token
from leaven.generators.sequence.vae import FittedVae, Vae
from leaven.generators.sequence.vae_net import (
    LatentDecoder,
    VaeObjective,
    _sum_squared_errors,
    build_latent_batch,
    draw_normals,
)
from leaven.nn import sequence_packing
from leaven.nn.sequence_encoder import EncoderShape
from leaven.simulator import simulate_second_order


def keys(count: int) -> np.ndarray:
    return rng.derive_user_ids([f"new{i}" for i in range(count)])


def two_groups(rows: int = 300) -> Histories:
    """Half of the users take items 1 to 4 in any order, with repeats, the others 5 to 8."""
    chance = np.random.default_rng(2)
    return Histories.from_lists([(chance.integers(1, 5, 8) + 4 * (user % 2)).tolist() for user in range(rows)], 8)


def quick(rows: Histories, **config) -> FittedVae:
    small = {"width": 16, "latent": 4, "steps": 250, "learning_rate": 1e-2, "dropout": 0.0, "batch_events": 512}
    return Vae(**small | config).fit(rows, 7)


def test_rows_of_one_group_continue_in_it_and_new_rows_have_one_group() -> None:
    real = two_groups()
    fitted = quick(real, where="after", new_events_range=(3, 3))
    made = fitted.sample(keys(300), real).validate()
    new = made.items.reshape(300, 11)[:, -3:]
    assert ((new > 4) == (real.items.reshape(300, 8)[:, :1] > 4)).mean() > 0.97
    alone = fitted.sample(keys(200)).validate()
    groups = [len(set((alone.row_items(i) > 4).tolist())) == 1 for i in range(200)]
    assert np.mean(groups) > 0.9
    assert 0.25 < (alone.items > 4).mean() < 0.75


def test_the_squared_error_objective_learns_the_distribution() -> None:
    rows, _ = simulate_second_order(5, rows=400, length=8, seed=3)
    fitted = quick(rows, objective="squared_error", beta=0.01)
    noise = Histories.from_lists(np.random.default_rng(1).integers(1, 6, (200, 8)).tolist(), 5)
    assert fitted.log_likelihood(rows.slice(0, 200)).mean() > fitted.log_likelihood(noise).mean() + 1


def test_the_squared_error_covers_all_probabilities() -> None:
    net = Decoder(EncoderShape(3, 2, 1, 1, 4, 5, 0.0), "gru", 2, torch.ones(3), torch.Generator().manual_seed(1))
    with torch.no_grad():
        net.items.weight.zero_()
        net.bias.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    read = build_latent_batch(
        sequence_packing.build_training_segments(prepend_start_token(Histories.from_lists([[2]], 3)), 5),
        np.array([0, 1]),
    )
    found = float(_sum_squared_errors(net, torch.zeros(1, 2), read.batch).detach())
    assert found == pytest.approx(0.5**2 + (1 - 0.3) ** 2 + 0.2**2)


def test_the_kl_weight_rises_and_free_nats_are_without_cost() -> None:
    aim = VaeObjective("likelihood", beta=0.5, warm_up=0.2, free_nats=0.1)
    assert [aim.compute_beta(p) for p in (0.0, 0.1, 0.2, 1.0)] == [0.0, 0.25, 0.5, 0.5]
    assert VaeObjective("likelihood", 2.0, 0.0, 0.0).compute_beta(0.0) == 2.0


def test_the_divergence_is_that_of_two_normal_distributions() -> None:
    net = LatentDecoder(
        Decoder(EncoderShape(3, 4, 1, 1, 8, 5, 0.0), "gru", 2, torch.ones(3), torch.Generator().manual_seed(1)),
        2,
        torch.Generator().manual_seed(1),
    ).eval()
    with torch.no_grad():
        net.belief.weight.zero_()
        net.belief.bias.copy_(torch.tensor([1.0, 0.0, 0.0, np.log(4.0)]))
    read = build_latent_batch(
        sequence_packing.build_training_segments(prepend_start_token(Histories.from_lists([[2, 3]], 3)), 5),
        np.array([0, 1]),
    )
    _, apart = net(read, torch.zeros(1, 2))
    law = torch.distributions.Normal(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 2.0]))
    wanted = torch.distributions.kl_divergence(law, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(apart[0], wanted)


def test_more_latent_samples_tighten_the_bound() -> None:
    rows = two_groups(100)
    fitted = quick(rows, steps=60)
    few, many = (FittedVae(Vae(n_samples=n), *vars_of(fitted)).log_likelihood(rows).mean() for n in (1, 64))
    assert many > few


def vars_of(fitted: FittedVae) -> tuple:
    return fitted.net, fitted.decoding, fitted.scaffolds, fitted.curve


def test_draws_are_standard_normal_for_each_key() -> None:
    drawn = draw_normals(keys(4000), 3)
    assert drawn.mean() == pytest.approx(0, abs=0.03)
    assert drawn.std() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(drawn.T) == pytest.approx(np.eye(3), abs=0.06)
    assert draw_normals(keys(9)[3:5], 3).tolist() == draw_normals(keys(9), 3)[3:5].tolist()


def test_an_invalid_config_and_a_too_large_catalog_are_rejected() -> None:
    for wrong in (
        {"objective": "elbo"},
        {"beta": -1},
        {"warm_up": 2},
        {"latent": 0},
        {"n_samples": 0},
        {"free_nats": -1},
    ):
        with pytest.raises(SpecError):
            Vae(**wrong)
    with pytest.raises(FitError, match="20,000"):
        Vae().fit(Histories.from_lists([[1, 2]], 30_000), 7)
