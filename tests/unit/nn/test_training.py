"""Tests of the training loop: best weights, stopping, resuming and errors."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn

from leaven.errors import FitError
from leaven.nn import checkpoint
from leaven.nn.training import StepRng, TrainerConfig, train_network

TRUTH = torch.tensor([[2.0, -1.0, 0.5]])


class Line:
    """Least squares whose answer is known, with dropout so that chance matters."""

    def __init__(self, breaks_at: int = -1, values: Sequence[float] | None = None) -> None:
        self.net: nn.Module = nn.Sequential(nn.Dropout(0.2), nn.Linear(3, 1))
        with torch.no_grad():
            for weights in self.net.parameters():
                weights.zero_()
        self.breaks_at, self.values, self.calls, self.epochs = breaks_at, values, 0, []

    def build_batches(self, number: int, progress: float) -> list[torch.Tensor]:
        self.epochs.append((number, progress))
        chance = torch.Generator().manual_seed(number)
        return list(torch.randn(7, 16, 3, generator=chance))

    def compute_loss(self, net, batch, step_rng: StepRng) -> tuple[torch.Tensor, int]:
        self.calls += 1
        noise = torch.randn(16, 1, generator=step_rng.make_generator("noise")) * 0.01
        loss = ((net(batch) - batch @ TRUTH.T - noise) ** 2).mean()
        return (loss * torch.nan if self.calls == self.breaks_at else loss), 16

    def validate_network(self, net: nn.Module) -> float | None:
        if self.values is None:
            return -float((net[1].weight - TRUTH).detach().abs().sum())
        return self.values.pop(0)


COURSE = TrainerConfig(
    key=5, steps=60, learning_rate=0.1, warm_up_steps=5, validate_every=10, weight_decay=0.0, device="cpu"
)


def weights(task: Line) -> list[float]:
    return [value for part in task.net.state_dict().values() for value in part.flatten().tolist()]


def test_training_learns_and_reports_progress() -> None:
    task, messages = Line(), []
    outcome = train_network(
        task, replace(COURSE, on_progress=lambda done, total, words: messages.append((done, total, words)))
    )
    assert [record["step"] for record in outcome.curve] == [10, 20, 30, 40, 50, 60]
    assert outcome.curve[-1]["loss"] < outcome.curve[0]["loss"] / 2
    assert outcome.facts["steps"] == 60
    assert outcome.facts["targets"] == 60 * 16
    assert outcome.facts["stopped"] == "all steps done"
    assert outcome.facts["peak_mb"] > 0
    assert messages[-1][:2] == (60, 60)
    assert "valid NDCG@10" in messages[-1][2]
    assert not task.net.training


def test_epochs_are_requested_in_order_with_their_initial_progress() -> None:
    task = Line()
    train_network(task, COURSE)
    assert task.epochs == [(number, 7 * number / 60) for number in range(9)]


def test_weights_depend_on_the_key_and_global_generators_are_unchanged() -> None:
    tasks = [Line(), Line(), Line()]
    before = torch.random.get_rng_state()
    for task, key in zip(tasks, (5, 5, 6), strict=True):
        train_network(task, replace(COURSE, key=key))
    assert weights(tasks[0]) == weights(tasks[1])
    assert weights(tasks[0]) != weights(tasks[2])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("killed_at", [1, 10, 23, 59])
def test_interrupted_training_resumes_to_identical_weights(killed_at, tmp_path) -> None:
    class Killed(Exception):
        pass

    class Mortal(Line):
        def compute_loss(self, net, batch, step_rng):
            if self.calls == killed_at:
                raise Killed
            return super().compute_loss(net, batch, step_rng)

    course = replace(COURSE, checkpoint_folder=tmp_path / "training")
    with pytest.raises(Killed):
        train_network(Mortal(), course)
    again, whole = Line(), Line()
    outcome = train_network(again, course)
    straight = train_network(whole, COURSE)
    assert again.calls == 60 - killed_at // 10 * 10
    assert weights(again) == weights(whole)
    drop = [[{**record, "seconds": 0} for record in o.curve] for o in (outcome, straight)]
    assert drop[0] == drop[1]


def test_a_finished_training_is_not_repeated(tmp_path) -> None:
    first, second = Line(), Line()
    course = replace(COURSE, checkpoint_folder=tmp_path)
    assert train_network(first, course).facts["stopped"] == train_network(second, course).facts["stopped"]
    assert second.calls == 0
    assert weights(first) == weights(second)


def test_the_best_weights_are_kept_and_patience_stops_training() -> None:
    course = replace(COURSE, patience=2)
    task, twenty = Line(values=[0.1, 0.5, 0.4, 0.3, 0.9, 1.0]), Line(values=[0.1, 0.5])
    outcome = train_network(task, course)
    assert outcome.facts["stopped"] == "no improvement in 2 validations"
    assert outcome.facts["steps"] == 40

    class Stop(Exception):
        pass

    def stop(done: int, total: int, words: str) -> None:
        if done == 20:
            raise Stop

    with pytest.raises(Stop):
        train_network(twenty, replace(course, on_progress=stop))
    assert weights(task) == weights(twenty)


def test_without_patience_training_takes_all_steps() -> None:
    task = Line(values=[0.9, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert train_network(task, COURSE).facts["steps"] == 60


def test_a_non_finite_loss_names_its_step_and_keeps_the_last_valid_state(tmp_path) -> None:
    task = Line(breaks_at=34)
    with pytest.raises(FitError, match="step 34: expected a finite loss, got nan"):
        train_network(task, replace(COURSE, checkpoint_folder=tmp_path))
    tensors, said = checkpoint.load_tensors(tmp_path / "training.safetensors")
    assert said["state"]["step"] == 30
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    kept = {name.removeprefix("net."): tensor for name, tensor in tensors.items() if name.startswith("net.")}
    assert all(torch.equal(kept[name], tensor) for name, tensor in task.net.state_dict().items())


def test_non_finite_weights_with_a_finite_loss_are_not_kept(tmp_path) -> None:
    task = Line()

    def spoil(grad: torch.Tensor) -> torch.Tensor:
        return grad * float("nan") if (tmp_path / "training.safetensors").exists() else grad

    next(task.net.parameters()).register_hook(spoil)
    with pytest.raises(FitError, match="expected a finite"):
        train_network(task, replace(COURSE, checkpoint_folder=tmp_path))
    assert all(torch.isfinite(tensor).all() for tensor in task.net.state_dict().values())


def test_a_checkpoint_of_another_training_raises_an_error(tmp_path) -> None:
    train_network(Line(), replace(COURSE, checkpoint_folder=tmp_path, fingerprint="one"))
    with pytest.raises(FitError, match="that of another"):
        train_network(Line(), replace(COURSE, checkpoint_folder=tmp_path, fingerprint="two"))


def test_an_epoch_without_batches_raises_an_error() -> None:
    class Empty(Line):
        def build_batches(self, number, progress):
            return []

    with pytest.raises(FitError, match="something to predict"):
        train_network(Empty(), COURSE)


def test_the_learning_rate_warms_up_and_decays_to_zero() -> None:
    rates = [COURSE.learning_rate_at(step) for step in range(61)]
    assert rates[4] == pytest.approx(0.1)
    assert rates[:5] == sorted(rates[:5])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[60] == 0


def test_saved_tensors_are_loaded_unchanged(tmp_path) -> None:
    checkpoint.save_tensors(tmp_path / "deep" / "w.safetensors", {"a": torch.arange(3)}, {"best": -float("inf")})
    tensors, said = checkpoint.load_tensors(tmp_path / "deep" / "w.safetensors")
    assert tensors["a"].tolist() == [0, 1, 2]
    assert json.dumps(said) == '{"best": -Infinity}'
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["w.safetensors"]
