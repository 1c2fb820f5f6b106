"""Command that runs all benchmarks, or the named ones: `python -m bench reading`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys

import bench


def run_benchmarks(names: list[str]) -> None:
    """Call `main()` of each module that has one; it prints a table. `make docs` writes the pages."""
    for info in pkgutil.iter_modules(bench.__path__):
        if info.name.startswith("_") or info.name == "pages" or (names and info.name not in names):
            continue
        module = importlib.import_module(f"bench.{info.name}")
        if hasattr(module, "main"):
            print(f"\n== {info.name}", flush=True)
            module.main([]) if inspect.signature(module.main).parameters else module.main()


run_benchmarks(sys.argv[1:])
