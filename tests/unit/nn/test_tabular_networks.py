"""Networks of tabular rows: shapes, labels that stay, losses with gradients, reproducible weights."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from leaven.nn.tabular_codec import (  # noqa: E402
    EncodedRows,
    build_shape,
    compute_cross_entropy,
    compute_probabilities,
    encode_one_hot,
    weighted_mean,
)
from leaven.nn.tabular_gan import TabularGanNetwork, TabularGanTask  # noqa: E402
from leaven.nn.tabular_vae import TabularVaeNetwork, TabularVaeTask  # noqa: E402
from leaven.nn.training import StepRng  # noqa: E402

SHAPE = build_shape(n_numeric=2, bin_counts=(2, 3), width=16, layers=2)
BINS = torch.tensor([[0, 2], [1, 0], [1, 1], [0, 0]])


def build_rows(n: int = 40) -> EncodedRows:
    generator = torch.Generator().manual_seed(1)
    bins = torch.stack([torch.randint(size, (n,), generator=generator) for size in SHAPE.bin_counts], dim=1)
    return EncodedRows(torch.randn(n, 2, generator=generator), bins, torch.ones(n), batch_size=8)


def test_bins_are_one_hot_column_by_column() -> None:
    assert encode_one_hot(BINS[:2], SHAPE.bin_counts).tolist() == [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]
    assert SHAPE.n_labels == 2
    assert SHAPE.row_width == 2 + 5


def test_probabilities_of_each_column_sum_to_1() -> None:
    probabilities = compute_probabilities(torch.randn(6, 5), SHAPE.bin_counts)
    torch.testing.assert_close(probabilities[:, :2].sum(1), torch.ones(6))
    torch.testing.assert_close(probabilities[:, 2:].sum(1), torch.ones(6))


def test_the_cross_entropy_is_torch_s_summed_over_columns() -> None:
    logits = torch.randn(4, 5)
    expected = torch.nn.functional.cross_entropy(logits[:, :2], BINS[:, 0], reduction="none")
    expected = expected + torch.nn.functional.cross_entropy(logits[:, 2:], BINS[:, 1], reduction="none")
    torch.testing.assert_close(compute_cross_entropy(logits, BINS, SHAPE.bin_counts), expected)


def test_a_weighted_mean_is_that_of_repeated_rows() -> None:
    values, weight = torch.tensor([1.0, 4.0]), torch.tensor([3.0, 1.0])
    assert float(weighted_mean(values, weight)) == pytest.approx(float(torch.tensor([1.0, 1.0, 1.0, 4.0]).mean()))


def test_rows_are_split_and_shuffled_by_key() -> None:
    rows = build_rows(200)
    train, valid = rows.split_validation(3)
    assert (len(train), len(valid)) == (180, 20)
    assert len(build_rows(50).split_validation(3)[1]) == 0
    batches = rows.shuffle_batches(5)
    assert sorted(torch.cat(batches).tolist()) == list(range(200))
    assert [batch.tolist() for batch in rows.shuffle_batches(5)] == [batch.tolist() for batch in batches]


def build_tasks() -> dict[str, tuple[object, object]]:
    """name -> (network, training task)."""
    rows = build_rows()
    vae, gan = TabularVaeNetwork(SHAPE, 4, key=1), TabularGanNetwork(SHAPE, 4, key=1)
    return {
        "vae": (vae, TabularVaeTask(vae, rows, learned_variance=True, kl_weight=1.0, key=2)),
        "plain vae": (vae, TabularVaeTask(vae, rows, learned_variance=False, kl_weight=0.1, key=2)),
        "gan": (gan, TabularGanTask(gan, rows, False, False, 0.0, 1, key=2)),
        "wasserstein gan": (gan, TabularGanTask(gan, rows, True, True, 10.0, 1, key=2)),
    }


@pytest.mark.parametrize("name", build_tasks())
def test_the_loss_is_finite_reproducible_and_reaches_all_weights(name: str) -> None:
    network, task = build_tasks()[name]
    batch = task.build_batches(0, 0.0)[0]
    values = [task.compute_loss(network, batch, StepRng(7, 0, 1))[0] for _ in range(2)]
    assert torch.isfinite(values[0])
    assert torch.equal(values[0], values[1])
    values[0].backward()
    missing = [key for key, weight in network.named_parameters() if weight.grad is None]
    assert missing == (["log_scale"] if name == "plain vae" else [])  # the variance is fixed there


@pytest.mark.parametrize("network", [TabularVaeNetwork, TabularGanNetwork])
def test_weights_follow_from_the_key(network) -> None:
    one, two, other = network(SHAPE, 4, key=1), network(SHAPE, 4, key=1), network(SHAPE, 4, key=2)
    for (name, weight), same, different in zip(
        one.named_parameters(), two.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(weight, same), name
        assert weight.ndim < 2 or not torch.equal(weight, different), name


def test_decoded_rows_keep_their_label() -> None:
    decoded = TabularVaeNetwork(SHAPE, 4, key=1).decode_arrays(np.zeros((3, 4)), np.array([0, 1, 1]))
    assert decoded.scores.shape == (3, 2)
    assert decoded.probabilities[:, :2].tolist() == [[1, 0], [0, 1], [0, 1]]
    np.testing.assert_allclose(decoded.probabilities[:, 2:].sum(axis=1), 1.0, rtol=1e-6)


def test_generated_rows_of_a_gan_keep_their_label() -> None:
    net = TabularGanNetwork(SHAPE, 4, key=1)
    scores, probabilities = net.generate_rows(np.zeros((2, 4)), np.array([[1, 0], [0, 2]]), np.array([0, 1]))
    assert scores.shape == (2, 2)
    assert probabilities[:, :2].tolist() == [[0, 1], [1, 0]]


def test_the_condition_holds_the_label_and_one_bin() -> None:
    condition = TabularGanNetwork(SHAPE, 4, key=1).build_condition(BINS[:2], torch.tensor([1, 0]))
    assert condition.tolist() == [[1, 0, 0, 0, 0, 0, 1], [0, 1, 0, 1, 0, 0, 0]]
