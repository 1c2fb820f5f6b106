"""Run every benchmark, or those that are named: `python -m bench reading`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys

import bench


def main(wanted: list[str]) -> None:
    """Each module of this package with a `main()` prints its table; pages are `make docs`."""
    for found in pkgutil.iter_modules(bench.__path__):
        if found.name.startswith("_") or found.name == "pages" or (wanted and found.name not in wanted):
            continue
        module = importlib.import_module(f"bench.{found.name}")
        if hasattr(module, "main"):
            print(f"\n== {found.name}", flush=True)
            module.main([]) if inspect.signature(module.main).parameters else module.main()


main(sys.argv[1:])
