"""A generator that runs in other processes."""

from typing import Any

import numpy as np

from leaven.datasets.histories import Histories
from leaven.generators.sequence.markov import Markov
from leaven.simulator import simulate_first_order


def world() -> Histories:
    return simulate_first_order(6, rows=50, length=6, seed=1)[0]


def rows(shared: Any, shard: Any) -> np.ndarray:
    return Markov().fit(shared, 7).sample(shard).items
