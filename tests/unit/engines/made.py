"""A generator at work in other processes."""

from typing import Any

import numpy as np

from leaven.data.histories import Histories
from leaven.data.shop import first_order
from leaven.generators.markov import Markov


def world() -> Histories:
    return first_order(6, rows=50, length=6, seed=1)[0]


def rows(shared: Any, shard: Any) -> np.ndarray:
    return Markov().fit(shared, 7).sample(shard).items
