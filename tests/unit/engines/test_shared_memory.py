"""Objects in shared files: same values, no copy, and no file left behind; tasks on shards."""

import os
from pathlib import Path

import numpy as np
import pytest

from leaven.engines.shard_tasks import build_python_path, run_all, run_and_catch, run_one, set_environment
from leaven.engines.shared_memory import SharedMemoryWriter
from leaven.errors import DataError, LeavenError


def test_an_object_is_the_same_in_the_reader(tmp_path: Path) -> None:
    thing = {"items": np.arange(1000, dtype=np.int32), "name": "log", "empty": np.zeros(0), "pair": (np.eye(3), None)}
    found = SharedMemoryWriter(tmp_path).write(thing).open()
    np.testing.assert_array_equal(found["items"], thing["items"])
    np.testing.assert_array_equal(found["pair"][0], np.eye(3))
    assert found["name"] == "log"
    assert found["pair"][1] is None
    assert len(found["empty"]) == 0


def test_writes_to_a_read_array_stay_private(tmp_path: Path) -> None:
    shared = SharedMemoryWriter(tmp_path).write(np.arange(5))
    first, second = shared.open(), shared.open()
    first[0] = 99
    assert second[0] == 0
    assert shared.open()[0] == 0


def test_an_array_of_the_previous_object_is_not_written_again(tmp_path: Path) -> None:
    big, small = np.random.default_rng(1).random(100_000), np.arange(3)
    writer = SharedMemoryWriter(tmp_path)
    writer.write((big, small))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    again = writer.write((big, "another task"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < size + 10_000
    np.testing.assert_array_equal(again.open()[0], big)


def test_files_that_nothing_needs_are_deleted(tmp_path: Path) -> None:
    writer = SharedMemoryWriter(tmp_path)
    for number in range(5):
        writer.write(np.full(1000, number))
    assert len(list(tmp_path.iterdir())) == 1


def test_an_array_that_occurs_twice_is_written_once(tmp_path: Path) -> None:
    array = np.random.default_rng(1).random(50_000)
    one, two = SharedMemoryWriter(tmp_path).write([array, array]).open()
    np.testing.assert_array_equal(one, two)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1.5 * array.nbytes


def add(shared: int, shard: int) -> int:
    if shard < 0:
        raise ValueError("below 0")
    if shard > 9:
        raise DataError("row 9", "a smaller shard", str(shard))
    return shared + shard


def test_results_come_in_the_order_of_the_shards() -> None:
    assert list(run_all(add, [3, 1, 2], 10)) == [13, 11, 12]


def test_an_error_names_its_shard_and_our_errors_keep_their_class() -> None:
    with pytest.raises(LeavenError, match="shard 2 of 3") as other:
        run_one(add, 0, -1, 1, 3)
    assert "ValueError: below 0" in str(other.value)
    with pytest.raises(DataError, match="shard 1 of 3, row 9"):
        run_one(add, 0, 10, 0, 3)
    assert isinstance(run_and_catch(add, 0, 10, 0, 3), DataError)
    assert run_and_catch(add, 1, 2, 0, 3) == 3


def fail_in_another_environment() -> None:
    with set_environment({"OMP_NUM_THREADS": "1", "LEAVEN_NEW": "x"}):
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert os.environ["LEAVEN_NEW"] == "x"
        raise RuntimeError


def test_the_environment_is_restored_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("LEAVEN_NEW", raising=False)
    with pytest.raises(RuntimeError):
        fail_in_another_environment()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "LEAVEN_NEW" not in os.environ


def test_other_processes_find_the_same_modules() -> None:
    assert str(Path(__file__).parents[3] / "src") in build_python_path()["PYTHONPATH"].split(os.pathsep)
