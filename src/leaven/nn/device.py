"""Device, precision, processes and threads of training."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from leaven.errors import MissingExtra, SpecError

_SINGLE_THREAD_ELEMENTS = 1 << 18
"""Smaller operations finish faster on one thread; PyTorch starts a second thread much earlier."""
_restorable_threads = 0
"""Threads that `restore_threads` may use inside `limit_threads`; 0 outside."""

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


def create_fabric(device: str = "auto", precision: str = "auto") -> Any:
    """Returns Lightning Fabric for this process, or for all processes that torchrun started.

    precision "auto": float32 on a CPU; bf16 on a GPU that supports it (on a CPU without support bf16 is slower).

    Raises SpecError for an unavailable device or precision; MissingExtra without lightning-fabric.
    """
    try:
        from lightning_fabric import Fabric
    except ModuleNotFoundError:
        raise MissingExtra("lightning-fabric", "torch") from None
    kind = resolve_device(device)
    if precision not in PRECISIONS:
        raise SpecError("precision", f"one of {', '.join(PRECISIONS)}", repr(precision), "")
    if precision == "auto":
        precision = "bf16-mixed" if kind == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if world > 1:
        fabric = Fabric(accelerator=kind, precision=precision, strategy="ddp", devices=local, num_nodes=world // local)
    else:
        fabric = Fabric(accelerator=kind, precision=precision, devices=1)
    fabric.launch()
    return fabric


def resolve_device(device: str) -> str:
    """Returns "cpu", "cuda" or "mps"; "auto" selects cuda if available, else the CPU.

    Raises SpecError for an unknown or unavailable device.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if available["cuda"] else "cpu"
    if device not in available:
        raise SpecError("device", f"one of auto, {', '.join(available)}", repr(device), "")
    if not available[device]:
        raise SpecError("device", f"a machine with {device}", "none available", "set device = 'auto'")
    return device


def is_bfloat16_fast(device: str, precision: str) -> bool:
    """Returns whether bfloat16 products are much faster than float32 ones and the precision allows them."""
    if precision == "32-true":
        return False
    if resolve_device(device) == "cuda":
        return torch.cuda.is_bf16_supported()
    return any(torch.cpu.get_capabilities().get(name, False) for name in ("avx512_bf16", "amx_bf16"))


@contextmanager
def limit_threads(n_elements: int | None) -> Iterator[None]:
    """Limits PyTorch to one thread if its operations have few elements; otherwise changes nothing.

    None: the size is unknown. On one thread, results do not depend on the number of threads of the machine.
    """
    global _restorable_threads
    before, outer = torch.get_num_threads(), _restorable_threads
    if n_elements is not None and n_elements <= _SINGLE_THREAD_ELEMENTS:
        _restorable_threads = max(before, outer)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _restorable_threads = outer


@contextmanager
def restore_threads() -> Iterator[None]:
    """Restores all threads for a large operation inside `limit_threads`."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(before, _restorable_threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def use_reduced_precision() -> Iterator[None]:
    """Rounds the inputs of float32 matrix products (bfloat16 on a CPU, TF32 on a GPU); sums stay in float32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def measure_peak_megabytes(device: torch.device) -> float:
    """Returns the peak memory so far, in MiB: of the GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    units_per_mb = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_per_mb
