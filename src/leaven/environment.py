"""Inspects the machine, the installed libraries and the optional extras."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?P<inner>\[[^]]*\])?(?P<versions>[^;]*)(?:;(?P<marker>.*))?$")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_PACKAGE = "leaven"
_HIDDEN_EXTRAS = ("all", "dev")  # a collection of other extras, and development tools
_PURPOSES: dict[str, str] = {
    "torch": "neural recommenders and generators",
    "als": "matrix factorization by alternating least squares",
    "frames": "pandas and Polars tables in Python",
    "databases": "logs in SQLite and PostgreSQL",
    "text": "Chinese item texts",
    "llm": "text generation by language models, sentence encoders, the Hugging Face Trainer",
    "mlflow": "tracking with MLflow",
    "tensorboard": "tracking with TensorBoard",
    "wandb": "tracking with Weights & Biases",
    "swanlab": "tracking with SwanLab",
    "image": "item images",
    "spark": "logs larger than one machine",
    "s3": "files in object stores",
    "quality": "classifier tests of synthetic against real rows",
    "serve": "HTTP server of trained models, export to ONNX",
}
_MB = 1 << 20


@dataclass(frozen=True)
class Library:
    """A required library. installed: its version, "" for none; minimum: the minimum version."""

    name: str
    minimum: str
    installed: str

    @property
    def is_compatible(self) -> bool:
        """Whether it is installed and new enough."""
        return bool(self.installed) and _parse_version(self.installed) >= _parse_version(self.minimum)


@dataclass(frozen=True)
class OptionalExtra:
    """An optional extra with its purpose and required libraries."""

    name: str
    purpose: str
    requirements: tuple[Library, ...]

    @property
    def missing_libraries(self) -> tuple[str, ...]:
        """Libraries that are not installed or too old."""
        return tuple(library.name for library in self.requirements if not library.is_compatible)

    @property
    def install_command(self) -> str:
        """The command that installs the extra."""
        return f"pip install '{_PACKAGE}[{self.name}]'"


@dataclass(frozen=True)
class EnvironmentReport:
    """machine: property -> value; required: required libraries; warnings: settings that cost speed or disk space."""

    machine: dict[str, str]
    required: tuple[Library, ...]
    extras: tuple[OptionalExtra, ...]
    warnings: tuple[str, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether all required libraries are installed and new enough."""
        return all(library.is_compatible for library in self.required)


def inspect_environment() -> EnvironmentReport:
    """Inspect this machine, without changing or sending anything."""
    needed, extras = parse_requirements(importlib.metadata.requires(_PACKAGE) or [])
    machine = {
        "leaven": f"{importlib.metadata.version(_PACKAGE)} on Python {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "cores": str(count_cores()),
        "memory": f"{get_free_memory_mb():,} MB available" if get_free_memory_mb() else "unknown",
        "disk": _describe_disk(Path.cwd(), "here"),
        "temporary files": _describe_disk(Path(tempfile.gettempdir()), tempfile.gettempdir()),
        "device": _describe_device(),
        "java": shutil.which("java") or "none (only Spark needs it)",
    }
    return EnvironmentReport(machine, needed, extras, tuple(_list_warnings()))


def parse_requirements(requirements: list[str]) -> tuple[tuple[Library, ...], tuple[OptionalExtra, ...]]:
    """(required libraries, optional extras) from the requirement strings of the installed package.

    >>> parse_requirements(["numpy>=2.0", 'torch>=2.5; extra == "torch"'])[1][0].name
    'torch'
    """
    required: list[Library] = []
    by_extra: dict[str, list[Library]] = {}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement.strip())
        if match is None or match["name"].lower() == _PACKAGE:
            continue  # collections of other extras
        library = _find_library(match["name"], match["versions"])
        extra = _EXTRA.search(match["marker"] or "")
        (by_extra.setdefault(extra[1], []) if extra else required).append(library)
    extras = (
        OptionalExtra(name, _PURPOSES.get(name, ""), tuple(members))
        for name, members in by_extra.items()
        if name not in _HIDDEN_EXTRAS
    )
    return tuple(required), tuple(extras)


def _find_library(name: str, versions: str) -> Library:
    minimum = re.search(r">=\s*([0-9][0-9.]*)", versions)
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        installed = ""
    return Library(name, minimum[1] if minimum else "0", installed)


def _parse_version(version: str) -> tuple[int, ...]:
    """The leading numbers of a version; suffixes such as rc or dev are ignored."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else (0,)


def count_cores() -> int:
    """CPU cores available to this process, within the limit of a container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read_file("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdecimal() and period.strip().isdecimal():
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def get_free_memory_mb() -> int:
    """Megabytes of memory available to this process, within the limit of a container; 0 where unknown."""
    free = re.search(r"^MemAvailable:\s+(\d+) kB", _read_file("/proc/meminfo"), re.M)
    limits = [int(free[1]) // 1024] if free else []
    limit, used = (_read_file(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    if limit.isdecimal() and used.isdecimal():
        limits.append((int(limit) - int(used)) // _MB)
    return min(limits, default=0)


def _read_file(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _describe_disk(folder: Path, name: str) -> str:
    return f"{shutil.disk_usage(folder).free // _MB:,} MB free {'' if name == 'here' else 'in '}{name}"


def _describe_device() -> str:
    """The device for training; imports torch, which takes a second or two."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return "no torch: popularity, neighbors and Markov chains only"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return f"{len(names)} × {names[0]}"
    if torch.backends.mps.is_available():
        return "Apple GPU (mps)"
    return f"CPU, {torch.get_num_threads()} threads"


def _list_warnings() -> Iterator[str]:
    for check in (_check_threads, _check_disk, _check_cache):
        if warning := check():
            yield warning


def _check_threads() -> str:
    if sys.platform != "linux" or os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive":
        return ""
    return "on a busy machine OMP_WAIT_POLICY=passive can make training with small batches several times faster"


def _check_disk() -> str:
    if shutil.disk_usage(tempfile.gettempdir()).free > 4096 * _MB:
        return ""
    return f"less than 4 GB free in {tempfile.gettempdir()}: set TMPDIR to a larger disk for large logs"


def _check_cache() -> str:
    """Compiled kernels are cached next to the package or in the user's cache folder."""
    package = Path(__file__).parent / "kernels"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if os.environ.get("NUMBA_CACHE_DIR") or os.access(package, os.W_OK) or os.access(home, os.W_OK):
        return ""
    return "no writable cache for compiled kernels, every start compiles them again: set NUMBA_CACHE_DIR"
