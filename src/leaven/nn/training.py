"""How is a net trained: steps, learning rate, looks at validation, the best weights, going on after a stop?

The one loop. Every step's chance follows from (key, step), so nothing of it has to be kept to resume.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from leaven import rng
from leaven.errors import FitError
from leaven.nn import checkpoint
from leaven.nn import device as machine
from leaven.progress import Tell, quiet

Batch = Any

_CHECK_EVERY = 20  # steps between looks at the loss: on a GPU each look waits for the device


class Task(Protocol):
    """What is to be learned."""

    net: nn.Module

    def epoch(self, number: int, progress: float) -> Sequence[Batch]:
        """The batches of an epoch, the same for the same number and progress."""
        ...

    def loss(self, net: nn.Module, batch: Batch, chance: Chance) -> tuple[Tensor, int]:
        """(mean loss of the batch's targets, how many targets)."""
        ...

    def look(self, net: nn.Module) -> float | None:
        """How good it is now, higher is better; None where there is nothing to look at."""
        ...


class Watch(Protocol):
    """Who looks on: shown the net at every look, with a memory that lies in the checkpoint."""

    def look(self, net: nn.Module, step: int) -> str:
        """ "go on"; "fresh rows": a new epoch begins now; "stop"."""
        ...

    def memory(self) -> dict[str, Any]: ...

    def recall(self, memory: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Chance:
    """Chance of one step, and which of how many processes asks."""

    key: int
    rank: int
    world: int

    def generator(self, label: str) -> torch.Generator:
        """A CPU generator, the same in every process."""
        return torch.Generator().manual_seed(rng.key(self.key, label))


@dataclass(frozen=True)
class Course:
    """How training goes.

    key            every draw follows from it
    steps          optimiser steps
    learning_rate  its peak, after `warm_up_steps`; from there it falls in a line to 0 at the end, or stays
    betas          how slowly AdamW forgets gradients and their squares
    rate_falls     False: the peak from the first step to the last
    measure        what `Task.look` measures: its name in the curve, and for a reader
    look_every     steps between looks at validation and between checkpoints
    patience       looks without a better one before it stops; None: never
    mark           says which training this is, for checkpoints
    folder         of checkpoints; None: none
    watch          looks on; None: nobody
    numbers        of the largest tensor of a layer in one step, where it is known: small steps are done by one thread
    """

    key: int
    steps: int
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    warm_up_steps: int = 100
    rate_falls: bool = True
    measure: tuple[str, str] = ("valid_ndcg", "valid NDCG@10")
    look_every: int = 250
    patience: int | None = None
    device: str = "auto"
    precision: str = "auto"
    mark: str = ""
    folder: Path | None = None
    tell: Tell = quiet
    watch: Watch | None = None
    numbers: int | None = None

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if not self.rate_falls:
            return self.learning_rate
        warm = min(self.warm_up_steps, max(self.steps // 10, 1))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * (self.steps - step) / max(self.steps - warm, 1)


@dataclass
class _State:
    """What changes while training goes on."""

    step: int = 0
    epoch: int = 0
    epoch_began: int = 0
    targets: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    best_step: int = 0
    worse: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """curve: one record a look (step, loss, seconds, valid_ndcg); facts: seconds, steps, targets, peak_mb, stopped."""

    curve: list[dict[str, float]]
    facts: dict[str, Any]


def train(task: Task, course: Course) -> Outcome:
    """Trains `task.net` in place, leaves it with its best weights on the CPU, in evaluation mode.

    Raises FitError where the loss or a weight is no finite number; the last good state stays in the folder and in
    the net.
    """
    fabric = machine.fabric(course.device, course.precision)
    task.net.to(fabric.device)
    optimizer = torch.optim.AdamW(
        task.net.parameters(),
        lr=course.learning_rate,
        betas=course.betas,
        weight_decay=course.weight_decay,
        fused=True,
    )
    state, best = _begin(task.net, optimizer, course)
    net, optimizer = fabric.setup(task.net, optimizer)
    if not state.stopped:
        with _own_chance(fabric.device), machine.narrowed(course.numbers):
            best = _go(_Run(task, course, fabric, net, optimizer, _copied(task.net)), state, best)
    if best:
        task.net.load_state_dict(best)
    task.net.cpu().eval()
    facts = {"seconds": round(state.seconds, 2), "steps": state.step, "targets": state.targets}
    peak = round(machine.peak_megabytes(fabric.device), 1)
    return Outcome(state.curve, facts | {"peak_mb": peak, "stopped": state.stopped})


def _begin(net: nn.Module, optimizer: Any, course: Course) -> tuple[_State, checkpoint.Tensors]:
    """Where the folder's checkpoint left off, or the start."""
    if course.folder is None:
        return _State(), {}
    best, said = checkpoint.restore(course.folder, net, optimizer, course.mark)
    if said and course.watch is not None:
        course.watch.recall(said["watch"])
    return (_State(**said["state"]), best) if said else (_State(), {})


@contextmanager
def _own_chance(device: torch.device) -> Iterator[None]:
    """Dropout draws from torch's global generators: they are put back afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


@dataclass(frozen=True, eq=False)
class _Run:
    """What does not change while training goes on. good: the last weights that were found finite, at a look."""

    task: Task
    course: Course
    fabric: Any
    net: Any
    optimizer: Any
    good: checkpoint.Tensors


def _go(run: _Run, state: _State, best: checkpoint.Tensors) -> checkpoint.Tensors:
    """All steps from where `state` stands; the best weights, {} where nobody looked."""
    try:
        return _all_steps(run, state, best)
    except FitError:
        run.task.net.load_state_dict(run.good)
        raise


def _all_steps(run: _Run, state: _State, best: checkpoint.Tensors) -> checkpoint.Tensors:
    losses: list[Tensor] = []
    began, before = time.perf_counter(), state.seconds
    batches, shown = _batches(run, state), state.epoch
    while not state.stopped:
        if state.step - state.epoch_began >= len(batches):
            state.epoch, state.epoch_began = state.epoch + 1, state.step
        if state.epoch != shown:
            batches, shown = _batches(run, state), state.epoch
        loss, targets = _step(run, state.step, batches[state.step - state.epoch_began])
        losses.append(loss)
        state.step, state.targets = state.step + 1, state.targets + targets
        ended = state.step >= run.course.steps
        if state.step % run.course.look_every == 0 or ended:
            state.seconds = before + time.perf_counter() - began
            best = _look(run, state, _mean(losses, state.step), best)
            losses = []
        elif len(losses) % _CHECK_EVERY == 0:
            _mean(losses, state.step)
            run.course.tell(state.step, run.course.steps, "training")
    return best


def _batches(run: _Run, state: _State) -> Sequence[Batch]:
    """The batches of the epoch that `state` stands in."""
    batches = run.task.epoch(state.epoch, state.epoch_began / run.course.steps)
    if not len(batches):
        raise FitError("training", "rows with something to predict", "none", "give longer histories")
    return batches


def _step(run: _Run, step: int, batch: Batch) -> tuple[Tensor, int]:
    """One step of the optimiser; (loss, targets)."""
    key = rng.key(run.course.key, "step", step)
    rank, world = run.fabric.global_rank, run.fabric.world_size
    torch.default_generator.manual_seed(rng.key(key, "dropout", rank))
    if run.fabric.device.type == "cuda":
        torch.cuda.default_generators[run.fabric.device.index or 0].manual_seed(rng.key(key, "dropout", rank))
    for group in run.optimizer.param_groups:
        group["lr"] = run.course.rate(step)
    loss, targets = run.task.loss(run.net, batch, Chance(key, rank, world))
    run.optimizer.zero_grad(set_to_none=True)
    run.fabric.backward(loss)
    run.optimizer.step()
    return loss.detach(), targets


def _mean(losses: list[Tensor], step: int) -> float:
    """Mean of the losses of the last steps; FitError names the first step whose loss is no finite number."""
    values = torch.stack(losses)
    odd = (~torch.isfinite(values)).nonzero().flatten().tolist()
    if odd:
        where = step - len(losses) + odd[0] + 1
        fix = "lower the learning rate, or raise the temperature"
        raise FitError(f"training, step {where}", "a finite loss", str(float(values[odd[0]])), fix)
    return float(values.mean())


def _copied(net: nn.Module) -> checkpoint.Tensors:
    return {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}


def _finite(net: nn.Module, step: int) -> checkpoint.Tensors:
    """The weights, on the CPU; FitError where one is no finite number: the last step broke it, not its loss."""
    copied = _copied(net)
    for name, tensor in copied.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise FitError(f"training, step {step}", "finite weights", f"others in {name}", "lower the learning rate")
    return copied


def _look(run: _Run, state: _State, loss: float, best: checkpoint.Tensors) -> checkpoint.Tensors:
    """Judges, records, keeps the best weights, decides whether to go on, writes the checkpoint."""
    run.good.update(_finite(run.task.net, state.step))
    run.task.net.eval()
    with machine.widened():
        value = run.task.look(run.task.net)
        asked = "go on" if run.course.watch is None else run.course.watch.look(run.task.net, state.step)
    run.task.net.train()
    record = {"step": float(state.step), "loss": loss, "seconds": round(state.seconds, 2)}
    words = f"training · loss {loss:.3f}"
    if value is not None:
        name, shown = run.course.measure
        record[name] = value
        words += f", {shown} {value:.4f}"
        state.worse += 1
        if value > state.best:
            state.best, state.best_step, state.worse = value, state.step, 0
            best = dict(run.good)
    state.curve.append(record)
    if state.step >= run.course.steps:
        state.stopped = "all steps done"
    elif run.course.patience is not None and state.worse >= run.course.patience:
        state.stopped = f"no better for {state.worse} looks"
    elif asked == "stop":
        state.stopped = "who looked on had seen enough"
    elif asked == "fresh rows":
        state.epoch, state.epoch_began = state.epoch + 1, state.step
    if run.course.folder is not None and run.fabric.is_global_zero:
        said = {"mark": run.course.mark, "state": vars(state)}
        if run.course.watch is not None:
            said["watch"] = run.course.watch.memory()
        checkpoint.keep(run.course.folder, run.task.net, run.optimizer, best, said)
    run.course.tell(state.step, run.course.steps, words)
    return best
