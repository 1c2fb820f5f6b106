"""Privacy budgets: noise by the accountant, gradients of single users, and no other use of user data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.defects import HistoryLaw
from torch import nn

from leaven.errors import SpecError
from leaven.generators.privacy import PrivacyBudget, compute_epsilon
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.nn import dp_sgd

pytest.importorskip("opacus")
ROWS = HistoryLaw().rows(60, 1)
WISH = Autoregressive(width=8, layers=1, max_length=8, steps=4, privacy=PrivacyBudget(epsilon=4.0, users_per_step=20))


def test_the_noise_is_the_smallest_that_keeps_the_budget() -> None:
    config = PrivacyBudget(epsilon=2.0, users_per_step=64)
    noise = config.compute_noise(1000, 50)
    delta = 1000**-1.1
    assert 1.9 < compute_epsilon(noise, 0.064, 50, delta) <= 2.0
    assert compute_epsilon(0.8 * noise, 0.064, 50, delta) > 2.0
    assert PrivacyBudget(epsilon=0.5, users_per_step=64).compute_noise(1000, 50) > noise


class Line(nn.Module):
    """Half the squared distance of a weight from an example."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))

    def forward(self, example: torch.Tensor) -> torch.Tensor:
        return ((self.weight - example) ** 2).sum() / 2


@pytest.mark.parametrize("epsilon", [0.01, 1e-6])
def test_a_budget_that_no_noise_keeps_is_an_error(epsilon: float) -> None:
    with pytest.raises(SpecError, match=r"privacy\.epsilon"):
        PrivacyBudget(epsilon=epsilon).compute_noise(500, 300)


def test_no_example_changes_the_sum_by_more_than_the_clip() -> None:
    examples = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, -100.0]])
    total, losses = dp_sgd._sum_clipped_gradients(Line(), np.arange(3), lambda chosen: (examples[chosen],), clip=1.0)
    torch.testing.assert_close(total["weight"], -torch.tensor([0.6 + 0.3, 0.8 + 0.4 - 1.0]))
    assert losses == pytest.approx([12.5, 0.125, 5000.0])


def test_users_beyond_the_memory_batch_size_are_counted_equally() -> None:
    examples = torch.randn(70, 2, generator=torch.Generator().manual_seed(1))
    total, _ = dp_sgd._sum_clipped_gradients(Line(), np.arange(70), lambda chosen: (examples[chosen],), clip=1e9)
    torch.testing.assert_close(total["weight"], -examples.sum(0))


def test_a_private_generator_samples_rows_and_loads_from_its_file(tmp_path: Path) -> None:
    heard = []
    fitted = WISH.fit(ROWS, key=1, on_progress=lambda done, total, words: heard.append((done, total)))
    assert fitted.curve[-1]["epsilon"] == 4.0
    assert heard == [(step, WISH.steps) for step in range(1, WISH.steps + 1)]
    keys = np.arange(1, 11, dtype=np.uint64)
    rows = fitted.sample(keys)
    rows.validate()
    fitted.save(tmp_path)
    back = Autoregressive.load(tmp_path)
    assert back.config == WISH
    np.testing.assert_array_equal(back.sample(keys).items, rows.items)


def test_training_items_do_not_affect_the_untrained_network() -> None:
    """Everything but the gradients is the same where other users took other items at the same times."""
    still = replace(WISH, steps=1, learning_rate=1e-12)
    other = replace(ROWS, items=ROWS.items[::-1].copy())
    keys = np.arange(1, 21, dtype=np.uint64)
    first, second = (still.fit(rows, key=1).sample(keys) for rows in (ROWS, other))
    np.testing.assert_array_equal(first.items, second.items)


@pytest.mark.parametrize("wrong", [{"cell": "gru"}, {"where": "after"}, {"default_filters": ("copies",)}])
def test_settings_that_leak_users_are_rejected_with_privacy(wrong) -> None:
    with pytest.raises(SpecError, match="with privacy"):
        replace(WISH, **wrong)
    with pytest.raises(SpecError, match="above 0"):
        PrivacyBudget(epsilon=0)
