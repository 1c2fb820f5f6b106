"""Kills a run at random moments, resumes it, and compares all its bytes with those of an undisturbed run.

    python -m bench.chaos --kills 50 --recommender item_knn

Every attempt starts `leaven run --resume` in a new process, kills the process group with SIGKILL after a random share
of an undisturbed run's time, and resumes to the end. The command fails if one attempt ends with other bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from leaven.simulator import Corruption, Simulator

SPEC = """
name = "chaos"
[data]
interactions = "shop/interactions.csv"
columns = {{ user = "user_id", item = "item_id", time = "timestamp" }}
[recommender]
kind = "{recommender}"
[evaluate]
metrics = ["ndcg@5"]
[[variant]]
name = "crop, then markov"
combine = "layered"
[[variant.step]]
use = "crop"
[[variant.step]]
use = "markov"
"""
COMPARED = ("data/*.parquet", "variants/**/*.parquet", "variants/**/*.npz", "variants/**/model/*", "records.parquet")


def main() -> None:
    """Print the number of attempts with equal bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--recommender", default="item_knn")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Simulator(users=300, items=80, days=200, seed=5).build_world().write_files(
            folder / "shop", Corruption.typical(), images=False
        )
        (folder / "spec.toml").write_text(SPEC.format(recommender=options.recommender), encoding="utf-8")
        run_to_end(folder, folder / "warm-up")
        start = time.perf_counter()
        run_to_end(folder, folder / "undisturbed")
        seconds = time.perf_counter() - start
        expected, draws, equal = digest(folder / "undisturbed"), random.Random(options.seed), 0
        for _ in range(options.kills):
            kill_run(folder, folder / "killed", seconds * draws.random())
            run_to_end(folder, folder / "killed")
            equal += digest(folder / "killed") == expected
            shutil.rmtree(folder / "killed")
    print(f"{equal} of {options.kills} runs killed at a random moment of {seconds:.1f} s ended with the same bytes")
    sys.exit(equal != options.kills)


def start_run(folder: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start `leaven run` in a process group of its own."""
    command = [sys.executable, "-m", "leaven", "run", str(folder / "spec.toml"), "--out", str(out), "--resume"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)


def run_to_end(folder: Path, out: Path) -> None:
    """Run or resume to the end; raises RuntimeError where it fails."""
    if start_run(folder, out).wait() != 0:
        raise RuntimeError(f"the run in {out} failed")


def kill_run(folder: Path, out: Path, after: float) -> None:
    """Start a run and kill it after some seconds."""
    process = start_run(folder, out)
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def digest(out: Path) -> str:
    """A hash of the names and contents of everything that a run computes."""
    files = sorted(path for pattern in COMPARED for path in out.glob(pattern) if path.is_file())
    named = (path.relative_to(out).as_posix().encode() + path.read_bytes() for path in files)
    return hashlib.sha256(b"".join(named)).hexdigest()


if __name__ == "__main__":
    main()
