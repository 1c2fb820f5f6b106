"""The CTR network, its rows and its windows."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from leaven.nn.ctr import (  # noqa: E402
    CtrNetwork,
    CtrNetworkConfig,
    CtrTable,
    WindowedBatches,
    compute_log_losses,
    predict_logits,
)

PLAIN = CtrNetworkConfig(n_numeric=2, cardinalities=(3, 4), embedding_dim=5, hidden_sizes=(8, 4))
CROSSED = CtrNetworkConfig(n_numeric=2, cardinalities=(3, 4), embedding_dim=5, hidden_sizes=(8,), n_cross_layers=2)


def build_table(n: int = 20, seed: int = 1) -> CtrTable:
    generator = np.random.default_rng(seed)
    return CtrTable.from_arrays(
        generator.normal(size=(n, 2)).astype(np.float32),
        np.stack([generator.integers(0, 4, n), generator.integers(0, 5, n)], axis=1).astype(np.int32),
        generator.integers(0, 2, n).astype(np.float32),
        np.ones(n, np.float32),
    )


def build_net(config: CtrNetworkConfig, seed: int = 1) -> CtrNetwork:
    return CtrNetwork(config, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("config", [PLAIN, CROSSED], ids=["mlp", "cross layers"])
def test_one_logit_per_row_independent_of_other_rows(config: CtrNetworkConfig) -> None:
    net, rows = build_net(config).eval(), build_table()
    logits = net(rows.numeric, rows.codes)
    assert logits.shape == (20,)
    torch.testing.assert_close(net(rows.numeric[3:5], rows.codes[3:5]), logits[3:5])


def test_the_input_holds_numbers_and_embeddings() -> None:
    assert PLAIN.input_width == 2 + 2 * 5
    net = build_net(PLAIN)
    assert [table.num_embeddings for table in net.embeddings] == [4, 5]
    assert all(not table.weight[0].any() for table in net.embeddings)  # code 0: unknown


def test_cross_layers_compute_the_formula_of_dcn_v2() -> None:
    net, rows = build_net(CROSSED).eval(), build_table(4)
    start = torch.cat([rows.numeric, *[net.embeddings[i](rows.codes[:, i]) for i in (0, 1)]], dim=1)
    x = start
    for layer in net.cross_layers:
        x = start * (x @ layer.weight.T + layer.bias) + x
    deep = torch.relu(net.hidden_layers[0](start))
    expected = net.output_layer(torch.cat([deep, x], dim=1))[:, 0]
    torch.testing.assert_close(net(rows.numeric, rows.codes), expected)


def test_weights_follow_from_the_generator_and_the_global_one_is_untouched() -> None:
    before = torch.random.get_rng_state()
    one, two = build_net(PLAIN), build_net(PLAIN)
    assert torch.equal(torch.random.get_rng_state(), before)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(build_net(PLAIN, 2).output_layer.weight, one.output_layer.weight)


def test_log_losses_are_those_of_the_predicted_probabilities() -> None:
    net, rows = build_net(PLAIN), build_table()
    chance = torch.sigmoid(predict_logits(net, rows)).numpy()
    label = rows.label.numpy()
    expected = -(label * np.log(chance) + (1 - label) * np.log(1 - chance))
    np.testing.assert_allclose(compute_log_losses(net, rows), expected, rtol=1e-6)


def test_windows_give_every_row_once_and_hold_one_window_at_a_time() -> None:
    parts, loads = [build_table(7, 1), build_table(5, 2)], []

    def load(index: int):
        loads.append(index)
        return parts[index]

    batches = WindowedBatches([(7, lambda: load(0)), (5, lambda: load(1))], batch_size=3, key=4)
    assert len(batches) == 3 + 2
    rows = [batches[index] for index in range(len(batches))]
    assert loads == [0, 1]
    assert [len(batch) for batch in rows] == [3, 3, 1, 3, 2]
    found = torch.cat([batch.numeric for batch in rows[:3]])
    assert sorted(found[:, 0].tolist()) == sorted(parts[0].numeric[:, 0].tolist())
    again = WindowedBatches([(7, lambda: load(0)), (5, lambda: load(1))], batch_size=3, key=4)
    torch.testing.assert_close(again[4].numeric, rows[4].numeric)
