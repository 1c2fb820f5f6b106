"""On which device, in which precision, in how many processes does a net train?"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from leaven.errors import MissingExtra, SpecError

_ALONE = 1 << 18
"""Operations on no more numbers end before a second thread has woken: PyTorch wakes it for far fewer."""
_lent = 0
"""Threads that a part of a narrowed stretch may have back; 0 outside of one."""

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


def fabric(device: str = "auto", precision: str = "auto") -> Any:
    """Lightning Fabric over this process, or over all of them when torchrun started several.

    precision "auto": float32 on a CPU; bf16 where a GPU has it (on a CPU without it bf16 is slower than float32).

    Raises SpecError for a device or a precision that is not there; MissingExtra without lightning-fabric.
    """
    try:
        from lightning_fabric import Fabric
    except ModuleNotFoundError:
        raise MissingExtra("lightning-fabric", "torch") from None
    kind = device_kind(device)
    if precision not in PRECISIONS:
        raise SpecError("precision", f"one of {', '.join(PRECISIONS)}", repr(precision), "")
    if precision == "auto":
        precision = "bf16-mixed" if kind == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    many: dict[str, Any] = {"strategy": "ddp", "devices": local, "num_nodes": world // local} if world > 1 else {}
    made = Fabric(accelerator=kind, precision=precision, **({"devices": 1} | many))
    made.launch()
    return made


def device_kind(device: str) -> str:
    """ "cpu", "cuda" or "mps"; "auto" is the best that is there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if device not in there:
        raise SpecError("device", f"one of auto, {', '.join(there)}", repr(device), "")
    if not there[device]:
        raise SpecError("device", f"a machine with {device}", "none here", "write device = 'auto'")
    return device


def halves_are_quick(device: str, precision: str) -> bool:
    """Whether products of rounded numbers cost much less than those of float32, and "auto" may choose them."""
    if precision == "32-true":
        return False
    if device_kind(device) == "cuda":
        return torch.cuda.is_bf16_supported()
    return any(torch.cpu.get_capabilities().get(name, False) for name in ("avx512_bf16", "amx_bf16"))


@contextmanager
def narrowed(numbers: int | None) -> Iterator[None]:
    """One thread of PyTorch where its operations are on no more `numbers` than one does sooner; else as many as before.

    None: nobody knows how many. On one thread, results do not hang on how many there are.
    """
    global _lent
    before, outer = torch.get_num_threads(), _lent
    if numbers is not None and numbers <= _ALONE:
        _lent = max(before, outer)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _lent = outer


@contextmanager
def widened() -> Iterator[None]:
    """All threads again, for a large part of a narrowed stretch."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(before, _lent))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def rounded_products() -> Iterator[None]:
    """Products of float32 matrices are of rounded numbers, summed in float32: bfloat16 on a CPU, TF32 on a GPU."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def peak_megabytes(device: torch.device) -> float:
    """Most memory so far: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
