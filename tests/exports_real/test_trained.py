"""A recommender trained on an export reaches the score that it reaches on the same rows given by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaven.augmentation import Plan, Step, expand
from leaven.exports import ExportSource, export_source
from leaven.exports.read_data import build_split_source
from leaven.registry import create_config
from leaven.simulator import Simulator
from leaven.splits.log_splits import LeaveOneOut
from leaven.transforms.sequence.crop import Crop
from tests.exports_real.test_loading import run_reader

pytestmark = pytest.mark.exports


@pytest.fixture(scope="module")
def source() -> ExportSource:
    """A simulated log with cropped histories of weight 0.5."""
    histories = Simulator(users=500, items=80, days=200, seed=5).build_world().histories
    split = LeaveOneOut().split(histories)
    return build_split_source(split, expand(split.train, Plan([Step(Crop(), weight=0.5)]), seed=7))


def write_rows(source: ExportSource, folder: Path) -> Path:
    """The rows that a user would give by hand."""
    folder.mkdir()
    for part, table in source.drop_known_events().parts.items():
        columns = {name: table[name].cast(pa.string()) for name in ("user", "item")}
        pq.write_table(pa.table({**columns, "weight": table["weight"]}), folder / f"{part}.parquet")
    return folder


@pytest.mark.parametrize("kind", ["implicit", "lightfm", "spark_als"])
def test_factors_score_as_on_rows_given_by_hand(source, tmp_path, kind) -> None:
    fields = {"rating": "weight"} if kind == "spark_als" else {}
    export_source(source, create_config("exports", kind, fields), tmp_path / "out")
    found = run_reader("shared", kind, tmp_path / "out", write_rows(source, tmp_path / "rows"), script="trained")
    assert found["exported"] == pytest.approx(found["by_hand"], abs=0.03)  # numbers of users and items differ
    assert found["exported"] > 1.3 * found["random"]


def test_recbole_scores_as_on_rows_given_by_hand(source, tmp_path) -> None:
    export_source(source, "recbole", tmp_path / "out")
    by_hand = tmp_path / "by_hand" / "leaven"
    by_hand.mkdir(parents=True)
    for part, table in source.drop_known_events().parts.items():
        rows = table.select(["user", "item"]).to_pylist()
        lines = ["user_id:token\titem_id:token", *(f"{row['user']}\t{row['item']}" for row in rows)]
        (by_hand / f"leaven.{part}.inter").write_text("\n".join(lines) + "\n")
    config = "benchmark_filename: [train, valid, test]\nload_col: {inter: [user_id, item_id]}\n"
    (by_hand.parent / "config.yaml").write_text(config)
    exported, other = (run_reader("recbole", folder, "BPR", "8") for folder in (tmp_path / "out", by_hand.parent))
    assert exported["rows"] == other["rows"]
    assert exported["scores"] == pytest.approx(other["scores"], abs=1e-6)
    assert exported["scores"]["hit@5"] > 5 / 80


def test_the_example_holds_synthetic_rows(source) -> None:
    assert set(np.unique(source.train["origin"].to_numpy(zero_copy_only=False))) == {"real", "synthetic"}
