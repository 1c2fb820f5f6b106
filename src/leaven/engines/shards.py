"""What does a task say about a shard, or what went wrong in which shard?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leaven.errors import LeavenError

Task = Callable[[Any, Any], Any]
"""task(shared, shard) -> anything that can be sent between processes."""


def run_one(task: Task, shared: Any, shard: Any, index: int, shards: int) -> Any:
    """task(shared, shard). An error says in which shard it happened; ours keep their class and exit code.

    Raises LeavenError, also for errors that are not ours, so that it can be sent between processes.
    """
    place = f"shard {index + 1} of {shards}"
    try:
        return task(shared, shard)
    except LeavenError as error:
        error.where = f"{place}, {error.where}"
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise LeavenError(place, "a task without an error", got, "run with one worker to see where") from error
