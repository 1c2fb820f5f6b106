"""The examples of loops that leaven does not own run, learn, and say how far they are from the best."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BY_CHANCE = 10 / 300


def printed(example: str, *asked: str) -> str:
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / example), *asked]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def learned(out: str) -> bool:
    """Both arms are better than chance, and no better than what can be reached."""
    best, without, with_a_plan = (float(value) for value in re.findall(r"NDCG@10 (\d\.\d+)", out))
    return all(2 * BY_CHANCE < value < best for value in (without, with_a_plan))


@pytest.mark.slow
def test_the_example_of_a_plain_gru_learns_with_a_plan_and_without() -> None:
    assert learned(printed("gru4rec.py", "--users", "600", "--epochs", "5", "--seeds", "1", "--workers", "1"))


@pytest.mark.slow
@pytest.mark.skipif(
    not (find_spec("transformers") and find_spec("accelerate")), reason="transformers is missing: extra [text]"
)
def test_the_example_of_a_hugging_face_trainer_learns_and_tells_the_plan_each_epoch() -> None:
    out = printed("hugging_face.py", "--users", "300", "--epochs", "3")
    assert learned(out)
    assert "with a plan, seed 1: the Trainer went to epoch 3 of 3" in out


def test_without_transformers_the_example_names_the_package_to_install() -> None:
    hidden = "import runpy, sys; sys.modules['transformers'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    command = [sys.executable, "-c", hidden, str(ROOT / "examples" / "hugging_face.py")]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "transformers is missing: pip install 'leaven[llm]'"
