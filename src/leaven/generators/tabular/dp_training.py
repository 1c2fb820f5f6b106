"""Differentially private training of the tabular VAE.

One user is one example: up to eight random rows. Columns are counted with noise (the Gaussian mechanism, Dwork and
Roth, 2014, theorem A.1); the network is trained by DP-SGD; both together keep the budget (basic composition). The
encoding of columns is fitted on rows sampled from the noisy counts instead of the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.generators.privacy import PrivacyBudget
from leaven.generators.tabular.neural_generator import (
    MIN_STEPS,
    FittedNeuralGenerator,
    NeuralTabularConfig,
    calibrate_marginals,
)
from leaven.generators.tabular.row_encoding import RowEncoding
from leaven.generators.tabular.row_schema import RowSchema
from leaven.progress import ProgressCallback, no_progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_ROWS_PER_USER = 8
_COUNTING = 0.2  # share of epsilon for the counts of the columns
_BINS = 64  # of a numeric column, between its minimum and maximum
_N_SAMPLED_ROWS = 4096  # rows that represent the noisy marginals
_N_VALIDATIONS = 10


@dataclass(frozen=True, eq=False)
class UserRows:
    """The rows of each user. rows int64 (users, 8): row indices; there bool (users, 8): False for padding."""

    rows: Ints
    is_present: npt.NDArray[np.bool_]

    @classmethod
    def from_samples(cls, train: Samples, key: int) -> UserRows:
        """Groups rows by user, at most eight random ones each; a row without user is a separate user."""
        owner = np.where(train.user_ids == 0, train.row_ids, train.user_ids)
        draws = rng.draw_uniform(rng.derive_row_keys(rng.derive_key(key, "rows of a user"), train.row_ids), 0)
        order = np.lexsort((draws, owner))
        _, first, counts = np.unique(owner[order], return_index=True, return_counts=True)
        position = np.arange(MAX_ROWS_PER_USER)
        there = position < counts[:, None]
        return cls(order[np.where(there, first[:, None] + position, first[:, None])], there)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def row_weights(self) -> Floats:
        """float64 (users, 8): weights that sum to 1 for each user, so that a user changes a count by at most 1."""
        return np.asarray(self.is_present / self.is_present.sum(axis=1, keepdims=True), np.float64)


class PrivateVaeConfig(NeuralTabularConfig, Protocol):
    """The fields of `TabularVae` that private training reads."""

    @property
    def latent(self) -> int: ...
    @property
    def learned_variance(self) -> bool: ...
    @property
    def kl_weight(self) -> float: ...


def train_private_generator(
    config: PrivateVaeConfig,
    privacy: PrivacyBudget,
    train: Samples,
    key: int,
    on_progress: ProgressCallback = no_progress,
) -> FittedNeuralGenerator:
    """Trains the network of a config within the privacy budget. Column names, levels, ranges, and the number of users
    count as public. Raises MissingExtra without Opacus.
    """
    import torch

    from leaven.nn import dp_sgd
    from leaven.nn.tabular_codec import encode_one_hot
    from leaven.nn.tabular_vae import UserRowsLoss

    schema = RowSchema.from_samples(train, "vae")
    train = train.take(np.argsort(train.row_ids, kind="stable"))
    users = UserRows.from_samples(train, key)
    counting_budget, training_budget = privacy.split_budget(_COUNTING, len(users))
    encoding = RowEncoding.fit(
        _sample_noisy_rows(train, users, counting_budget, rng.derive_key(key, "counts")), config.bins
    )
    net: Any = config.build_network(encoding, rng.derive_key(key, "begin"))
    scores = torch.from_numpy(encoding.to_scores(train, rng.derive_key(key, "ties")))
    bins = encode_one_hot(torch.from_numpy(encoding.to_bins(train)), encoding.bin_sizes)
    generator = torch.Generator().manual_seed(rng.derive_key(key, "points"))

    def build_batch(chosen: Ints) -> tuple[torch.Tensor, ...]:
        rows = torch.from_numpy(users.rows[chosen])
        noise = torch.randn((*rows.shape, config.latent), generator=generator)
        return scores[rows], bins[rows], torch.from_numpy(users.is_present[chosen]).float(), noise

    steps = max(round(config.epochs * len(users) / privacy.users_per_step), MIN_STEPS)
    course = dp_sgd.DpSgdConfig(
        key=rng.derive_key(key, "private"),
        steps=steps,
        learning_rate=config.learning_rate,
        sampling_rate=training_budget.compute_sampling_rate(len(users)),
        max_gradient_norm=training_budget.clip,
        noise_multiplier=training_budget.compute_noise(len(users), steps),
        record_every=max(steps // _N_VALIDATIONS, 1),
        on_progress=on_progress,
    )
    dp_sgd.train_dp_sgd(UserRowsLoss(net, config.learned_variance, config.kl_weight), len(users), build_batch, course)
    facts = {
        "steps": steps,
        "users": len(users),
        "epsilon": privacy.epsilon,
        "delta": privacy.resolve_delta(len(users)),
    }
    return calibrate_marginals(FittedNeuralGenerator("vae", config, schema, encoding, net.eval(), facts), key)


def _sample_noisy_rows(train: Samples, users: UserRows, privacy: PrivacyBudget, key: int) -> Samples:
    """Returns rows whose columns follow their noisy counts, independently of each other."""
    generator = rng.make_generator(key)
    columns = 1 + train.numbers.shape[1] + train.codes.shape[1]
    noise = privacy.compute_query_noise(len(users)) * np.sqrt(
        columns
    )  # a user changes the counts of each column by at most 1
    rows, weights = users.rows[users.is_present], users.row_weights[users.is_present]

    def count_with_noise(bins: Ints, n_bins: int) -> Floats:
        counts = np.bincount(bins[rows], weights, n_bins) + noise * generator.standard_normal(n_bins)
        kept = np.where(counts > noise, counts, 0.0)
        return kept if kept.any() else np.maximum(counts - counts.min(), 1e-9)

    label = _sample_bins(count_with_noise((train.label > 0.5).astype(np.int64), 2), generator)[0].astype(np.float32)
    numbers = [_sample_numbers(column, count_with_noise, generator) for column in train.numbers.T]
    levels = [len(train.levels[name]) for name in train.categorical]
    codes = [
        _sample_bins(count_with_noise(column.astype(np.int64), n_levels + 1), generator)[0].astype(np.int32)
        for column, n_levels in zip(train.codes.T, levels, strict=True)
    ]
    first = train.take(np.zeros(_N_SAMPLED_ROWS, np.int64))
    return replace(
        first,
        numbers=np.column_stack(numbers) if numbers else first.numbers,
        codes=np.column_stack(codes) if codes else first.codes,
        label=label,
        weight=np.ones(_N_SAMPLED_ROWS, np.float32),
    )


def _sample_numbers(column: Floats, count: Callable[[Ints, int], Floats], generator: np.random.Generator) -> Floats:
    """Returns numeric cells: uniform within bins, rounded in integer columns; NaN as often as missing."""
    is_present = np.isfinite(column)
    low, high = (float(column[is_present].min()), float(column[is_present].max())) if is_present.any() else (0.0, 0.0)
    width = (high - low) / _BINS or 1.0
    bins = np.where(is_present, 1 + np.clip((np.nan_to_num(column) - low) // width, 0, _BINS - 1), 0).astype(np.int64)
    bin_index, offset = _sample_bins(count(bins, _BINS + 1), generator)
    cells = np.minimum(low + (bin_index - 1 + offset) * width, high)
    is_integer = bool((column[is_present] == np.rint(column[is_present])).all())
    return np.where(bin_index == 0, np.nan, np.rint(cells) if is_integer else cells)


def _sample_bins(counts: Floats, generator: np.random.Generator) -> tuple[Ints, Floats]:
    """Returns int64 (4096,): bins in proportion to their counts, in random order, and the offset in each bin, 0..1."""
    share = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    quantile = (generator.permutation(_N_SAMPLED_ROWS) + 0.5) / _N_SAMPLED_ROWS
    bin_index = np.minimum(np.searchsorted(share, quantile, side="right") - 1, len(counts) - 1)
    width = share[bin_index + 1] - share[bin_index]
    return bin_index, (quantile - share[bin_index]) / np.maximum(width, 1e-12)
