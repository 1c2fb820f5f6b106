"""Virtual environments of the libraries that exports are loaded in: `python -m tests.exports_real.environments`.

Libraries that clash have one each. An environment that cannot be installed is left out, with the reason in a file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ENVIRONMENTS = {
    "shared": [
        "implicit==0.7.3",
        "lightfm-next==1.19.0",
        "torch-rechub==0.9.0",
        "datasets==5.2.0",
        "tfrecord==1.14.6",
        "fastavro==1.13.1",
        "vowpalwabbit==9.11.9",
        "pyspark==4.3.0",
        "scikit-learn",
        "pyyaml",
        "pandas",
    ],
    "rectools": ["rectools==0.19.0", "pyarrow<19"],
    "recbole": ["recbole==1.2.1", "numpy<2", "scipy<1.15", "pandas<2.2", "torch<2.6", "setuptools<80"],
    "recommenders": ["recommenders==1.2.1", "numpy<2", "pyarrow<19", "setuptools<80"],
    "fuxictr": ["fuxictr==2.3.7", "torch"],
    "tensorflow": ["tensorflow"],
    "trackers": ["mlflow-skinny==3.17.2", "tensorboard==2.21.0", "wandb==0.31.0", "swanlab==0.10.3"],
}
FOLDER = Path(os.environ.get("LEAVEN_EXPORT_ENVIRONMENTS", Path(__file__).parents[2] / "build" / "exports"))
REASON = "unavailable.txt"


def find_python(name: str) -> Path | None:
    """The interpreter of an installed environment; None where it is not installed."""
    python = FOLDER / name / "bin" / "python"
    return python if python.exists() and not (FOLDER / name / REASON).exists() else None


def read_reason(name: str) -> str:
    """Why an environment is missing."""
    path = FOLDER / name / REASON
    return path.read_text().strip() if path.exists() else f"{FOLDER / name} is not installed: make test-exports"


def install_environment(name: str) -> bool:
    """Create an environment and install its libraries; False where they cannot be installed."""
    folder = FOLDER / name
    (folder / REASON).unlink(missing_ok=True)
    venv.create(folder, with_pip=True)
    command = [str(folder / "bin" / "pip"), "install", "-q", *ENVIRONMENTS[name]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        (folder / REASON).write_text(f"{name} cannot be installed: {done.stderr.strip().splitlines()[-1]}\n")
    return not done.returncode


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ENVIRONMENTS:
        if find_python(wanted) is None:
            print(f"{wanted}: {'installed' if install_environment(wanted) else read_reason(wanted)}", flush=True)
