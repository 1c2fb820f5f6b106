"""Tests of losses and gradients against their formulas."""

import pytest
import torch
import torch.nn.functional as F

from leaven.nn import losses


def made(targets: int = 37, others: int = 23, width: int = 5) -> list[torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    shapes = [(targets, width), (others, width)]
    return [torch.randn(shape, generator=chance, dtype=torch.float64).requires_grad_() for shape in shapes]


def gradients(loss: torch.Tensor, *leaves: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize("cells", [1_048_576, 23 * 5, 1])
@pytest.mark.parametrize("safe", [0.0, 40.0])
def test_the_chunked_softmax_loss_and_gradient_equal_cross_entropy(cells, safe, monkeypatch) -> None:
    monkeypatch.setattr(losses, "_MAX_LOGITS", cells)
    monkeypatch.setattr(losses, "_SAFE_LOGIT", safe)
    states, table = made()
    targets = torch.arange(37) % 23
    weight = torch.linspace(0, 2, 37, dtype=torch.float64)
    hits = torch.stack([torch.arange(37), targets])
    ours = losses.softmax_loss(states, table[targets], table, weight, hits)
    plain = (weight * F.cross_entropy(states @ table.T, targets, reduction="none")).sum()
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(gradients(3 * ours, states, table), gradients(3 * plain, states, table))


def test_bfloat16_loss_is_accurate_to_five_digits_and_its_gradient_to_two() -> None:
    states, table = (one.detach().float().requires_grad_() for one in made())
    targets, weight = torch.arange(37) % 23, torch.linspace(0, 2, 37)
    hits = torch.stack([torch.arange(37), targets])
    whole, half = (
        losses.softmax_loss(states, table[targets], table, weight, hits, use_bfloat16=half) for half in (False, True)
    )
    torch.testing.assert_close(half, whole, rtol=1e-5, atol=0)
    for exact, rounded in zip(gradients(whole, states, table), gradients(half, states, table), strict=True):
        assert 0 < (exact - rounded).norm() / exact.norm() < 0.01
    assert torch.get_float32_matmul_precision() == "highest"


def test_split_bfloat16_products_approximate_float32_products() -> None:
    states, others = (one.detach().float() for one in made())
    left, right = (rows.bfloat16() for rows in losses._split_for_bfloat16(states, others))
    whole, rounded = states.double() @ others.double().T, states.bfloat16().double() @ others.bfloat16().double().T
    ours = left.double() @ right.double().T
    assert (ours - whole).abs().max() < (rounded - whole).abs().max() / 100


def test_normalized_rows_and_their_gradient_equal_the_composed_operations() -> None:
    states, weights = made(targets=6, others=6)
    with torch.no_grad():
        states[2] = 0.0
    ours, plain = losses.normalize_rows(states), F.normalize(states, dim=-1)
    torch.testing.assert_close(ours, plain)
    there = torch.arange(6) != 2  # at 0 there is no direction
    mine, parts = (gradients((one * weights.detach()).sum(), states)[0] for one in (ours, plain))
    torch.testing.assert_close(mine[there], parts[there])


@pytest.mark.parametrize("cells", [1_048_576, 9 * 4])
def test_shared_negatives_loss_is_cross_entropy_without_collisions(cells, monkeypatch) -> None:
    monkeypatch.setattr(losses, "_MAX_LOGITS", cells)
    states, table = made()
    targets, others = torch.arange(37) % 23, torch.tensor([3, 3, 7, 22, 0, 11, 5, 9, 1])
    bias, weight = torch.linspace(-1, 1, 9, dtype=torch.float64), torch.ones(37, dtype=torch.float64)
    hits = losses.find_collisions(targets, others)
    ours = losses.softmax_loss(states, table[targets], table[others], weight, hits, bias)
    against = (states @ table[others].T + bias).masked_fill(targets[:, None] == others, -torch.inf)
    logits = torch.cat([(states * table[targets]).sum(1, keepdim=True), against], dim=1)
    plain = F.cross_entropy(logits, torch.zeros(37, dtype=torch.int64), reduction="sum")
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(gradients(ours, states, table), gradients(plain, states, table))


def test_log_q_corrected_negatives_estimate_the_full_softmax() -> None:
    chance = torch.Generator().manual_seed(2)
    states, table = made(targets=4, others=50)
    targets = torch.arange(4)
    share = torch.arange(1, 51, dtype=torch.float64) ** 0.5
    share = share / share.sum()
    drawn = torch.multinomial(share, 200_000, replacement=True, generator=chance)
    bias = -(share[drawn] * len(drawn)).log()
    weight = torch.ones(4, dtype=torch.float64)
    hits = losses.find_collisions(targets, drawn)
    sampled = losses.softmax_loss(states, table[targets], table[drawn], weight, hits, bias)
    full = F.cross_entropy(states @ table.T, targets, reduction="sum")
    torch.testing.assert_close(sampled, full, rtol=5e-3, atol=0)


def test_huge_logits_do_not_overflow() -> None:
    states, table = (100 * part.detach() for part in made())
    hits = torch.stack([torch.arange(37), torch.arange(37) % 23])
    loss = losses.softmax_loss(states, table[torch.arange(37) % 23], table, torch.ones(37, dtype=torch.float64), hits)
    assert torch.isfinite(loss)


def test_the_binary_loss_equals_that_of_sasrec() -> None:
    states, table = made()
    up, down = table[torch.arange(37) % 23], table[(torch.arange(37) + 1) % 23]
    weight = torch.ones(37, dtype=torch.float64)
    ours = losses.binary_loss(states, up, down, weight)
    chance = torch.sigmoid
    plain = -(chance((states * up).sum(1)).log() + (1 - chance((states * down).sum(1))).log()).sum()
    torch.testing.assert_close(ours, plain)
