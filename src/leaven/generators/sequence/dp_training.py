"""Differentially private training of a decoder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.generators.privacy import PrivacyBudget
from leaven.generators.sequence.decoder import Decoder
from leaven.generators.sequence.decoder_config import DecoderGeneratorConfig
from leaven.generators.sequence.fitted_decoder import FittedDecoder
from leaven.generators.sequence.fitting import SequenceTrainingSplit, build_decoding_config, prepend_start_token
from leaven.generators.sequence.sequence_scaffold import ScaffoldSampler
from leaven.nn import dp_sgd
from leaven.nn.sequence_encoder import EncoderShape
from leaven.progress import ProgressCallback, no_progress

Ints = npt.NDArray[np.int64]

_KNOTS = 32
_STEPS = 500
_N_VALIDATIONS = 10


class UserLoss(nn.Module):
    """The mean cross-entropy of one user's events."""

    def __init__(self, net: Decoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor, next_items: Tensor, when: Tensor) -> Tensor:
        """Returns the loss of inputs, next_items int64 (positions,), padded with 0; when float (positions,)."""
        states = self.net.encode_events(inputs[None])[0] + self.net.embed_times(when)
        vectors = self.net.build_item_weights()
        logits = F.log_softmax(states @ vectors[:, :-1].T + vectors[:, -1], dim=1)
        is_target = (next_items > 0).to(logits.dtype)
        own = logits.gather(1, (next_items - 1).clamp(min=0)[:, None])[:, 0]
        return -(own * is_target).sum() / is_target.sum().clamp(min=1.0)


def train_private_decoder(
    config: DecoderGeneratorConfig,
    shape: EncoderShape,
    privacy: PrivacyBudget,
    train: Histories,
    key: int,
    on_progress: ProgressCallback = no_progress,
) -> FittedDecoder:
    """Returns the trained generator. Each row is one example, truncated to its last `length` events.

    No statistic that influences items is used: no frequencies, validation rows, repeat rates or first days of sale.
    """
    rows = prepend_start_token(train)
    # the first and the last second count as public
    knots = np.unique(np.linspace(train.times.min(), train.times.max(), _KNOTS).astype(np.int64))
    generator = torch.Generator().manual_seed(rng.derive_key(key, "weights"))
    counts = torch.zeros(train.n_items)
    net = Decoder(shape, "transformer", len(knots), counts, generator).eval()  # no dropout: the noise regularizes
    steps = config.steps or _STEPS
    course = dp_sgd.DpSgdConfig(
        key=rng.derive_key(key, "private"),
        steps=steps,
        learning_rate=config.learning_rate,
        sampling_rate=privacy.compute_sampling_rate(len(rows)),
        max_gradient_norm=privacy.clip,
        noise_multiplier=privacy.compute_noise(len(rows), steps),
        record_every=max(steps // _N_VALIDATIONS, 1),
        on_progress=on_progress,
    )
    curve = dp_sgd.train_dp_sgd(
        UserLoss(net), len(rows), lambda chosen: _build_tensors(rows, chosen, knots, config.max_length), course
    )
    decoding = build_decoding_config(config, train, SequenceTrainingSplit(train, rows, rows.slice(0, 0), knots), 1.0)
    decoding = replace(decoding, first_sale_times=np.full_like(decoding.first_sale_times, int(train.times.min())))
    curve = [record | {"epsilon": privacy.epsilon} for record in curve]
    return FittedDecoder(
        "autoregressive", config, net, decoding, ScaffoldSampler.from_training_rows(train, config), curve
    )


def _build_tensors(rows: Histories, chosen: Ints, knots: Ints, length: int) -> tuple[Tensor, ...]:
    """Returns inputs, next items and times of these users, each (users, positions)."""
    targets = np.minimum(rows.lengths[chosen] - 1, length)
    width = max(int(targets.max(initial=0)), 1)
    position = np.arange(width)
    inside = position < targets[:, None]
    event = np.where(inside, (rows.starts[1:][chosen] - 1 - targets)[:, None] + position, 0)
    inputs = np.where(inside, rows.items[event], 0).astype(np.int64)
    after = np.minimum(event + 1, max(rows.n_events - 1, 0))
    next_items = np.where(inside, rows.items[after], 0).astype(np.int64)
    when = np.where(inside, np.interp(rows.times[after], knots, np.arange(len(knots))), 0.0).astype(np.float32)
    return torch.from_numpy(inputs), torch.from_numpy(next_items), torch.from_numpy(when)
