"""Tests of the contrastive loss and its view pairs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from leaven.augmentation import Plan, Step, build_epoch_rows
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.nn import sequence_packing
from leaven.nn.losses import SECOND_VIEW_OFFSET, info_nce, pair_views
from leaven.protocols import TrainingContext
from leaven.recommenders.transformer import Transformer
from leaven.transforms.sequence.masking import Drop

WISH = Transformer(
    width=16, layers=1, heads=1, dropout=0.1, device="cpu", n_validations=2, batch_events=128, learning_rate=1e-2
)


def world(users: int = 80) -> Histories:
    chance = np.random.default_rng(4)
    return Histories.from_lists([chance.integers(1, 31, n).tolist() for n in chance.integers(4, 12, users)], n_items=30)


def test_the_contrastive_loss_of_two_histories_matches_a_hand_calculation() -> None:
    angle = torch.tensor([0.0, 90.0, 60.0, 30.0]).deg2rad()  # views of a at 0 and 60 degrees, of b at 90 and 30
    states = 3 * torch.stack([angle.cos(), angle.sin()], 1)
    near, far, half = np.exp(np.sqrt(3) / 2 / 0.5), 1.0, np.exp(0.5 / 0.5)
    outer = -np.log(half / (half + far + near))  # the view at 0: partner at 60, others at 90 and 30
    inner = -np.log(half / (half + near + near))  # the view at 60: partner at 0, others at 90 and 30
    assert float(info_nce(states, 0.5)) == pytest.approx((outer + inner) / 2, rel=1e-6)


def test_views_are_paired_by_row_id_in_any_order() -> None:
    rows = Histories.from_lists([[1, 2], [3], [4, 5, 6], []], n_items=6, row_ids=[10, 11, 12, 13])
    others = Histories.from_lists([[6, 6], [1], [2, 2], [5]], n_items=6, row_ids=[12, 99, 10, 13])
    found = pair_views(rows, others, max_length=2)
    batch = sequence_packing.build_training_segments(rows, 2)  # of rows 10 and 12
    views = found.select_views(batch.segment_ids)
    events = [
        views.rows.items[one : one + n].tolist() for one, n in zip(views.first_inputs, views.lengths, strict=True)
    ]
    assert events == [[1, 2], [5, 6], [2, 2], [6, 6]]


def asked_of(wish: Transformer, rows: Histories) -> tuple[list[int], dict]:
    """Epochs that a training asks its plan for, and its weights."""
    epochs = build_epoch_rows(rows, rows, Plan([Step(Drop(), mode="in_place", when="each_epoch")]), seed=7)
    asked = []

    def refresh(epoch: int, progress: float) -> Histories:
        asked.append(epoch)
        return epochs(epoch, progress)

    fitted = wish.fit(rows, TrainingContext(key=1, steps=30, rows_for_epoch=refresh))
    return asked, fitted.network.state_dict()


def test_without_contrastive_loss_results_and_plan_calls_are_unchanged() -> None:
    rows = world()
    asked, weights = asked_of(WISH, rows)
    assert asked == list(range(len(asked)))
    again, same = asked_of(replace(WISH, contrastive_weight=0.0, contrastive_temperature=9.0), rows)
    assert again == asked
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    twice, other = asked_of(replace(WISH, contrastive_weight=0.5), rows)
    assert twice == [epoch + draw for epoch in asked for draw in (0, SECOND_VIEW_OFFSET)]
    assert not torch.equal(weights["items.weight"], other["items.weight"])


def measure_separation(net, rows: Histories, plan: Plan) -> float:
    """Cosine of two views of a history, less that of views of different ones."""
    epochs = build_epoch_rows(rows, rows, plan, seed=99)
    with torch.inference_mode():
        views = [
            net(
                sequence_packing.pack_segments(
                    sequence_packing.build_last_segments(epochs(e, 0.0), 50), with_targets=False
                )
            )[0]
            for e in (1, 2)
        ]
    one, other = (F.normalize(states, dim=-1) for states in views)
    cosines = one @ other.T
    return float(cosines.diag().mean() - cosines.mean())


@pytest.mark.parametrize("with_plan", [True, False])
def test_training_makes_views_of_one_history_more_similar_than_others(with_plan) -> None:
    rows, plan = world(), Plan([Step(Drop(), mode="in_place", when="each_epoch")])
    refresh = build_epoch_rows(rows, rows, plan, seed=7) if with_plan else None
    nets = [
        replace(WISH, contrastive_weight=weight)
        .fit(rows, TrainingContext(key=1, steps=80, rows_for_epoch=refresh))
        .network.eval()
        for weight in (0.0, 1.0)
    ]
    without, with_contrast = (measure_separation(net, rows, plan) for net in nets)
    assert with_contrast > without + 0.05


def test_weights_and_temperatures_out_of_range_raise_an_error() -> None:
    with pytest.raises(SpecError, match=r"transformer\.contrastive_weight: expected 0"):
        Transformer(contrastive_weight=-1.0)
    with pytest.raises(SpecError, match=r"transformer\.contrastive_temperature"):
        Transformer(contrastive_temperature=0.0)
