"""Parallel calls over rows: segments, results and errors."""

import threading

import pytest
from numba import config

from leaven.arrays.parallel import MIN_ROWS_PER_THREAD, run_both, run_over_rows


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 3)


def test_every_row_is_processed_once() -> None:
    rows = 5 * MIN_ROWS_PER_THREAD + 3
    seen = run_over_rows(lambda begin, end: list(range(begin, end)), rows)
    assert sorted(row for stretch in seen for row in stretch) == list(range(rows))


def test_few_rows_use_one_thread() -> None:
    assert run_over_rows(lambda begin, end: threading.current_thread(), MIN_ROWS_PER_THREAD) == [
        threading.current_thread()
    ]


def test_an_error_in_any_thread_is_raised() -> None:
    def fails_elsewhere(begin: int, end: int) -> None:
        if begin:
            raise ZeroDivisionError(begin)

    before = threading.active_count()  # threads of other tests may live on
    with pytest.raises(ZeroDivisionError):
        run_over_rows(fails_elsewhere, 5 * MIN_ROWS_PER_THREAD)
    assert threading.active_count() <= before + 6  # the pool of this call at most


@pytest.mark.parametrize("threads", [1, 2])
def test_both_results_are_returned_with_one_or_two_threads(threads, monkeypatch) -> None:
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", threads)
    mine, other = run_both(threading.get_ident, threading.get_ident)
    assert mine == threading.get_ident()
    assert (other != mine) == (threads == 2)


def test_an_error_in_either_call_is_raised(monkeypatch) -> None:
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 2)
    for calls in ((lambda: 1 // 0, int), (int, lambda: 1 // 0)):
        with pytest.raises(ZeroDivisionError):
            run_both(*calls)
