"""Tests of callbacks during training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from leaven.datasets.histories import HeldOut, Histories
from leaven.nn import scoring, sequence_packing
from leaven.nn.training import train_network
from unit.nn.test_scoring import N_ITEMS, net
from unit.nn.test_training import COURSE, Line, weights


class Watcher:
    """Records every validation and returns configured actions at some steps."""

    def __init__(self, asks: dict[int, str] | None = None) -> None:
        self.asks, self.steps, self.dropout = asks or {}, [], []

    def on_validation(self, net, step: int) -> str:
        self.steps.append(step)
        self.dropout.append(net.training)
        return self.asks.get(step, "go on")

    def state_dict(self) -> dict:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict) -> None:
        self.steps = list(state["steps"])


def test_the_callback_runs_at_every_validation_in_evaluation_mode_without_side_effects() -> None:
    seen, alone, watcher = Line(), Line(), Watcher()
    train_network(seen, replace(COURSE, callback=watcher))
    train_network(alone, COURSE)
    assert watcher.steps == [10, 20, 30, 40, 50, 60]
    assert not any(watcher.dropout)
    assert weights(seen) == weights(alone)


def test_requesting_fresh_rows_starts_a_new_epoch() -> None:
    task = Line()
    train_network(task, replace(COURSE, callback=Watcher({20: "fresh rows", 60: "fresh rows"})))
    began = [round(60 * progress) for _, progress in task.epochs]
    assert began == [0, 7, 14, 20, 27, 34, 41, 48, 55]
    assert [number for number, _ in task.epochs] == list(range(9))


def test_the_callback_can_stop_training() -> None:
    outcome = train_network(Line(), replace(COURSE, callback=Watcher({30: "stop"})))
    assert outcome.facts["steps"] == 30
    assert outcome.facts["stopped"] == "stopped by callback"


@pytest.mark.parametrize("killed_at", [5, 23, 31, 59])
def test_the_callback_state_is_restored_after_an_interruption(killed_at, tmp_path) -> None:
    class Killed(Exception):
        pass

    class Mortal(Line):
        def compute_loss(self, net, batch, chance):
            if self.calls == killed_at:
                raise Killed
            return super().compute_loss(net, batch, chance)

    asks = {20: "fresh rows", 30: "fresh rows"}
    course = replace(COURSE, checkpoint_folder=tmp_path)
    with pytest.raises(Killed):
        train_network(Mortal(), replace(course, callback=Watcher(asks)))
    again, whole, watcher = Line(), Line(), Watcher(asks)
    train_network(again, replace(course, callback=watcher))
    train_network(whole, replace(COURSE, callback=Watcher(asks)))
    assert watcher.steps == [10, 20, 30, 40, 50, 60]
    assert weights(again) == weights(whole)


@pytest.mark.parametrize("temperature", [None, 0.2])
@pytest.mark.parametrize("cells", [4_194_304, 5 * N_ITEMS])
def test_a_users_loss_is_the_mean_cross_entropy_of_the_targets_over_the_catalog(
    cells, temperature, monkeypatch
) -> None:
    monkeypatch.setattr(scoring, "_MAX_SCORES", cells)
    known = Histories.from_lists([[1, 2, 3], [4], [9, 8, 7, 6, 5, 4, 3], [2, 2], [30]] * 3, N_ITEMS)
    starts = np.cumsum([0, 2, 1, 3, 1, 1] + [1] * 10)
    taken = (np.arange(starts[-1]) % N_ITEMS + 1).astype(np.int32)
    users, made = HeldOut(known, taken, np.zeros(len(taken), np.int64), starts), net()
    found = scoring.compute_user_losses(made, users, temperature)
    vectors = made.items.weight[1 : N_ITEMS + 1]
    for user in range(len(known)):
        alone = sequence_packing.pack_segments(
            sequence_packing.build_last_segments(known.slice(user, user + 1), 5), with_targets=False
        )
        with torch.no_grad():
            state = made(alone, alone.targets)[0]
            if temperature is None:
                logits = state @ vectors.T
            else:
                unit = torch.nn.functional.normalize
                logits = unit(state, dim=-1) @ unit(vectors, dim=-1).T / temperature
            share = logits.log_softmax(dim=1)[0]
        wanted = [-float(share[item - 1]) for item in taken[starts[user] : starts[user + 1]]]
        assert found[user] == pytest.approx(np.mean(wanted), rel=1e-4)
