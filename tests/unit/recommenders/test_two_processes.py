"""Test that two processes train the same network as one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from leaven.datasets.histories import Histories
from leaven.protocols import TrainingContext
from leaven.recommenders.transformer import Transformer

ROOT = Path(__file__).parents[3]
WISH = Transformer(
    width=16, layers=1, heads=1, dropout=0.0, negatives=32, batch_events=64, device="cpu", n_validations=2
)


def fit_here(folder: Path, name: str) -> None:
    """Trains in this process, which may be one of several, and saves what it has."""
    rows = Histories.from_lists([[(begin + i) % 20 + 1 for i in range(2 + begin % 7)] for begin in range(80)], 20)
    rows.weight[::3] = 0.5
    WISH.fit(rows, TrainingContext(key=1, steps=40, checkpoint_folder=folder / "state")).save(folder / name)


@pytest.mark.slow
def test_two_processes_agree_with_each_other_and_with_one(tmp_path) -> None:
    fit_here(tmp_path / "one", "alone")
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, __file__, str(tmp_path / "two")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = ((tmp_path / "two" / rank / "transformer.safetensors").read_bytes() for rank in ("0", "1"))
    assert first == second
    alone, together = (Transformer.load(tmp_path / path) for path in ("one/alone", "two/0"))
    for name, weights in alone.network.state_dict().items():
        torch.testing.assert_close(together.network.state_dict()[name], weights, rtol=1e-2, atol=2e-3)
    assert alone.facts["targets"] == together.facts["targets"]
    assert np.isfinite([record["loss"] for record in together.curve]).all()


if __name__ == "__main__":
    torch.set_num_threads(1)
    fit_here(Path(sys.argv[1]), os.environ["RANK"])
