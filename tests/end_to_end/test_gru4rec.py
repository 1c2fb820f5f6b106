"""The example of a loop that leaven does not own runs, learns, and says how far it is from the best."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_example_of_a_plain_gru_learns_with_a_plan_and_without() -> None:
    asked = ["--users", "600", "--epochs", "5", "--seeds", "1", "--workers", "1"]
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / "gru4rec.py"), *asked]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    best, without, with_a_plan = (float(value) for value in re.findall(r"NDCG@10 (\d\.\d+)", done.stdout))
    by_chance = 10 / 300
    for value in (without, with_a_plan):
        assert 2 * by_chance < value < best
