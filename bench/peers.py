"""Builds one virtual environment per reference library of the benchmarks.

    python -m bench.peers recbole

builds `runs/peers/recbole` (git ignores `runs/`); the variable LEAVEN_PEERS names another folder. Torch is installed
without dependencies, which excludes GPU packages, and is checked to be a CPU build.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

TORCH = "torch==2.13.0"
TORCH_NEEDS = ("filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec", "numpy")
RECBOLE_NEEDS = ("scipy", "pandas<3", "tqdm", "colorlog", "colorama", "scikit-learn", "pyyaml", "tensorboard")
RECBOLE_NEEDS += ("tabulate", "plotly", "texttable", "psutil")
PEERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "albumentations": (("albumentations==2.0.8", "opencv-python-headless==5.0.0.93"),),
    # RecBole pins old versions: install it without dependencies and its imports separately
    "recbole": (
        ("setuptools<81", "wheel", *TORCH_NEEDS, *RECBOLE_NEEDS),
        ("--no-deps", TORCH),
        ("--no-deps", "recbole==1.2.1", "thop"),
    ),
    "nlpaug": (("nlpaug==1.1.11", "numpy", "pandas", "requests", "nltk"),),
}


def locate_python(peer: str) -> Path:
    """Return the path of Python in the environment of a peer, which may not exist."""
    return Path(os.environ.get("LEAVEN_PEERS", "runs/peers")) / peer / "bin" / "python"


def build_environment(peer: str) -> Path:
    """Create or complete the environment; return the path of its Python."""
    python = locate_python(peer)
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
    for packages in PEERS[peer]:
        print("installing", *packages, flush=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    if ("--no-deps", TORCH) not in PEERS[peer]:
        return python
    check = "import torch; assert torch.version.cuda is None, torch.__version__; print(torch.__version__)"
    subprocess.run([python, "-c", check], check=True)
    return python


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("peer", choices=sorted(PEERS))
    print(build_environment(parser.parse_args(sys.argv[1:]).peer))
