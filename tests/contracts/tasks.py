"""Tasks that other processes can import."""

import os
import time
from typing import Any

from leaven.errors import DataError


def added(shared: Any, shard: Any) -> Any:
    return shard + shared["add"]


def divided(shared: Any, shard: Any) -> float:
    return shared / shard


def fails_with_ours(shared: Any, shard: Any) -> Any:
    if not shard:
        raise DataError("row 9", "a number", "none", "")
    return shard


def threads(shared: Any, shard: Any) -> str:
    return os.environ["OMP_NUM_THREADS"]


def told_and_slept(shared: Any, shard: Any) -> int:
    time.sleep(shard)
    return os.getpid()


def dies(shared: Any, shard: Any) -> None:
    os._exit(3)
