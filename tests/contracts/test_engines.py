"""Every registered engine keeps the promises of its contract."""

import shutil
import sys

import numpy as np
import pytest

from contracts import tasks
from contracts.registered import wish_of
from leaven.errors import DataError, LeavenError, MissingExtra
from leaven.registry import list_kinds

LIBRARIES = {"spark": "pyspark", "ray": "ray"}
KINDS = [
    pytest.param(kind, marks=[getattr(pytest.mark, kind)] if kind in LIBRARIES else [])
    for kind in list_kinds("engines")
]


def engine(kind: str):
    """The engine of a kind; skips where its library, or for Spark a Java runtime, is missing."""
    if kind in LIBRARIES:
        pytest.importorskip(LIBRARIES[kind], reason=f"needs the extra [{kind}]")
    if kind == "spark" and shutil.which("java") is None:
        pytest.skip("needs a Java runtime")
    return wish_of("engines", kind)()


@pytest.mark.parametrize("kind", KINDS)
def test_answers_come_in_order_and_equal_a_plain_loop(kind) -> None:
    shards = [np.arange(n, n + 3) for n in range(9)]
    shared = {"add": np.array([1, 10, 100])}
    found = list(engine(kind).map(tasks.added, shards, shared))
    for shard, answer in zip(shards, found, strict=True):
        assert answer.tolist() == tasks.added(shared, shard).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_with_started_workers_runs_several_maps(kind) -> None:
    with engine(kind).start_workers("contracts.tasks") as kept:
        for add in (1, 2):
            found = list(kept.map(tasks.added, [np.arange(3), np.arange(2)], {"add": add}))
            assert [one.tolist() for one in found] == [[add, add + 1, add + 2], [add, add + 1]]


@pytest.mark.parametrize("kind", KINDS)
def test_no_shards_give_no_answers(kind) -> None:
    assert list(engine(kind).map(tasks.added, [], None)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_names_its_shard_and_keeps_its_class(kind) -> None:
    with pytest.raises(DataError, match=r"shard 3 of 4, row 9") as raised:
        list(engine(kind).map(tasks.fails_with_ours, [1, 2, 0, 4], None))
    assert raised.value.exit_code == 3
    with pytest.raises(LeavenError, match=r"(?s)shard 2 of 3.*ZeroDivisionError"):
        list(engine(kind).map(tasks.divided, [1, 0, 2], 1))


@pytest.mark.parametrize(("kind", "library"), LIBRARIES.items())
def test_a_missing_library_is_answered_with_its_extra(kind, library, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'leaven\[{kind}\]'"):
        list(wish_of("engines", kind)().map(tasks.divided, [1], 1))
