"""What can this machine do, and what is missing?"""

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

_NEED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?P<inner>\[[^]]*\])?(?P<versions>[^;]*)(?:;(?P<marker>.*))?$")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_OURS = "leaven"
_GATHERED = ("all", "dev")  # extras that only name other extras, and what developers need
_FOR: dict[str, str] = {
    "torch": "neural recommenders and generators",
    "frames": "pandas and Polars tables in Python",
    "databases": "logs in SQLite and PostgreSQL",
    "text": "Chinese words of items",
    "llm": "texts by a model, sentence encoders, the Hugging Face Trainer",
    "image": "pictures of items",
    "spark": "logs larger than one machine",
    "s3": "files in object stores",
    "judge": "telling made rows from real ones with a classifier",
}
_MB = 1 << 20


@dataclass(frozen=True)
class Library:
    """installed: the version that is there, "" for none; wanted: the smallest that will do."""

    name: str
    wanted: str
    installed: str

    @property
    def fits(self) -> bool:
        """Whether it is installed and new enough."""
        return bool(self.installed) and _numbers(self.installed) >= _numbers(self.wanted)


@dataclass(frozen=True)
class Extra:
    """An optional part: what it is for, the libraries it needs, and how to get it."""

    name: str
    purpose: str
    libraries: tuple[Library, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Libraries that are not there, or too old."""
        return tuple(library.name for library in self.libraries if not library.fits)

    @property
    def install(self) -> str:
        """What to type to get it."""
        return f"pip install '{_OURS}[{self.name}]'"


@dataclass(frozen=True)
class Checkup:
    """machine: name -> what was found; needed: libraries without which nothing works; warnings: what will hurt."""

    machine: dict[str, str]
    needed: tuple[Library, ...]
    extras: tuple[Extra, ...]
    warnings: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether everything that leaven cannot do without is there."""
        return all(library.fits for library in self.needed)


def examine() -> Checkup:
    """Looks at this machine; nothing is changed, nothing is sent anywhere."""
    needed, extras = libraries(importlib.metadata.requires(_OURS) or [])
    machine = {
        "leaven": f"{importlib.metadata.version(_OURS)} on Python {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "cores": str(cores()),
        "memory": f"{memory_mb():,} MB free to use" if memory_mb() else "unknown",
        "disk": _disk(Path.cwd(), "here"),
        "temporary files": _disk(Path(tempfile.gettempdir()), tempfile.gettempdir()),
        "device": _device(),
        "java": shutil.which("java") or "none (only Spark needs it)",
    }
    return Checkup(machine, needed, extras, tuple(_warnings()))


def libraries(requirements: list[str]) -> tuple[tuple[Library, ...], tuple[Extra, ...]]:
    """(what is always needed, the extras), from the requirements that the installed package declares.

    >>> libraries(["numpy>=2.0", 'torch>=2.5; extra == "torch"'])[1][0].name
    'torch'
    """
    always: list[Library] = []
    by_extra: dict[str, list[Library]] = {}
    for requirement in requirements:
        found = _NEED.match(requirement.strip())
        if found is None or found["name"].lower() == _OURS:
            continue  # extras that only gather other extras say nothing new
        one = _library(found["name"], found["versions"])
        extra = _EXTRA.search(found["marker"] or "")
        (by_extra.setdefault(extra[1], []) if extra else always).append(one)
    extras = (Extra(name, _FOR.get(name, ""), tuple(held)) for name, held in by_extra.items() if name not in _GATHERED)
    return tuple(always), tuple(extras)


def _library(name: str, versions: str) -> Library:
    smallest = re.search(r">=\s*([0-9][0-9.]*)", versions)
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        installed = ""
    return Library(name, smallest[1] if smallest else "0", installed)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with; those after a word (rc, dev) do not count."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else (0,)


def cores() -> int:
    """Processor cores that this process may use: a container's limit counts, not the host's cores."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdecimal() and period.strip().isdecimal():
        allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def memory_mb() -> int:
    """Megabytes that this process may still take; 0 where the system does not say."""
    free = re.search(r"^MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"), re.M)
    known = [int(free[1]) // 1024] if free else []
    limit, used = (_read(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    if limit.isdecimal() and used.isdecimal():
        known.append((int(limit) - int(used)) // _MB)
    return min(known, default=0)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _disk(folder: Path, name: str) -> str:
    return f"{shutil.disk_usage(folder).free // _MB:,} MB free {'' if name == 'here' else 'in '}{name}"


def _device() -> str:
    """Where nets would be trained; imports torch, which takes a second or two."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return "no torch: popularity, neighbours and Markov chains only"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
        return f"{len(names)} × {names[0]}"
    if torch.backends.mps.is_available():
        return "Apple GPU (mps)"
    return f"processor, {torch.get_num_threads()} threads"


def _warnings() -> Iterator[str]:
    for look in (_slow_threads, _little_room, _no_cache):
        if found := look():
            yield found


def _slow_threads() -> str:
    if sys.platform != "linux" or os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive":
        return ""
    return "on a busy machine OMP_WAIT_POLICY=passive can make training with small batches several times faster"


def _little_room() -> str:
    if shutil.disk_usage(tempfile.gettempdir()).free > 4096 * _MB:
        return ""
    return f"less than 4 GB free in {tempfile.gettempdir()}: name a larger place with TMPDIR for large logs"


def _no_cache() -> str:
    """Compiled kernels are kept beside the package, or in the user's cache folder."""
    package = Path(__file__).parent / "kernels"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if os.environ.get("NUMBA_CACHE_DIR") or os.access(package, os.W_OK) or os.access(home, os.W_OK):
        return ""
    return "no place to keep compiled kernels, so that every start compiles again: set NUMBA_CACHE_DIR"
