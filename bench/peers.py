"""Where do the libraries live that we measure ourselves against? Each in an environment of its own.

    python -m bench.peers recbole

builds `runs/peers/recbole` (git ignores `runs/`); the variable LEAVEN_PEERS names another folder. Torch comes without
its dependencies, so that no graphics-card packages follow, and must say that it computes on the processor.
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
    # RecBole pins old versions of harmless libraries: it goes in alone, what it imports beside it
    "recbole": (
        ("setuptools<81", "wheel", *TORCH_NEEDS, *RECBOLE_NEEDS),
        ("--no-deps", TORCH),
        ("--no-deps", "recbole==1.2.1", "thop"),
    ),
    "nlpaug": (("nlpaug==1.1.11", "numpy", "pandas", "requests", "nltk"),),
}


def python_of(peer: str) -> Path:
    """The Python of a peer's environment, there or not."""
    return Path(os.environ.get("LEAVEN_PEERS", "runs/peers")) / peer / "bin" / "python"


def build(peer: str) -> Path:
    """Make the environment, or complete it; returns its Python."""
    python = python_of(peer)
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
    print(build(parser.parse_args(sys.argv[1:]).peer))
