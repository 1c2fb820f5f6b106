"""The Keras twin reads the expanded table through tf.data and trains on it, if TensorFlow is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="pip install 'leaven[keras]'")

from leaven.augmentation import Plan, Step, write_expansion
from leaven.datasets.samples import Samples
from leaven.generators.tabular.marginals import Marginals

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "chapter8"))


def world(rows: int, seed: int) -> Samples:
    draw = np.random.default_rng(seed)
    x, kind = draw.normal(size=rows), draw.choice(np.array(["a", "b", None], object), rows)
    label = (x + (kind == "a") + 0.3 * draw.normal(size=rows) > 0.5).astype(float)
    x[::9] = np.nan
    return Samples.from_columns({"x": x, "kind": kind}, label, np.arange(1, rows + 1, dtype=np.uint64))


@pytest.mark.filterwarnings("ignore")
def test_the_twin_learns_from_real_and_expanded_rows(tmp_path: Path) -> None:
    import keras_twin

    (tmp_path / "data").mkdir()
    for seed, (name, rows) in enumerate({"train": 2000, "valid": 300, "test": 500}.items()):
        world(rows, seed).write_file(tmp_path / "data" / f"{name}.parquet")
    write_expansion(world(2000, 0), Plan([Step(Marginals())]), tmp_path / "variants" / "made-rows" / "expanded", 7)
    found = keras_twin.main([str(tmp_path), "--arm", "made rows", "--epochs", "4", "--batch", "64"])
    assert set(found) == {"baseline", "made rows"}
    assert min(found.values()) > 0.85
