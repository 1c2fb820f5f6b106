"""Parts of the benchmarks of docs/evidence against known answers."""

import numpy as np
from bench.backtests import list_backtests, select_events
from bench.noise import drop_events, inject_clicks, measure_support
from bench.real_logs import RealLog

from leaven.datasets.histories import Histories
from leaven.splits.log_splits import TimeSplit, split

DAY = 86_400


def rows() -> Histories:
    return Histories.from_lists([[1, 2, 3], [1, 2, 3], [1, 2, 4], [5, 6], [5, 6], [5, 6, 1]], 7)


def test_injected_clicks_leave_the_real_events_in_their_rows() -> None:
    noisy = inject_clicks(rows(), 0.5, 1)
    assert noisy.n_events == rows().n_events + round(0.5 * rows().n_events)
    for row in range(len(noisy)):
        events = noisy.items[noisy.starts[row] : noisy.starts[row + 1]].tolist()
        real = rows().items[rows().starts[row] : rows().starts[row + 1]].tolist()
        remaining = iter(events)
        assert all(item in remaining for item in real)  # a subsequence


def test_an_item_that_no_other_row_combines_with_the_rest_has_no_support() -> None:
    support = measure_support(rows())
    assert support[[8, 15]].tolist() == [0, 0]  # item 4 with 1 and 2; item 1 with 5 and 6
    assert (np.delete(support, [8, 15]) > 0).all()
    assert 4 not in drop_events(rows(), 0.1).items


def test_backtests_end_one_validation_period_before_their_targets() -> None:
    generator = np.random.default_rng(0)
    times = [sorted(generator.integers(0, 1000 * DAY, 10).tolist()) for _ in range(300)]
    items = [generator.permutation(40)[:10] + 1 for _ in range(300)]
    histories = Histories.from_lists([row.tolist() for row in items], 40, times=times)
    parts = split(histories, TimeSplit(), 1)
    log = RealLog("random", parts.train, parts.valid, parts.test)
    for backtest in list_backtests(log):
        gap = (backtest.users.target_times.min() - backtest.train.times.max()) / DAY
        assert 50 < gap < 150  # a tenth of the events are about 100 days
        assert backtest.users.target_times.max() <= log.valid.target_times.max()


def test_selected_events_keep_their_rows() -> None:
    selected = select_events(rows(), rows().items != 1)
    assert selected.items.tolist() == [2, 3, 2, 3, 2, 4, 5, 6, 5, 6, 5, 6]
    assert selected.lengths.tolist() == [2, 2, 2, 2, 2, 2]
