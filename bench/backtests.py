"""Earlier test dates of a log: the same task as the test period, for choices that may not see it.

The test period of a time split begins one validation period after the last training event. A validation period that
follows the training rows at once is an easier task with other best settings, so every backtest has the same gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.real_logs import RealLog
from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import Recommender, TrainingContext
from leaven.splits.log_splits import TimeSplit, split

MAX_USERS = 2000
"""Users of a backtest, evenly taken."""
SHARES = (0.1, 0.2)
"""Shares of the training events after the earlier dates; the latest backtest has the validation users of the log."""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Backtest:
    """Training rows, and users whose targets begin one validation period later."""

    train: Histories
    users: HeldOut


def list_backtests(log: RealLog) -> list[Backtest]:
    """Return the backtests of a log, the latest first; no test event is used."""
    newest = log.train.times.max()
    gap = log.test.histories.times.max() - newest
    found = [Backtest(select_events(log.train, log.train.times < newest - gap), log.valid)]
    for share in SHARES:
        parts = split(log.train, TimeSplit(valid_share=0.1, test_share=share, control_share=0.0), 1)
        found.append(Backtest(parts.train, parts.test))
    return [Backtest(one.train, take_evenly(one.users, MAX_USERS)) for one in found]


def take_evenly(users: HeldOut, count: int) -> HeldOut:
    """Return at most this number of users, every n-th one."""
    step = -(-len(users.histories) // count)
    return users.take(np.arange(0, len(users.histories), step))


def select_events(train: Histories, is_kept: npt.NDArray[np.bool_]) -> Histories:
    """Return the rows with the marked events only; bool (events,)."""
    starts = np.concatenate([[0], np.cumsum(is_kept)])[train.starts].astype(np.int64)
    source = np.flatnonzero(is_kept)
    return train.replace_events(starts, train.items[source], train.times[source], source)


def evaluate(config: Recommender, train: Histories, users: HeldOut) -> Values:
    """Return NDCG@10 of each user for the recommender fitted to these rows."""
    fitted = config.fit(train, TrainingContext(key=1))
    return Ndcg(10)(fitted.recommend(users.histories, 10), users, train)
