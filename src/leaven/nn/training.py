"""The shared training loop: optimizer steps, learning rate, validation, best weights and resuming.

The random state of a step depends only on (key, step), so checkpoints do not store it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from leaven import rng
from leaven.errors import FitError
from leaven.nn import checkpoint
from leaven.nn import device as machine
from leaven.progress import ProgressCallback, no_progress

Batch = Any

_CHECK_EVERY = 20  # steps between checks of the loss: on a GPU each check waits for the device


class TrainingTask(Protocol):
    """Interface of a training task."""

    net: nn.Module

    def build_batches(self, number: int, progress: float) -> Sequence[Batch]:
        """Returns the batches of an epoch, determined by number and progress."""
        ...

    def compute_loss(self, net: nn.Module, batch: Batch, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (mean loss of the batch's targets, number of targets)."""
        ...

    def validate_network(self, net: nn.Module) -> float | None:
        """Returns the validation score, higher is better; None without validation data."""
        ...


class NetworkCallback(Protocol):
    """Callback that receives the network at every validation; its state is part of the checkpoint."""

    def on_validation(self, net: nn.Module, step: int) -> str:
        """Returns "go on", "fresh rows" (start a new epoch) or "stop"."""
        ...

    def state_dict(self) -> dict[str, object]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class StepRng:
    """Random source of one step. rank, n_processes: of this process."""

    key: int
    rank: int
    n_processes: int

    def make_generator(self, label: str) -> torch.Generator:
        """Returns a CPU generator, the same in every process."""
        return torch.Generator().manual_seed(rng.derive_key(self.key, label))


@dataclass(frozen=True)
class ScoreName:
    """Name of a validation score: in the curve, and for display. is_loss: the score is minus a loss, which is shown."""

    key: str
    label: str
    is_loss: bool = False


