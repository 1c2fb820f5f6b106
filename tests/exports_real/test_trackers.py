"""The trackers write local files with the real libraries, and warn of nothing."""

from pathlib import Path

import pytest

import leaven
from tests.exports_real.test_loading import run_reader

pytestmark = pytest.mark.exports


def test_every_tracker_writes_files_next_to_the_run(tmp_path) -> None:
    source = Path(leaven.__file__).parents[1]
    found = run_reader("trackers", tmp_path, source)
    assert set(found) == {"mlflow", "tensorboard", "wandb", "swanlab"}
    assert all(count >= 2 for count in found.values())
    assert found["mlflow"] >= 6  # settings, seconds, two values of a validation, a metric, an artifact
