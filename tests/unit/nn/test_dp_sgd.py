"""DP-SGD: clipping, noise, sampling, and the textbook gradient without them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from leaven.errors import FitError  # noqa: E402
from leaven.nn.dp_sgd import DpSgdConfig, train_dp_sgd  # noqa: E402

X = torch.tensor([[1.0], [2.0], [3.0], [100.0]])
Y = torch.tensor([2.0, 4.0, 6.0, 200.0])


class SquaredError(torch.nn.Module):
    """The loss of one example of a line through the origin."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: "torch.Tensor", y: "torch.Tensor") -> "torch.Tensor":
        return ((x @ self.slope - y) ** 2).sum()


def load_batch(indices: np.ndarray) -> tuple["torch.Tensor", ...]:
    return X[indices], Y[indices]


def train(steps: int = 1, noise: float = 0.0, clip: float = 1e9, key: int = 1, rate: float = 1.0, lr: float = 0.1):
    module = SquaredError()
    config = DpSgdConfig(key, steps, lr, rate, clip, noise, record_every=1)
    return module, train_dp_sgd(module, len(X), load_batch, config)


def test_without_noise_and_clipping_the_gradient_is_the_plain_one() -> None:
    module, curve = train()
    reference = SquaredError()
    sum(reference(x, y) for x, y in zip(X, Y, strict=True)).backward()
    torch.testing.assert_close(module.slope.grad, reference.slope.grad / len(X))
    assert curve[0]["loss"] == pytest.approx(float((Y**2).mean()))


def test_no_example_counts_more_than_the_clipping_norm() -> None:
    module, _ = train(clip=1.0)
    assert abs(float(module.slope.grad)) == pytest.approx(1.0)  # four gradients of norm 1, all of one sign


def test_noise_has_the_declared_deviation_and_follows_from_the_key() -> None:
    plain = float(train(clip=1.0)[0].slope.grad)
    noisy = np.array([float(train(clip=1.0, noise=2.0, key=key)[0].slope.grad) for key in range(150)])
    assert (noisy - plain).std() == pytest.approx(2.0 * 1.0 / len(X), rel=0.2)
    assert float(train(clip=1.0, noise=2.0, key=5)[0].slope.grad) == noisy[5]


def test_training_finds_the_slope() -> None:
    module, curve = train(steps=150, clip=50.0, lr=0.05)
    assert module.slope.item() == pytest.approx(2.0, abs=0.1)
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert [row["step"] for row in curve[:3]] == [1.0, 2.0, 3.0]


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    Y[0], before = float("nan"), Y[0].clone()
    try:
        with pytest.raises(FitError, match="a finite loss"):
            train()
    finally:
        Y[0] = before
