"""Tests of mixup of sequence states."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.nn import sequence_packing
from leaven.nn.mixup import MixupPairs, draw_mixup
from leaven.nn.next_item import LossConfig, NextItemTask
from leaven.nn.training import StepRng
from leaven.protocols import TrainingContext
from leaven.recommenders.transformer import Transformer

N_ITEMS = 20
WISH = Transformer(
    width=16, layers=1, heads=1, dropout=0.0, negatives=8, device="cpu", n_validations=2, learning_rate=1e-2
)
LOSSES = ["shared_negatives", "full", "binary"]


def cycle(users: int = 120, key: int = 1) -> Histories:
    chance = np.random.default_rng(key)
    begin, lengths = chance.integers(0, N_ITEMS, users), chance.integers(2, 9, users)
    rows = [((b + np.arange(n)) % N_ITEMS + 1).tolist() for b, n in zip(begin, lengths, strict=True)]
    return Histories.from_lists(rows, N_ITEMS)


def packed(rows: Histories) -> sequence_packing.PackedBatch:
    return sequence_packing.pack_segments(sequence_packing.build_training_segments(rows, 50))


def test_mixed_states_and_weights_match_a_hand_calculation() -> None:
    mixed = MixupPairs(torch.tensor([1, 0, 2]), torch.tensor([0.75, 0.25, 1.0]))
    plain = torch.tensor([[1.0, 0.0], [0.0, 4.0], [5.0, 5.0]])
    once = [[0.75, 1.0], [0.75, 1.0], [5.0, 5.0]]
    assert mixed.mix_states(plain).tolist() == once + once
    assert mixed.target_indices.tolist() == [0, 1, 2, 1, 0, 2]
    assert mixed.mix_weights(torch.tensor([1.0, 2.0, 1.0])).tolist() == [0.75, 0.5, 1.0, 0.25, 1.5, 0.0]


def test_partners_have_the_same_distance_to_the_end_and_a_segment_has_one_ratio() -> None:
    pack = packed(cycle())
    mixed = draw_mixup(pack, 0.4, key=3)
    stretch, age = pack.segments.flatten()[pack.output_indices], pack.steps_to_end.flatten()[pack.output_indices]
    assert torch.equal(age, age[mixed.partner])
    met = mixed.partner != torch.arange(len(age))
    assert met.float().mean() > 0.5
    assert (mixed.ratio[~met] == 1).all()
    for one in stretch.unique():
        here = met & (stretch == one)
        if here.any():
            assert len(mixed.ratio[here].unique()) == len(stretch[mixed.partner[here]].unique()) == 1
    assert mixed.ratio[age == 0].mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mixup_loss_weights_both_targets_by_the_ratio(loss) -> None:
    rows = cycle(30)
    net = WISH.build_network(N_ITEMS, 1, 0.0).eval()
    temperature = None if loss == "binary" else 0.5
    aim = LossConfig(loss, temperature, 8, 0.5, mixup_alpha=0.4)
    pack, chance = packed(rows), StepRng(5, 0, 1)
    ours = NextItemTask(net, aim, rows, 512, 1)._sum_losses(net, pack, chance)
    plain = NextItemTask(net, replace(aim, mixup_alpha=0.0), rows, 512, 1)
    mixed = draw_mixup(pack, 0.4, _key(chance))
    if loss == "full":
        states, vectors = net(pack)
        blend = mixed.ratio[:, None] * states + (1 - mixed.ratio[:, None]) * states[mixed.partner]
        logits = F.normalize(blend, dim=-1) @ F.normalize(vectors, dim=-1).T / 0.5
        own = F.cross_entropy(logits, pack.targets - 1, reduction="none")
        other = F.cross_entropy(logits, pack.targets[mixed.partner] - 1, reduction="none")
        wanted = (pack.weight * (mixed.ratio * own + (1 - mixed.ratio) * other)).sum()
        torch.testing.assert_close(ours, wanted)
    assert torch.isfinite(ours)
    assert ours != plain._sum_losses(net, pack, chance)


def _key(chance: StepRng) -> int:
    from leaven import rng

    return rng.derive_key(chance.key, "mixup", chance.rank)


@pytest.mark.parametrize("loss", LOSSES)
def test_training_with_mixup_learns_transitions(loss) -> None:
    fitted = replace(WISH, loss=loss, mixup_alpha=0.2).fit(cycle(200), TrainingContext(key=1, steps=200))
    known = cycle(100, key=9)
    first = fitted.recommend(known, 3).items[:, 0]
    assert float((first == known.items[known.starts[1:] - 1] % N_ITEMS + 1).mean()) > 0.9


def test_without_mixup_no_mixture_is_drawn(monkeypatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a mixture")

    monkeypatch.setattr("leaven.nn.mixup.draw_mixup", never)
    WISH.fit(cycle(), TrainingContext(key=1, steps=5))
    with pytest.raises(AssertionError, match="a mixture"):
        replace(WISH, mixup_alpha=0.2).fit(cycle(), TrainingContext(key=1, steps=5))


def test_a_negative_alpha_raises_an_error() -> None:
    with pytest.raises(SpecError, match=r"transformer\.mixup_alpha: expected 0 \(off\) or more"):
        Transformer(mixup_alpha=-0.1)