@dataclass(frozen=True)
class TrainerConfig:
    """Configuration of the training loop.

    key                  seeds all random draws
    steps                optimizer steps
    learning_rate        peak after `warm_up_steps`, followed by linear decay to 0
    betas                of AdamW
    decay_learning_rate  False: constant learning rate
    score_name           of the validation score, in the curve and for display
    validate_every       steps between validations and between checkpoints
    patience             validations without improvement before training stops; None: never
    fingerprint          identifies this training in checkpoints
    checkpoint_folder    None: no checkpoints
    callback             is called at every validation, or None
    largest_tensor       elements of the largest tensor of a layer in one step, or None; small steps use one thread
    """

    key: int
    steps: int
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    warm_up_steps: int = 100
    decay_learning_rate: bool = True
    score_name: ScoreName = ScoreName("valid_ndcg", "valid NDCG@10")
    validate_every: int = 250
    patience: int | None = None
    device: str = "auto"
    precision: str = "auto"
    fingerprint: str = ""
    checkpoint_folder: Path | None = None
    on_progress: ProgressCallback = no_progress
    callback: NetworkCallback | None = None
    largest_tensor: int | None = None

    def learning_rate_at(self, step: int) -> float:
        """Returns the learning rate of a step, counted from 0."""
        if not self.decay_learning_rate:
            return self.learning_rate
        warm = min(self.warm_up_steps, max(self.steps // 10, 1))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * (self.steps - step) / max(self.steps - warm, 1)


@dataclass
class _State:
    """Mutable training state, saved in checkpoints."""

    step: int = 0
    epoch: int = 0
    epoch_start: int = 0
    targets: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_step: int = 0
    worse: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ""


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """curve: a record per validation (step, loss, seconds, score); facts: seconds, steps, targets, peak_mb, stopped."""

    curve: list[dict[str, float]]
    facts: Mapping[str, object]


def train_network(task: TrainingTask, config: TrainerConfig) -> TrainingResult:
    """Trains `task.net` in place and leaves it on the CPU with its best weights, in evaluation mode.

    Raises FitError if the loss or a weight is not finite; the folder and the network keep the last valid state.
    """
    fabric = machine.create_fabric(config.device, config.precision)
    task.net.to(fabric.device)
    optimizer = torch.optim.AdamW(
        task.net.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )
    state, best = _load_state(task.net, optimizer, config)
    net, optimizer = fabric.setup(task.net, optimizer)
    if not state.stopped:
        cuda = [fabric.device] if fabric.device.type == "cuda" else []
        # dropout draws from the global generators of torch, which are restored afterwards
        with torch.random.fork_rng(devices=cuda), machine.limit_threads(config.largest_tensor):
            best = _run_steps(_Run(task, config, fabric, net, optimizer, _copy_weights(task.net)), state, best)
    if best:
        task.net.load_state_dict(best)
    task.net.cpu().eval()
    facts = {"seconds": round(state.seconds, 2), "steps": state.step, "targets": state.targets}
    peak = round(machine.measure_peak_megabytes(fabric.device), 1)
    return TrainingResult(state.curve, facts | {"peak_mb": peak, "stopped": state.stopped})


def _load_state(
    net: nn.Module, optimizer: torch.optim.Optimizer, course: TrainerConfig
) -> tuple[_State, checkpoint.Tensors]:
    """Returns (state, best weights) of the folder's checkpoint, or the initial state."""
    if course.checkpoint_folder is None:
        return _State(), {}
    best, metadata = checkpoint.restore_checkpoint(course.checkpoint_folder, net, optimizer, course.fingerprint)
    if metadata and course.callback is not None:
        course.callback.load_state_dict(metadata["watch"])
    return (_State(**metadata["state"]), best) if metadata else (_State(), {})


@dataclass(frozen=True, eq=False)
class _Run:
    """Constant parts of a training. finite_weights: updated in place at every validation."""

    task: TrainingTask
    course: TrainerConfig
    fabric: Any
    net: nn.Module
    optimizer: torch.optim.Optimizer
    finite_weights: checkpoint.Tensors


def _run_steps(run: _Run, state: _State, best: checkpoint.Tensors) -> checkpoint.Tensors:
    """Runs all remaining steps; returns the best weights, {} without validation scores."""
    try:
        return _loop_until_stopped(run, state, best)
    except FitError:
        run.task.net.load_state_dict(run.finite_weights)
        raise


def _loop_until_stopped(run: _Run, state: _State, best: checkpoint.Tensors) -> checkpoint.Tensors:
    losses: list[Tensor] = []
    start, earlier_seconds = time.perf_counter(), state.seconds
    batches, loaded_epoch = _build_batches(run, state), state.epoch
    while not state.stopped:
        if state.step - state.epoch_start >= len(batches):
            state.epoch, state.epoch_start = state.epoch + 1, state.step
        if state.epoch != loaded_epoch:
            batches, loaded_epoch = _build_batches(run, state), state.epoch
        loss, targets = _take_step(run, state.step, batches[state.step - state.epoch_start])
        losses.append(loss)
        state.step, state.targets = state.step + 1, state.targets + targets
        is_last = state.step >= run.course.steps
        if state.step % run.course.validate_every == 0 or is_last:
            state.seconds = earlier_seconds + time.perf_counter() - start
            best = _validate(run, state, _average_losses(losses, state.step), best)
            losses = []
        elif len(losses) % _CHECK_EVERY == 0:
            _average_losses(losses, state.step)
            run.course.on_progress(state.step, run.course.steps, "training")
    return best


def _build_batches(run: _Run, state: _State) -> Sequence[Batch]:
    batches = run.task.build_batches(state.epoch, state.epoch_start / run.course.steps)
    if not len(batches):
        raise FitError("training", "rows with something to predict", "none", "give longer histories")
    return batches


def _take_step(run: _Run, step: int, batch: Batch) -> tuple[Tensor, int]:
    """Takes one optimizer step; returns (loss, targets)."""
    key = rng.derive_key(run.course.key, "step", step)
    rank, world = run.fabric.global_rank, run.fabric.world_size
    torch.default_generator.manual_seed(rng.derive_key(key, "dropout", rank))
    if run.fabric.device.type == "cuda":
        torch.cuda.default_generators[run.fabric.device.index or 0].manual_seed(rng.derive_key(key, "dropout", rank))
    for group in run.optimizer.param_groups:
        group["lr"] = run.course.learning_rate_at(step)
    loss, targets = run.task.compute_loss(run.net, batch, StepRng(key, rank, world))
    run.optimizer.zero_grad(set_to_none=True)
    run.fabric.backward(loss)
    run.optimizer.step()
    return loss.detach(), targets


def _average_losses(losses: list[Tensor], step: int) -> float:
    """Returns the mean loss of the last steps. Raises FitError naming the first step with a non-finite loss."""
    values = torch.stack(losses)
    broken = (~torch.isfinite(values)).nonzero().flatten().tolist()
    if broken:
        first = step - len(losses) + broken[0] + 1
        fix = "lower the learning rate, or raise the temperature"
        raise FitError(f"training, step {first}", "a finite loss", str(float(values[broken[0]])), fix)
    return float(values.mean())


def _copy_weights(net: nn.Module) -> checkpoint.Tensors:
    return {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}


def _check_weights(net: nn.Module, step: int) -> checkpoint.Tensors:
    """Returns a copy of the weights on the CPU. Raises FitError if one is not finite although the loss was."""
    weights = _copy_weights(net)
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise FitError(f"training, step {step}", "finite weights", f"others in {name}", "lower the learning rate")
    return weights


def _validate(run: _Run, state: _State, loss: float, best: checkpoint.Tensors) -> checkpoint.Tensors:
    """Validates, records, keeps the best weights, decides whether to stop and writes the checkpoint."""
    run.finite_weights.update(_check_weights(run.task.net, state.step))
    run.task.net.eval()
    with machine.restore_threads():
        score = run.task.validate_network(run.task.net)
        action = "go on" if run.course.callback is None else run.course.callback.on_validation(run.task.net, state.step)
    run.task.net.train()
    record = {"step": float(state.step), "loss": loss, "seconds": round(state.seconds, 2)}
    message = f"training · loss {loss:.3f}"
    if score is not None:
        name = run.course.score_name
        record[name.key] = -score if name.is_loss else score
        message += f", {name.label} {record[name.key]:.4f}"
        state.worse += 1
        if score > state.best:
            state.best, state.best_step, state.worse = score, state.step, 0
            best = dict(run.finite_weights)
    state.curve.append(record)
    state.stopped = _find_stop_reason(run.course, state, action)
    if not state.stopped and action == "fresh rows":
        state.epoch, state.epoch_start = state.epoch + 1, state.step
    if run.course.checkpoint_folder is not None and run.fabric.is_global_zero:
        metadata: dict[str, object] = {"mark": run.course.fingerprint, "state": vars(state)}
        if run.course.callback is not None:
            metadata["watch"] = run.course.callback.state_dict()
        checkpoint.save_checkpoint(run.course.checkpoint_folder, run.task.net, run.optimizer, best, metadata)
    run.course.on_progress(state.step, run.course.steps, message)
    return best


def _find_stop_reason(course: TrainerConfig, state: _State, action: str) -> str:
    """Returns why training stops now, or "" if it continues."""
    if state.step >= course.steps:
        return "all steps done"
    if course.patience is not None and state.worse >= course.patience:
        return f"no improvement in {state.worse} validations"
    return "stopped by callback" if action == "stop" else ""
