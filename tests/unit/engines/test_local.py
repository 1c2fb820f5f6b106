"""Worker processes: the bytes of a plain loop, and a clean end."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from contracts import tasks
from leaven.engines import shared_memory
from leaven.engines.local import Local
from leaven.engines.shared_memory import SharedMemoryWriter
from leaven.errors import DataError, LeavenError, SpecError
from unit.engines import made

SCRIPT = """
from contracts import tasks
from leaven.engines.local import Local

if __name__ == "__main__":
    for found in Local(workers=2).map(tasks.told_and_slept, [0.3, 0.3, 60.0, 60.0], None):
        print(found, flush=True)
"""


def test_two_processes_give_the_bytes_of_one_loop() -> None:
    shards = [np.arange(n, n + 5, dtype=np.uint64) for n in range(5)]
    train = made.world()
    alone, together = (list(Local(workers).map(made.rows, shards, train)) for workers in (1, 2))
    assert [one.tobytes() for one in alone] == [two.tobytes() for two in together]


def test_each_worker_counts_on_one_thread_and_this_process_keeps_its_own() -> None:
    before = dict(os.environ)
    assert set(Local(workers=2).map(tasks.threads, [1, 2, 3], None)) == {"1"}
    assert dict(os.environ) == before


def test_an_error_in_a_process_names_its_shard_and_keeps_its_class() -> None:
    with pytest.raises(DataError, match="shard 3 of 4, row 9"):
        list(Local(workers=2).map(tasks.fails_with_ours, [1, 2, 0, 4], None))


def test_a_process_that_dies_raises_an_error() -> None:
    with pytest.raises(LeavenError, match="one that ended"):
        list(Local(workers=2).map(tasks.dies, [1, 2, 3], None))


def test_started_workers_stay_from_map_to_map_and_end_with_the_context() -> None:
    with Local(workers=2).start_workers("contracts.tasks") as engine:
        first, second = (set(engine.map(tasks.told_and_slept, [0.3] * 4, None)) for _ in range(2))
        assert first == second
        assert len(first) == 2
        assert set(engine.map(tasks.told_and_slept, [0.0], None)) == {os.getpid()}
    assert not any(alive(pid) for pid in first)


def test_a_preloaded_object_is_sent_before_the_first_map(monkeypatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(
        SharedMemoryWriter,
        "write",
        lambda self, thing, send=SharedMemoryWriter.write: (sent.append(thing), send(self, thing))[1],
    )
    soon = np.arange(9)
    with Local(workers=2).start_workers(preload=soon) as engine, engine.start_workers(preload=soon) as same:
        assert same is engine
        assert [one.tolist() for one in engine.map(tasks.added, [1, 2], {"add": np.arange(2)})] == [[1, 2], [2, 3]]
    assert [thing is soon for thing in sent] == [True, True, False]


def test_an_error_of_the_background_start_is_raised_by_the_first_map() -> None:
    with Local(workers=2).start_workers(preload=lambda: None):  # cannot be sent
        pass
    with (
        Local(workers=2).start_workers(preload=lambda: None) as engine,
        pytest.raises((AttributeError, pickle.PicklingError)),
    ):
        list(engine.map(tasks.added, [1, 2], lambda: None))


def test_started_workers_continue_after_a_loop_that_ended_early() -> None:
    with Local(workers=2).start_workers() as engine:
        with pytest.raises(DataError, match="shard 1 of 3"):
            list(engine.map(tasks.fails_with_ours, [0, 1, 2], None))
        answers = engine.map(tasks.told_and_slept, [0.0, 60.0, 60.0], None)
        pid = next(answers)
        answers.close()
        assert not alive(pid)
        with pytest.raises(LeavenError, match="one that ended"):
            list(engine.map(tasks.dies, [1, 2, 3], None))
        assert [one.tolist() for one in engine.map(tasks.added, [1, 2], {"add": np.arange(2)})] == [[1, 2], [2, 3]]


def test_shared_arrays_arrive_complete_and_writes_go_to_a_copy(tmp_path) -> None:
    rows = np.arange(12)
    sent = SharedMemoryWriter(tmp_path).write(
        {"rows": rows, "turned": rows.reshape(3, 4).T, "part": rows[::5], "none": rows[:0]}
    )
    one, other = sent.open(), sent.open()
    assert one["turned"].tolist() == rows.reshape(3, 4).T.tolist()
    assert one["part"].tolist() == [0, 5, 10]
    assert one["none"].dtype == rows.dtype
    one["rows"][0] = 7
    assert other["rows"].tolist() == rows.tolist()


def test_an_array_that_is_shared_again_is_not_written_again(tmp_path) -> None:
    sender, rows, more = SharedMemoryWriter(tmp_path), np.arange(100_000), np.ones(50_000)
    sender.write(rows)
    both = sender.write((more, rows))
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert [size // 1000 for size in sizes] == [800, 400]
    assert [one.tolist() for one in both.open()] == [more.tolist(), rows.tolist()]
    alone = sender.write(more)
    assert len(list(tmp_path.iterdir())) == 2
    assert alone.open().tolist() == more.tolist()


def test_a_loop_that_stops_early_leaves_no_process_behind() -> None:
    answers = Local(workers=2).map(tasks.told_and_slept, [0.0, 60.0, 60.0], None)
    pid = next(answers)
    began = time.monotonic()
    answers.close()
    assert time.monotonic() - began < 30
    assert not alive(pid)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_parent_that_is_stopped_leaves_no_process_behind(ending, tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    places = os.pathsep.join(map(str, [Path(__file__).parents[2], Path(__file__).parents[3] / "src"]))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": places, "TMPDIR": str(tmp_path)},
    )
    with process:
        assert process.stdout is not None
        workers = {int(process.stdout.readline()), int(process.stdout.readline())}
        os.kill(process.pid, ending)
        process.wait(timeout=30)
        deadline = time.monotonic() + 10
        while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(alive(pid) for pid in workers)
        assert not list(tmp_path.glob("leaven-*"))


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie that waits for its parent does not)."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_fewer_workers_than_none_are_refused() -> None:
    with pytest.raises(SpecError):
        Local(workers=-1)


def test_what_could_not_be_written_is_written_with_the_next_thing(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    sender, rows = SharedMemoryWriter(tmp_path), np.arange(1000)
    with monkeypatch.context() as patch:
        patch.setattr(shared_memory, "_write_parts", full)
        with pytest.raises(OSError, match="no space"):
            sender.write(rows)
    assert sender.write((rows, 1)).open()[0].tolist() == rows.tolist()
