"""Rows survive encoding and decoding; networks learn by their losses; SMOTE interpolates neighbors."""

import numpy as np
import pytest
import torch

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import FitError, SpecError
from leaven.generators.tabular.row_encoding import RowEncoding
from leaven.generators.tabular.smote import Smote
from leaven.generators.tabular.tabular_diffusion import TabularDiffusion
from leaven.generators.tabular.tabular_gan import TabularGan
from leaven.generators.tabular.tabular_vae import TabularVae
from leaven.nn.tabular_codec import EncodedRows, build_shape, encode_one_hot
from leaven.nn.tabular_diffusion import DenoisingNetwork
from leaven.nn.tabular_gan import TabularGanNetwork, TabularGanTask
from leaven.nn.training import StepRng


def rows(count: int = 400) -> Samples:
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=count), draw.integers(0, 5, count).astype(float)
    x[::7] = np.nan
    kind = np.where(draw.random(count) < 0.05, "rare", "usual").astype(object)
    label = (draw.random(count) < 0.3).astype(float)
    return Samples.from_columns(
        {"x": x, "y": y, "kind": kind}, label, rng.mix_bits(np.arange(1, count + 1, dtype=np.uint64))
    )


def test_rows_are_decoded_from_scores_and_bins() -> None:
    train = rows()
    coding = RowEncoding.fit(train, 10)
    scores, bins = coding.to_scores(train, key=3).astype(np.float64), coding.to_bins(train)
    cells = coding.decode_rows(scores, bins, train.row_ids)
    numbers, codes, label = cells.numbers, cells.codes, cells.label
    assert np.array_equal(np.isnan(numbers), np.isnan(train.numbers))
    assert np.array_equal(numbers[:, 1], train.numeric_column("y"))
    np.testing.assert_allclose(np.nan_to_num(numbers[:, 0]), np.nan_to_num(train.numeric_column("x")), atol=0.1)
    assert np.array_equal(codes, train.codes)
    assert np.array_equal(label, train.label)
    assert abs(scores[:, 1].mean()) < 0.05
    assert scores[:, 1].std() == pytest.approx(1.0, abs=0.05)


def test_marginals_are_calibrated_for_any_model_output() -> None:
    train = rows()
    coding = RowEncoding.fit(train, 10)
    draw = np.random.default_rng(2)
    scores, chances = draw.normal(5.0, 0.1, (4000, 2)), draw.random((4000, sum(coding.bin_sizes)))
    calibrated = coding.calibrate_marginals(scores, chances)
    keys = rng.mix_bits(np.arange(4000, dtype=np.uint64))
    cells = calibrated.decode_rows(scores, calibrated.sample_bins(calibrated.normalize_chances(chances), keys, 1), keys)
    numbers, codes, label = cells.numbers, cells.codes, cells.label
    assert np.nanstd(numbers[:, 0]) == pytest.approx(np.nanstd(train.numeric_column("x")), abs=0.05)
    assert label.mean() == pytest.approx(train.label.mean(), abs=0.03)
    assert (codes == 1).mean() == pytest.approx((train.codes == 1).mean(), abs=0.02)
    assert np.isnan(numbers[:, 0]).mean() == pytest.approx(1 / 7, abs=0.03)


def coded(train: Samples) -> tuple[RowEncoding, EncodedRows]:
    coding = RowEncoding.fit(train, 10)
    scores = torch.from_numpy(coding.to_scores(train, key=3))
    return coding, EncodedRows(scores, torch.from_numpy(coding.rows), torch.ones(len(train)), 100)


@pytest.mark.parametrize("smooth", [True, False])
def test_each_gan_loss_trains_only_its_network(smooth) -> None:
    coding, learned = coded(rows())
    net = TabularGanNetwork(build_shape(coding.n_numbers, coding.bin_sizes, 16, 1), 4, key=1)
    task = TabularGanTask(net, learned, smooth, True, 10.0, 2, key=1)
    (_, both), (others, alone) = task.build_batches(0, 0.0)[:2]
    assert (both, alone) == (True, False)
    task.compute_loss(net, (others, False), StepRng(1, 0, 1))[0].backward()
    assert all(weights.grad is None for weights in net.generator.parameters())
    assert any(weights.grad.abs().sum() > 0 for weights in net.critic.parameters())
    given = net.build_condition(learned.bins, torch.zeros(len(learned), dtype=torch.int64))
    net.zero_grad(set_to_none=True)
    scores, logits = net(torch.zeros(len(learned), 4), given)
    task._compute_generator_loss(torch.cat([scores, logits], dim=1), given).backward()
    assert all(weights.grad is None for weights in net.critic.parameters())
    assert any(weights.grad.abs().sum() > 0 for weights in net.generator.parameters())


