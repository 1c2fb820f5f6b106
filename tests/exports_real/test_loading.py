"""Each export loads in the library that it is written for, with all its rows, weights and ids."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from leaven.exports import ExportSource, export_source
from leaven.exports.windows import find_targets
from leaven.registry import create_config
from tests.exports_real.environments import find_python, read_reason
from tests.unit.exports.sources import build_example

pytestmark = pytest.mark.exports
READERS = Path(__file__).parent / "readers"


def run_reader(environment: str, *arguments: str | Path, script: str = "") -> dict:
    """The last line that a reader prints, as JSON."""
    python = find_python(environment)
    if python is None:
        pytest.skip(read_reason(environment))
    command = [str(python), "-W", "ignore", str(READERS / f"{script or environment}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def source() -> ExportSource:
    return build_example(300)


def write(source: ExportSource, kind: str, folder: Path, **fields) -> Path:
    export_source(source, create_config("exports", kind, fields), folder / "leaven")
    return folder / "leaven"


def sum_weights(source: ExportSource) -> float:
    return float(np.sum(source.train["weight"].to_numpy()))


def test_implicit_trains_on_the_matrix(source, tmp_path) -> None:
    found = run_reader("shared", "implicit", write(source, "implicit", tmp_path))
    assert found == {"cells": len(source.train), "sum": sum_weights(source), "lists": [3, 3]}


def test_lightfm_trains_with_weights_and_features(source, tmp_path) -> None:
    found = run_reader("shared", "lightfm", write(source, "lightfm", tmp_path))
    assert found == {"cells": len(source.train), "sum": sum_weights(source), "features": 9 + 2}


def test_torch_rechub_streams_padded_lists(source, tmp_path) -> None:
    targets = find_targets(source.train)
    weights = source.train["weight"].to_numpy()[targets].sum()
    found = run_reader("shared", "torch_rechub", write(source, "torch_rechub", tmp_path, max_length=5))
    assert found == {"rows": len(targets), "widths": [5], "sum": pytest.approx(weights), "fits": True}


def test_datasets_loads_histories_prompts_items_and_views(source, tmp_path) -> None:
    found = run_reader("shared", "huggingface", write(source, "huggingface", tmp_path))
    events = source.train.to_pylist()
    first = [event["item"] for event in events if event["user"] == events[0]["user"]]
    assert found["splits"] == ["test", "train", "validation"]
    assert found["rows"] == len(events)
    assert found["first"] == [events[0]["user"], *first]
    assert (found["prompts"], found["views"], found["items"]) == (400, "A beaker", 9)


def test_tfrecord_reads_every_example_with_its_checksums(source, tmp_path) -> None:
    found = run_reader("shared", "tfrecord", write(source, "tfrecord", tmp_path))
    events = source.train.to_pylist()
    times = [event["time"].value // 10**9 for event in events if event["user"] == events[0]["user"]]
    assert found == {"histories": 400, "user": events[0]["user"], "time": times, "weight": sum_weights(source)}


def test_tensorflow_reads_the_files_with_the_reader_next_to_them(source, tmp_path) -> None:
    found = run_reader("tensorflow", write(source, "tfrecord", tmp_path))
    events = source.train.to_pylist()
    own = [event for event in events if event["user"] == events[0]["user"]]
    assert found["histories"] == 400
    assert found["items"] == [event["item"] for event in own]
    assert found["time"] == [event["time"].value // 10**9 for event in own]


def test_personalize_rows_follow_their_avro_schemas(source, tmp_path) -> None:
    found = run_reader("shared", "personalize", write(source, "personalize", tmp_path))
    assert found == {"interactions": len(source.train), "items": 9, "users": 300}


def test_spark_trains_on_int_ids(source, tmp_path) -> None:
    found = run_reader("shared", "spark_als", write(source, "spark_als", tmp_path, rating="weight"))
    assert found == {"rows": len(source.train), "types": ["int", "int", "float"], "users": 400}


def test_scikit_learn_reads_libsvm(source, tmp_path) -> None:
    found = run_reader("shared", "libsvm", write(source, "libsvm", tmp_path, missing_label=0.0))
    labels = source.train["value"].fill_null(0.0).to_numpy().sum()
    assert found == {"rows": len(source.train), "labels": pytest.approx(labels), "weights": sum_weights(source)}


def test_vowpal_wabbit_reads_weights_and_features(source, tmp_path) -> None:
    found = run_reader("shared", "vw", write(source, "vw", tmp_path, missing_label=0.0))
    kinds = len(source.train) - source.train["kind"].null_count
    synthetic_users = sum(event["origin"] == "synthetic" for event in source.train.to_pylist())
    features = 4 * len(source.train) + kinds - synthetic_users  # user, item, category, country; no country of new users
    assert found == {"rows": len(source.train), "weight": pytest.approx(sum_weights(source)), "features": features}


def test_lists_of_numbers_map_back_to_ids(source, tmp_path) -> None:
    found = run_reader("shared", "merlin", write(source, "merlin", tmp_path))
    events = source.train.to_pylist()
    first = [event["item"] for event in events if event["user"] == events[0]["user"]]
    assert found == {"rows": len(events), "first": first}


def test_rectools_constructs_a_data_set_with_features(source, tmp_path) -> None:
    found = run_reader("rectools", write(source, "rectools", tmp_path))
    assert found == {"rows": len(source.train), "sum": sum_weights(source), "ranked": 15}


def test_recommenders_trains_sar(source, tmp_path) -> None:
    found = run_reader("recommenders", write(source, "recommenders", tmp_path, missing_rating=3.0))
    ratings = source.train["value"].fill_null(3.0).to_numpy().sum()
    assert found["rows"] == len(source.train)
    assert found["rating"] == pytest.approx(ratings)


@pytest.mark.parametrize(("kind", "model"), [("recbole", "BPR"), ("recbole_sequential", "SASRec")])
def test_recbole_trains_on_the_given_split(source, tmp_path, kind, model) -> None:
    found = run_reader("recbole", write(source, kind, tmp_path), model)
    rows = len(source.train) if kind == "recbole" else len(find_targets(source.train))
    assert (found["rows"], found["users"]) == (rows, 400)
    assert found["items"] == 8  # of events; RecBole is not asked to load the file of items


def test_fuxictr_encodes_the_features(source, tmp_path) -> None:
    found = run_reader("fuxictr", write(source, "fuxictr", tmp_path, missing_label=0.0))
    assert found["labels"] == ["label"]
    assert {"user", "item", "item_category", "user_country", "price"} <= set(found["features"])