def test_rare_categories_are_sampled_by_log_frequency() -> None:
    train = rows(2000)
    coding, learned = coded(train)
    task = TabularGanTask(
        TabularGanNetwork(build_shape(coding.n_numbers, coding.bin_sizes, 8, 1), 4, key=1),
        learned,
        True,
        True,
        10.0,
        1,
        key=1,
    )
    kind = len(coding.bin_sizes) - 1
    places = task._bin_sampler.sample_rows(torch.full((4000,), kind), torch.Generator().manual_seed(1))
    counts = np.bincount(coding.rows[:, kind])
    logs = np.log1p(counts[counts > 0])
    drawn = np.bincount(coding.rows[places.numpy(), kind])
    np.testing.assert_allclose(drawn[drawn > 0] / 4000, logs / logs.sum(), atol=0.03)


def test_a_reverse_step_from_little_noise_keeps_the_row() -> None:
    coding, _ = coded(rows())
    net = DenoisingNetwork(build_shape(coding.n_numbers, coding.bin_sizes, 16, 1), coding.seen, 10, key=1)
    bins = torch.tensor(coding.rows)
    now = encode_one_hot(bins, coding.bin_sizes).double()
    even = net.prior.expand(len(bins), -1)
    sure = net._denoise_bins(even, now, ratio=1.0, before=0.5)
    torch.testing.assert_close(sure, now)
    told = net._denoise_bins(now, even, ratio=0.0, before=1.0)
    torch.testing.assert_close(told, now)
    assert float(net.signal[0]) == 1.0
    assert (net.signal.diff() < 0).all()
    assert set(net.sample_noise_bins(torch.rand(500, bins.shape[1])).unique().tolist()) <= {1, 2}


def test_interpolated_rows_keep_valid_column_values() -> None:
    train = rows()
    new = Smote().fit(train, key=4).sample(rng.mix_bits(np.arange(1000, dtype=np.uint64)))
    assert set(np.unique(new.numeric_column("y"))) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert np.nanmin(new.numeric_column("x")) >= np.nanmin(train.numeric_column("x"))
    assert np.nanmax(new.numeric_column("x")) <= np.nanmax(train.numeric_column("x"))
    assert not np.isin(new.numeric_column("x")[~np.isnan(new.numeric_column("x"))], train.numeric_column("x")).all()
    assert new.label.mean() == pytest.approx(train.label.mean(), abs=0.05)


def test_one_class_works_and_too_few_rows_raise() -> None:
    alone = Samples.from_lists({"x": [1.0, 2.0, 3.0]}, label=[0, 0, 0])
    assert set(Smote().fit(alone, key=1).sample(np.arange(9, dtype=np.uint64)).label) == {0.0}
    with pytest.raises(FitError, match="2 rows of a class"):
        Smote().fit(Samples.from_lists({"x": [1.0, 2.0, 3.0]}, label=[0, 0, 1]), key=1)
    with pytest.raises(FitError, match="one numeric column"):
        Smote().fit(Samples.from_lists({"kind": ["a", "b"]}, label=[0, 1]), key=1)
    for config in (TabularVae, TabularGan, TabularDiffusion):
        with pytest.raises(FitError, match="training rows"):
            config().fit(alone.take([]), key=1)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: TabularVae(latent=0), r"vae\.latent"),
        (lambda: TabularGan(loss="hinge"), r"gan\.loss"),
        (lambda: TabularGan(critic_steps=0), r"gan\.critic_steps"),
        (lambda: TabularDiffusion(steps=0), r"diffusion\.steps"),
        (lambda: Smote(n_neighbors=0), r"smote\.n_neighbors"),
    ],
)
def test_an_invalid_field_is_named(make, where) -> None:
    with pytest.raises(SpecError, match=where):
        make()


@pytest.mark.parametrize("config", [TabularVae(learned_variance=False, width=16), TabularGan(loss="minimax", width=16)])
def test_the_original_losses_give_valid_rows(config) -> None:
    new = config.fit(rows(), key=2).sample(rng.mix_bits(np.arange(50, dtype=np.uint64))).validate()
    assert len(new) == 50


def test_tables_of_only_numbers_or_only_categories_work() -> None:
    numbers = Samples.from_lists({"x": [float(n) for n in range(40)]}, label=[n % 2 for n in range(40)])
    names = Samples.from_lists({"kind": ["a", "b"] * 20}, label=[n % 2 for n in range(40)])
    for train in (numbers, names):
        for config in (TabularVae(width=8), TabularGan(width=8), TabularDiffusion(width=8, steps=4)):
            assert len(config.fit(train, key=1).sample(np.arange(5, dtype=np.uint64)).validate()) == 5
